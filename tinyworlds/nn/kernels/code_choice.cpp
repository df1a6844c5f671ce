// The likeliest code of each token, and how likely it is.

#include <vector>

#include "tiles.h"

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
