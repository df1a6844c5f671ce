// Cross entropy of codes and its gradients: rows are mapped to logits, judged and turned into gradients piece by piece, and
// no logits are kept.

#include "products.h"

struct Sizes {
    int64_t rows, ins, outs;
    int32_t threads;
};

namespace {

constexpr float NONE = -1e30f;  // the logit of what only fills up a register

inline float largest(const lanes *row, int64_t registers) {
    lanes top = row[0];
    for (int64_t i = 1; i < registers; i++) top = larger(row[i], top);
    float largest = top[0];
    for (int64_t i = 1; i < LANES; i++) largest = std::fmax(largest, top[i]);
    return largest;
}

struct Judged {
    double loss = 0;
    int64_t correct = 0;

    // Logits of a row become the gradient of its loss.
    void judge(lanes *row, int64_t registers, int64_t target) {
        float *logits = reinterpret_cast<float *>(row);
        const float top = largest(row, registers), wanted = logits[target];
        correct += wanted == top && std::find(logits, logits + target, top) == logits + target;  // the first counts
        lanes sum = {};
        for (int64_t i = 0; i < registers; i++) sum += row[i] = power_of_two<false>((row[i] - top) * LOG2_E);
        const float total = group_sums<LANES>(sum)[0];
        for (int64_t i = 0; i < registers; i++) row[i] /= total;
        logits[target] -= 1;
        loss += std::log(total) + top - wanted;
    }
};

}  // namespace

// The summed loss and the number of rows whose largest logit is the target's; gradients of x, weight and bias unless they
// are null (all or none). weight [outs, ins]; targets below outs.
extern "C" void judge_rows(const float *x, const float *weight, const float *bias, const int64_t *targets, float *x_grad,
                           float *weight_grad, float *bias_grad, double *loss, int64_t *correct, Sizes n) {
    const int64_t in_width = padded(n.ins) / LANES, out_width = padded(n.outs) / LANES;
    std::vector<lanes> turned, start(out_width, all(NONE)), packed(n.outs * in_width);
    turn(weight, n.outs, n.ins, turned);
    std::memcpy(start.data(), bias, n.outs * sizeof(float));
    pack(weight, n.outs, n.ins, packed.data());
    std::vector<lanes> weight_sums(weight_grad ? n.threads * n.outs * in_width : 0), bias_sums(n.threads * out_width);
    std::vector<Judged> judged(n.threads);
#pragma omp parallel for num_threads(n.threads) schedule(static)
    for (int64_t part = 0; part < n.threads; part++) {
        std::vector<lanes> logits(PIECE * out_width), rows(PIECE * in_width), sums(PIECE * in_width);
        const float *slopes = reinterpret_cast<const float *>(logits.data());
        lanes *of_weight = weight_grad ? &weight_sums[part * n.outs * in_width] : nullptr, *of_bias = &bias_sums[part * out_width];
        Judged own;
        const int64_t pieces = (n.rows + PIECE - 1) / PIECE;
        for (int64_t piece = pieces * part / n.threads; piece < pieces * (part + 1) / n.threads; piece++) {
            const int64_t first = piece * PIECE, count = std::min(PIECE, n.rows - first);
            for (int64_t r = 0; r < count; r++) std::copy(start.begin(), start.end(), logits.begin() + r * out_width);
            add_product({x + first * n.ins, n.ins, 1, count, n.ins, turned.data(), out_width}, logits.data());
            for (int64_t r = 0; r < count; r++) own.judge(&logits[r * out_width], out_width, targets[first + r]);
            if (!weight_grad) continue;
            pack(x + first * n.ins, count, n.ins, rows.data());
            add_product({slopes, 1, out_width * LANES, n.outs, count, rows.data(), in_width}, of_weight);
            for (int64_t r = 0; r < count; r++)
                for (int64_t i = 0; i < out_width; i++) of_bias[i] += logits[r * out_width + i];
            std::fill(sums.begin(), sums.end(), lanes{});
            add_product({slopes, out_width * LANES, 1, count, n.outs, packed.data(), in_width}, sums.data());
            unpack(sums.data(), count, n.ins, x_grad + first * n.ins);
        }
        judged[part] = own;
    }
    *loss = 0, *correct = 0;
    for (const Judged &part : judged) *loss += part.loss, *correct += part.correct;
    if (!weight_grad) return;
    for (int64_t part = 1; part < n.threads; part++) {
        for (int64_t i = 0; i < n.outs * in_width; i++) weight_sums[i] += weight_sums[part * n.outs * in_width + i];
        for (int64_t i = 0; i < out_width; i++) bias_sums[i] += bias_sums[part * out_width + i];
    }
    unpack(weight_sums.data(), n.outs, n.ins, weight_grad);
    unpack(bias_sums.data(), 1, n.outs, bias_grad);
}
