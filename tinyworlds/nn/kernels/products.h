// Products of many rows with a small matrix, piece by piece, in vector registers.

#pragma once

#include <algorithm>
#include <vector>

#include "lanes.h"

constexpr int64_t PIECE = 32;  // rows at once: some kilobytes, read again and again
constexpr int TALL = 6, WIDE = LANES == 16 ? 4 : 2;  // sums that fit the registers

namespace {

inline int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// left [rows, depth] with any strides; right [depth, columns], rows padded to whole registers.
struct Product {
    const float *left;
    int64_t row_stride, depth_stride, rows, depth;
    const lanes *right;
    int64_t right_width;  // registers of a row
};

// sums [rows, width] += left right, where all of them are whole registers.
template <int ROWS, int COLUMNS>
void add_block(const Product &of, int64_t row, int64_t column, lanes *sums) {
    lanes sum[ROWS][COLUMNS];
    lanes *into = sums + row * of.right_width + column;
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) sum[r][c] = into[r * of.right_width + c];
    const float *left = of.left + row * of.row_stride;
    const lanes *right = of.right + column;
    for (int64_t d = 0; d < of.depth; d++, left += of.depth_stride, right += of.right_width)
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLUMNS; c++) sum[r][c] += left[r * of.row_stride] * right[c];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) into[r * of.right_width + c] = sum[r][c];
}

template <int ROWS, int COLUMNS = WIDE>
void add_rows(const Product &of, int64_t row, lanes *sums, int64_t column = 0) {
    for (; column + COLUMNS <= of.right_width; column += COLUMNS) add_block<ROWS, COLUMNS>(of, row, column, sums);
    if constexpr (COLUMNS > 1) add_rows<ROWS, COLUMNS / 2>(of, row, sums, column);
}

template <int ROWS = TALL>
void add_product(const Product &of, lanes *sums, int64_t row = 0) {
    for (; row + ROWS <= of.rows; row += ROWS) add_rows<ROWS>(of, row, sums);
    if constexpr (ROWS > 1) add_product<ROWS / 2>(of, sums, row);
}

// [columns, rows] from [rows, columns], a row of the result padded to whole registers.
void turn(const float *rows, int64_t count, int64_t width, std::vector<lanes> &into) {
    const int64_t floats = padded(count);
    into.assign(width * floats / LANES, lanes{});
    float *turned = reinterpret_cast<float *>(into.data());
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < width; c++) turned[c * floats + r] = rows[r * width + c];
}

// Rows of whole registers from rows of floats, and back.
void pack(const float *rows, int64_t count, int64_t width, lanes *into) {
    const int64_t registers = padded(width) / LANES;
    for (int64_t r = 0; r < count; r++) {
        if (width % LANES) into[(r + 1) * registers - 1] = lanes{};
        std::memcpy(into + r * registers, rows + r * width, width * sizeof(float));
    }
}

void unpack(const lanes *from, int64_t count, int64_t width, float *rows) {
    const int64_t registers = padded(width) / LANES;
    for (int64_t r = 0; r < count; r++) std::memcpy(rows + r * width, from + r * registers, width * sizeof(float));
}

}  // namespace
