// The likeliest code of each token, or one drawn by chance, and how likely it is.

#include <vector>

#include "tiles.h"

namespace {

constexpr int32_t ONE = 0x3f800000;  // the bits of 1.0f

// Weights in [0, 1]: the largest that, with all above it, reaches the sum `wanted`. Bits of such numbers, taken as
// whole ones, are in the same order, so that halving their range finds it exactly.
inline lanes smallest_of_most(const Channel *weights, int64_t codes, int p, lanes wanted) {
    bits low = {}, high = ONE - bits{};
    for (int halving = 0; halving < 30; halving++) {
        const bits middle = low + ((high - low + 1) >> 1);
        lanes sum = {};
        for (int64_t k = 0; k < codes; k++) sum += weights[k][p] >= (lanes)middle ? weights[k][p] : lanes{};
        const bits reached = sum >= wanted;
        low = reached ? middle : low;
        high = reached ? high : middle - 1;
    }
    return (lanes)low;
}

}  // namespace

// Of rows [tokens, width], through a map to `codes` logits: the first code with the largest logit, and its softmax.
// Where a logit is not a number, neither is the probability.
extern "C" void choose(const float *rows, Linear map_to_codes, int64_t tokens, int64_t width, int64_t codes,
                       int64_t threads, int64_t *chosen, float *probability) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<lanes> row_floats(PARTS * width), logit_floats(PARTS * codes);
        Channel *x = reinterpret_cast<Channel *>(row_floats.data());
        Channel *logits = reinterpret_cast<Channel *>(logit_floats.data());
#pragma omp for schedule(dynamic)
        for (int64_t tile = 0; tile < tiles_of(tokens); tile++) {
            const int64_t count = count_in(tile, tokens);
            load_rows(rows + tile * TILE * width, count, width, x);
            map(map_to_codes, width, codes, x, logits);
            for (int p = 0; p < PARTS; p++) {
                lanes top = logits[0][p], sum = {};
                bits best = {};
                for (int64_t k = 1; k < codes; k++) {
                    const bits number = int32_t(k) - bits{};
                    best = logits[k][p] > top ? number : best;
                    top = larger(logits[k][p], top);
                }
                for (int64_t k = 0; k < codes; k++) sum += power_of_two<false>((logits[k][p] - top) * LOG2_E);
                for (int64_t i = 0; i < LANES && p * LANES + i < count; i++) {
                    chosen[tile * TILE + p * LANES + i] = best[i];
                    probability[tile * TILE + p * LANES + i] = 1 / sum[i];
                }
            }
        }
    }
}

// A code of each token, drawn from the fewest likeliest that together have the probability `top_p`.
//
// Logits are multiplied by `sharpness` before their softmax. `chance` in [0, 1) decides, a number a token: codes share
// that range in their order. `own` asks for the probability of the drawn code, else the largest of any is given.
extern "C" void draw(const float *rows, Linear map_to_codes, int64_t tokens, int64_t width, int64_t codes,
                     int64_t threads, float sharpness, float top_p, const float *chance, bool own, int64_t *drawn,
                     float *probability) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<lanes> row_floats(PARTS * width), logit_floats(PARTS * codes);
        Channel *x = reinterpret_cast<Channel *>(row_floats.data());
        Channel *weights = reinterpret_cast<Channel *>(logit_floats.data());
#pragma omp for schedule(dynamic)
        for (int64_t tile = 0; tile < tiles_of(tokens); tile++) {
            const int64_t first = tile * TILE, count = count_in(tile, tokens);
            load_rows(rows + first * width, count, width, x);
            map(map_to_codes, width, codes, x, weights);
            for (int p = 0; p < PARTS; p++) {
                lanes top = weights[0][p], sum = {}, mass = {}, before = {}, weight = all(1), part = {};
                bits code = {};
                for (int64_t k = 1; k < codes; k++) top = larger(weights[k][p], top);
                for (int64_t k = 0; k < codes; k++) {
                    weights[k][p] = power_of_two<false>((weights[k][p] - top) * (sharpness * LOG2_E));
                    sum += weights[k][p];
                }
                const lanes least = top_p < 1 ? smallest_of_most(weights, codes, p, top_p * sum) : lanes{};
                for (int64_t k = 0; k < codes; k++) mass += weights[k][p] >= least ? weights[k][p] : lanes{};
                for (int64_t i = 0; i < LANES && p * LANES + i < count; i++) part[i] = chance[first + p * LANES + i];
                const lanes target = part * mass;
                for (int64_t k = 0; k < codes; k++) {
                    const lanes taken = weights[k][p] >= least ? weights[k][p] : lanes{};
                    const bits here = (before <= target) & (taken > 0);  // the last for which this holds
                    code = here ? int32_t(k) - bits{} : code;
                    weight = here ? taken : weight;
                    before += taken;
                }
                for (int64_t i = 0; i < LANES && p * LANES + i < count; i++) {
                    drawn[first + p * LANES + i] = code[i];
                    probability[first + p * LANES + i] = (own ? weight[i] : 1.0f) / sum[i];
                }
            }
        }
    }
}
