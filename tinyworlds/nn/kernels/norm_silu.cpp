// silu(x / rms(x) * scale) of rows, forwards and backwards: one pass over memory each, where the parts written out take
// a dozen, most of them backwards.

#include <algorithm>
#include <vector>

#include "rows.h"

namespace {

inline float sum(lanes x) {
    float total = 0;
    for (int64_t i = 0; i < LANES; i++) total += x[i];
    return total;
}

template <typename Work>
inline void along(int64_t width, Work work) {
    for (int64_t c = 0; c < width; c += LANES) work(c, std::min(LANES, width - c));
}

inline float root(const float *row, int64_t width, float eps) {
    lanes squares = {};
    along(width, [&](int64_t c, int64_t count) {
        const lanes x = load(row + c, count);
        squares += x * x;
    });
    return 1.0f / std::sqrt(sum(squares) / width + eps);
}

}  // namespace

// out [rows, width] and roots [rows] from x [rows, width] and scale [width].
extern "C" void norm_silu(const float *x, const float *scale, float *out, float *roots, int64_t rows, int64_t width,
                          float eps, int32_t threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const float *from = x + row * width;
        const float r = roots[row] = root(from, width, eps);
        along(width, [&](int64_t c, int64_t count) {
            const lanes y = load(from + c, count) * load(scale + c, count) * r;
            store(out + row * width + c, y * sigmoid(y), count);
        });
    }
}

// The gradients of x and of scale from that of out; scale_grad [width] is overwritten.
extern "C" void norm_silu_backward(const float *x, const float *scale, const float *roots, const float *out_grad,
                                   float *x_grad, float *scale_grad, int64_t rows, int64_t width, int32_t threads) {
    const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(threads, rows));
    std::vector<float> sums(parts * width, 0.0f);
#pragma omp parallel for num_threads(parts) if (parts > 1) schedule(static, 1)
    for (int64_t part = 0; part < parts; part++) {
        float *own = sums.data() + part * width;
        for (int64_t row = part * rows / parts; row < (part + 1) * rows / parts; row++) {
            const float *from = x + row * width, *asked = out_grad + row * width;
            float *into = x_grad + row * width;
            const float r = roots[row];
            lanes along_x = {};
            along(width, [&](int64_t c, int64_t count) {
                const lanes normed = load(from + c, count) * r, weight = load(scale + c, count);
                const lanes y = normed * weight, share = sigmoid(y);
                const lanes y_grad = load(asked + c, count) * share * (1.0f + y * (1.0f - share));
                store(own + c, load(own + c, count) + y_grad * normed, count);
                const lanes normed_grad = y_grad * weight;
                store(into + c, normed_grad, count);
                along_x += normed_grad * normed;
            });
            const float mean = sum(along_x) / width;
            along(width, [&](int64_t c, int64_t count) {
                const lanes normed = load(from + c, count) * r;
                store(into + c, (load(into + c, count) - normed * mean) * r, count);
            });
        }
    }
    for (int64_t c = 0; c < width; c++) {
        float total = 0;
        for (int64_t part = 0; part < parts; part++) total += sums[part * width + c];
        scale_grad[c] = total;
    }
}
