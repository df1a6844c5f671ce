// Sixteen rows (places, tokens) side by side, and linear maps of them.

#pragma once

#include <algorithm>

#include "lanes.h"

constexpr int64_t TILE = 16;
constexpr int64_t PARTS = TILE / LANES;
#ifdef __wasm__
constexpr int SUMS = 2;  // outputs at once: as many as registers hold sums for, measured in Chromium
#else
constexpr int SUMS = 12 / PARTS;
#endif

// weight x + bias; weights lie [outs, ins], row by row. The bias may be missing, as a null pointer.
struct Linear {
    const float *weight, *bias;
};

namespace {

typedef lanes Channel[PARTS];  // of the sixteen rows of a tile

inline Channel *channels_at(float *floats) { return reinterpret_cast<Channel *>(floats); }
inline const Channel *channels_at(const float *floats) { return reinterpret_cast<const Channel *>(floats); }

inline int64_t tiles_of(int64_t rows) { return (rows + TILE - 1) / TILE; }
inline int64_t count_in(int64_t tile, int64_t rows) { return std::min(TILE, rows - tile * TILE); }

// Rows [count, width]; what fills up the tile is zero.
inline void load_rows(const float *rows, int64_t count, int64_t width, Channel *x) {
    float *into = reinterpret_cast<float *>(x);
    for (int64_t c = 0; c < width; c++)
        for (int64_t i = 0; i < TILE; i++) into[c * TILE + i] = i < count ? rows[i * width + c] : 0;
}

template <int OUTS>
inline void map_some(const float *weight, const float *bias, int64_t ins, const Channel *x, Channel *y) {
    lanes sum[OUTS][PARTS];
    for (int o = 0; o < OUTS; o++)
        for (int p = 0; p < PARTS; p++) sum[o][p] = all(bias ? bias[o] : 0);
    for (int64_t i = 0; i < ins; i++)
        for (int o = 0; o < OUTS; o++)
            for (int p = 0; p < PARTS; p++) sum[o][p] += weight[o * ins + i] * x[i][p];
    std::memcpy(y, sum, sizeof sum);
}

// Outputs from `o` on: as many at once as registers hold sums for, then half as many, and so on.
template <int AT_ONCE = SUMS>
void map(const Linear &linear, int64_t ins, int64_t outs, const Channel *x, Channel *y, int64_t o = 0) {
    for (; o + AT_ONCE <= outs; o += AT_ONCE)
        map_some<AT_ONCE>(linear.weight + o * ins, linear.bias ? linear.bias + o : nullptr, ins, x, y + o);
    if constexpr (AT_ONCE > 1) map<AT_ONCE / 2>(linear, ins, outs, x, y, o);
}

}  // namespace
