// Reading and writing rows of any width, and the sigmoid: for kernels that go over rows once.

#pragma once

#include "lanes.h"

namespace {

inline lanes sigmoid(lanes x) { return 1.0f / (1.0f + power_of_two<false>(smaller(x * -LOG2_E, all(127)))); }

inline lanes load(const float *from, int64_t count) {
    lanes x = {};
    if (count == LANES) std::memcpy(&x, from, sizeof x);
    else std::memcpy(&x, from, count * sizeof(float));
    return x;
}

inline void store(float *into, lanes x, int64_t count) {
    if (count == LANES) std::memcpy(into, &x, sizeof x);
    else std::memcpy(into, &x, count * sizeof(float));
}

}  // namespace
