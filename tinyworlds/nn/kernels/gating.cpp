// silu(gate) * value of rows in which gates and values lie side by side, forwards and backwards: one pass over memory
// each, where the parts written out take seven.

#include <algorithm>

#include "rows.h"

namespace {

template <typename Work>
void for_all(int64_t rows, int64_t width, int32_t threads, Work work) {
#pragma omp parallel for num_threads(threads)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < width; c += LANES) work(row, c, std::min(LANES, width - c));
}

}  // namespace

// out [rows, width] from joined [rows, 2 * width].
extern "C" void gate(const float *joined, float *out, int64_t rows, int64_t width, int32_t threads) {
    for_all(rows, width, threads, [=](int64_t row, int64_t c, int64_t count) {
        const float *gates = joined + 2 * row * width + c;
        const lanes gate = load(gates, count), value = load(gates + width, count);
        store(out + row * width + c, gate * sigmoid(gate) * value, count);
    });
}

// The gradient of joined from that of out.
extern "C" void gate_backward(const float *joined, const float *out_grad, float *joined_grad, int64_t rows, int64_t width,
                               int32_t threads) {
    for_all(rows, width, threads, [=](int64_t row, int64_t c, int64_t count) {
        const float *gates = joined + 2 * row * width + c;
        float *into = joined_grad + 2 * row * width + c;
        const lanes gate = load(gates, count), value = load(gates + width, count);
        const lanes asked = load(out_grad + row * width + c, count), share = sigmoid(gate);
        store(into, asked * value * share * (1.0f + gate * (1.0f - share)), count);
        store(into + width, asked * gate * share, count);
    });
}
