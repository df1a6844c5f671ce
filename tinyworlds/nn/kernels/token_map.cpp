// Linear maps of many rows between few channels, and their gradients.
//
// Libraries are made for square products. Here a weight fits the nearest cache and rows come and go, so a piece of rows
// is read once: the map adds its bias on the way, and one pass over a piece gives the gradients of input, weight and
// bias, where products apart read the same rows three times.

#include "products.h"

struct Sizes {
    int64_t rows, ins, outs;
    int32_t threads;
};

// y [rows, outs] = x weight' + bias; weight [outs, ins]. The bias may be null.
extern "C" void map_rows(const float *x, const float *weight, const float *bias, float *y, Sizes n) {
    const int64_t width = padded(n.outs) / LANES;
    std::vector<lanes> turned, start(width);
    turn(weight, n.outs, n.ins, turned);
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
