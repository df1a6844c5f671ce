// Linear maps of many rows between few channels, and their gradients.
//
// Libraries are made for square products. Here a weight fits the nearest cache and rows come and go, so a piece of rows
// is read once: the map adds its bias on the way, and one pass over a piece gives the gradients of input, weight and
// bias, where products apart read the same rows three times.

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

struct Sizes {
    int64_t rows, ins, outs;
    int32_t threads;
};

// y [rows, outs] = x weight' + bias; weight [outs, ins]. The bias may be null.
extern "C" void map_rows(const float *x, const float *weight, const float *bias, float *y, Sizes n) {
    const int64_t width = padded(n.outs) / LANES;
    std::vector<lanes> turned(n.ins * width), start(width);
    float *into = reinterpret_cast<float *>(turned.data());
    for (int64_t o = 0; o < n.outs; o++)
        for (int64_t i = 0; i < n.ins; i++) into[i * width * LANES + o] = weight[o * n.ins + i];
    if (bias) std::memcpy(start.data(), bias, n.outs * sizeof(float));
#pragma omp parallel num_threads(n.threads)
    {
        std::vector<lanes> sums(PIECE * width);
#pragma omp for
        for (int64_t first = 0; first < n.rows; first += PIECE) {
            const int64_t count = std::min(PIECE, n.rows - first);
            for (int64_t r = 0; r < count; r++) std::copy(start.begin(), start.end(), sums.begin() + r * width);
            add_product({x + first * n.ins, n.ins, 1, count, n.ins, turned.data(), width}, sums.data());
            unpack(sums.data(), count, n.outs, y + first * n.outs);
        }
    }
}

// Gradients of x (unless null), weight and bias (unless null) from that of y.
extern "C" void map_rows_backward(const float *x, const float *weight, const float *y_grad, float *x_grad, float *weight_grad,
                                  float *bias_grad, Sizes n) {
    const int64_t in_width = padded(n.ins) / LANES;
    std::vector<lanes> packed(n.outs * in_width);
    pack(weight, n.outs, n.ins, packed.data());
    std::vector<lanes> weight_sums(n.threads * n.outs * in_width);
    std::vector<float> bias_sums(n.threads * n.outs);
#pragma omp parallel for num_threads(n.threads) schedule(static)
    for (int64_t part = 0; part < n.threads; part++) {
        lanes *of_weight = &weight_sums[part * n.outs * in_width];
        float *of_bias = &bias_sums[part * n.outs];
        std::vector<lanes> rows(PIECE * in_width), sums(PIECE * in_width);
        const int64_t pieces = (n.rows + PIECE - 1) / PIECE;
        for (int64_t piece = pieces * part / n.threads; piece < pieces * (part + 1) / n.threads; piece++) {
            const int64_t first = piece * PIECE, count = std::min(PIECE, n.rows - first);
            const float *grads = y_grad + first * n.outs;
            pack(x + first * n.ins, count, n.ins, rows.data());
            add_product({grads, 1, n.outs, n.outs, count, rows.data(), in_width}, of_weight);
            for (int64_t r = 0; bias_grad && r < count; r++)
                for (int64_t o = 0; o < n.outs; o++) of_bias[o] += grads[r * n.outs + o];
            if (!x_grad) continue;
            std::fill(sums.begin(), sums.end(), lanes{});
            add_product({grads, n.outs, 1, count, n.outs, packed.data(), in_width}, sums.data());
            unpack(sums.data(), count, n.ins, x_grad + first * n.ins);
        }
    }
    for (int64_t part = 1; part < n.threads; part++) {
        for (int64_t i = 0; i < n.outs * in_width; i++) weight_sums[i] += weight_sums[part * n.outs * in_width + i];
        for (int64_t o = 0; o < n.outs; o++) bias_sums[o] += bias_sums[part * n.outs + o];
    }
    unpack(weight_sums.data(), n.outs, n.ins, weight_grad);
    if (bias_grad) std::copy_n(bias_sums.begin(), n.outs, bias_grad);
}
