// Numbers side by side in a vector register, and the exponentials that attention is made of.
//
// Written in the vector types of GCC and Clang, so that it compiles for any processor.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
#elif defined(__wasm__)
constexpr int64_t LANES = 4;
#else
constexpr int64_t LANES = 8;  // wider ones would be cut in pieces that do not all fit the registers
#endif
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t bits __attribute__((vector_size(4 * LANES)));

namespace {

constexpr float LOG2_E = 1.44269504f;
constexpr float SAFE = 50.0f;     // powers of two of this size need not be lowered: sums and ratios fit float32
constexpr float VANISHED = -100;  // powers below count as zero; far lower ones would be slow, being subnormal

inline lanes all(float x) { return x - lanes{}; }

inline lanes larger(lanes a, lanes b) { return a > b ? a : b; }
inline lanes smaller(lanes a, lanes b) { return a < b ? a : b; }

template <int STEP>
inline lanes swapped(lanes x) {
#ifdef __clang__
    lanes y;
    for (int64_t i = 0; i < LANES; i++) y[i] = x[i ^ STEP];
    return y;
#else
    bits from;
    for (int32_t i = 0; i < LANES; i++) from[i] = i ^ STEP;
    return __builtin_shuffle(x, from);
#endif
}

// In each lane the sum over the lanes of its group. Groups have GROUP lanes, a power of two; STEP counts those added up.
template <int GROUP, int STEP = 1>
inline lanes group_sums(lanes x) {
    if constexpr (STEP < GROUP) return group_sums<GROUP, 2 * STEP>(x + swapped<STEP>(x));
    return x;
}

// 2**x. Adding 1.5 * 2**23 rounds to a whole number and leaves it in the low bits, from where it goes into the
// exponent; a polynomial of degree 5 (largest relative error 1e-7) does the rest.
template <bool BOUNDED>
inline lanes power_of_two(lanes x) {
    const float shift = 12582912.0f;
    const lanes whole = x + shift;
    const lanes f = x - (whole - shift);
    const lanes y = ((((0.00132647f * f + 0.00967151f) * f + 0.05550734f) * f + 0.24022242f) * f + 0.69314698f) * f + 1.0f;
    const lanes power = (lanes)((bits)y + ((bits)whole << 23));
    return BOUNDED ? power : (x < VANISHED ? lanes{} : power);
}

// Whether no score, being a product of vectors of these squared lengths, can leave the safe range.
inline bool bounded(float longest, float other) { return longest * other < SAFE * SAFE; }

}  // namespace
