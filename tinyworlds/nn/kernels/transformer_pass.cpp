// A pass through a whole space-time transformer without gradients, for heads of CHANNELS channels (a constant
// of the build).
//
// Places of a frame meet in spatial attention only. All that lies between two of those (maps, norms, attention
// along time, feed-forward) goes place by place, so it is done at one go for a tile of sixteen places. They lie
// side by side in vector registers: a sum over channels needs no shuffling, and a tile stays in the cache.

#include <algorithm>
#include <vector>

#include "tiles.h"

constexpr float EPS = 1e-5f;

// Pointers are null where something is missing: a bias, a scale, a modulation, a turn, a condition.

enum Kind : int64_t { NOTHING, ROOT_MEAN_SQUARE, LAYER };

// normed(x) * scale
struct Norm {
    Kind kind;
    const float *scale;
};

// What a frame's condition makes of a step: vectors of maps of silu(condition). Where there are any, one norm of the step
// becomes normed(x) * (1 + scale) + shift, and the gate is 1 + gate.
struct Modulation {
    Linear scale, shift, gate;
};

// x = after(x + gate * layer(before(x)))
struct Step {
    Norm before, after;
    Modulation modulation;
};

// Queries and keys are normed by heads, then turned: a channel times its cosine plus the channel half a head away
// times its sine. Turns lie [tiles, CHANNELS, TILE] in space and [frames, CHANNELS] in time.
struct Attention {
    Step step;
    Linear query, key, value, out;
    Norm query_norm, key_norm;
    const float *cosine, *sine;
};

struct FeedForward {
    Step step;
    Linear gate, value, out;
};

// A block whose `time` has no weights lets no frame know of another.
struct Block {
    Attention space, time;
    FeedForward ffn;
};

// Of [sessions, frames, width], for the last of a session's frames; those before have none.
struct Condition {
    const float *data;
    int64_t frames, width;
};

struct Sizes {
    int64_t sessions, frames, past, places, width, hidden, blocks, threads;
    int64_t tiles() const { return tiles_of(places); }
    int64_t heads() const { return width / CHANNELS; }
};

// Keys (normed, not turned) and values of time attention: [blocks, sessions, frames, 2, tiles, width, TILE].
struct Memory {
    float *data;
    int64_t block, session, frame;
    float *at(int64_t b, int64_t s, int64_t f) const { return data + b * block + s * session + f * frame; }
};

namespace {

inline lanes inverse_root(lanes x) {
    float each[LANES];
    std::memcpy(each, &x, sizeof x);
    for (auto &e : each) e = 1.0f / std::sqrt(e);
    std::memcpy(&x, each, sizeof x);
    return x;
}

inline lanes silu(lanes x) { return x / (power_of_two<false>(smaller(-LOG2_E * x, all(126))) + 1.0f); }

void normalise(Kind kind, const float *scale, const float *shift, int64_t channels, const Channel *x, Channel *y) {
    for (int p = 0; p < PARTS; p++) {
        lanes mean = {}, squares = {};
        if (kind == LAYER)
            for (int64_t c = 0; c < channels; c++) mean += x[c][p];
        mean /= all(channels);
        for (int64_t c = 0; c < channels; c++) squares += (x[c][p] - mean) * (x[c][p] - mean);
        const lanes inverse = inverse_root(squares / all(channels) + EPS);
        for (int64_t c = 0; c < channels; c++)
            y[c][p] = (x[c][p] - mean) * inverse * (scale ? scale[c] : 1) + (shift ? shift[c] : 0);
    }
}

void norm_heads(const Norm &norm, int64_t width, Channel *x) {
    if (norm.kind == NOTHING) return;
    for (int64_t c = 0; c < width; c += CHANNELS) normalise(norm.kind, norm.scale, nullptr, CHANNELS, x + c, x + c);
}

// Factors are functions of a channel of a head and of the part of the tile.
template <class Factors>
void turn(Factors cosine, Factors sine, int64_t width, const Channel *x, Channel *y) {
    for (int64_t first = 0; first < width; first += CHANNELS) {
        Channel turned[CHANNELS];
        for (int c = 0; c < CHANNELS; c++)
            for (int p = 0; p < PARTS; p++)
                turned[c][p] = x[first + c][p] * cosine(c, p) + x[first + (c + CHANNELS / 2) % CHANNELS][p] * sine(c, p);
        std::memcpy(y + first, turned, sizeof turned);
    }
}

void turn_places(const Attention &space, int64_t tile, int64_t width, Channel *x) {
    if (!space.cosine) return;
    auto at = [tile](const float *turns) {
        return [table = channels_at(turns) + tile * CHANNELS](int c, int p) { return table[c][p]; };
    };
    turn(at(space.cosine), at(space.sine), width, x, x);
}

void turn_frame(const Attention &time, int64_t frame, int64_t width, const Channel *x, Channel *y) {
    auto at = [frame](const float *turns) {
        return [table = turns + frame * CHANNELS](int c, int) { return all(table[c]); };
    };
    turn(at(time.cosine), at(time.sine), width, x, y);
}

// Squared length of the longest of sixteen vectors of a head.
float longest(const Channel *x) {
    float most = 0;
    for (int p = 0; p < PARTS; p++) {
        lanes squares = {};
        for (int c = 0; c < CHANNELS; c++) squares += x[c][p] * x[c][p];
        for (int64_t i = 0; i < LANES; i++) most = std::fmax(most, squares[i]);
    }
    return most;
}

// A tile's queries (scaled by log2 e) of a head attend to that head of a frame: keys and values [tiles, width, TILE],
// from the head on.
template <bool BOUNDED>
void attend(const Channel *query, const float *keys, const float *values, const Sizes &n, Channel *mixed) {
    Channel q[CHANNELS], mix[CHANNELS] = {}, sum = {}, top = {}, weight;
    std::memcpy(q, query, sizeof q);
    auto score = [&q](const float *key, int p, lanes start) {
        lanes other = {};  // two sums at once: what follows waits half as long for the last product
        for (int c = 0; c < CHANNELS; c++) (c % 2 ? other : start) += q[c][p] * key[c * TILE];
        return start + other;
    };
    const int64_t tile_floats = n.width * TILE;
    if (!BOUNDED)
        for (int64_t j = 0; j < n.places; j++)
            for (int p = 0; p < PARTS; p++) {
                const lanes found = score(keys + j / TILE * tile_floats + j % TILE, p, lanes{});
                top[p] = j ? larger(found, top[p]) : found;
            }
    for (int64_t tile = 0; tile < n.tiles(); tile++, keys += tile_floats, values += tile_floats)
        for (int64_t j = 0; j < count_in(tile, n.places); j++) {
            for (int p = 0; p < PARTS; p++) sum[p] += weight[p] = power_of_two<BOUNDED>(score(keys + j, p, -top[p]));
            for (int c = 0; c < CHANNELS; c++)
                for (int p = 0; p < PARTS; p++) mix[c][p] += weight[p] * values[c * TILE + j];
        }
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < PARTS; p++) mixed[c][p] = mix[c][p] / sum[p];
}

// What a thread writes to while it works on a tile.
struct Scratch {
    std::vector<lanes> floats, scores;
    Channel *normed, *change, *query, *key, *hidden, *gated;

    explicit Scratch(const Sizes &n)
        : floats(PARTS * (4 * n.width + 2 * n.hidden)), scores(PARTS * n.heads() * (n.past + n.frames)) {
        Channel *next = reinterpret_cast<Channel *>(floats.data());
        for (Channel **part : {&normed, &change, &query, &key}) *part = next, next += n.width;
        hidden = next, gated = next + n.hidden;
    }
};

// Scales, shifts and gates [steps, frames, 3, width] of all steps, of which each block has three.
class Modulations {
  public:
    Modulations(const Block *blocks, Condition condition, const Sizes &n)
        : n(n), values(condition.data ? n.blocks * 3 * n.sessions * n.frames * 3 * n.width : 0) {
        if (!condition.data) return;
        std::vector<float> silu(condition.width);
        for (int64_t s = 0; s < n.sessions; s++)
            for (int64_t f = n.frames - condition.frames; f < n.frames; f++) {
                const float *from = condition.data + ((s + 1) * condition.frames + f - n.frames) * condition.width;
                for (int64_t i = 0; i < condition.width; i++) silu[i] = from[i] / (1 + std::exp(-from[i]));
                for (int64_t b = 0; b < n.blocks; b++) {
                    const Step *steps[] = {&blocks[b].space.step, &blocks[b].time.step, &blocks[b].ffn.step};
                    for (int64_t step = 0; step < 3; step++) {
                        float *into = vectors(3 * b + step, s * n.frames + f);
                        const Modulation &m = steps[step]->modulation;
                        for (const Linear *map : {&m.scale, &m.shift, &m.gate}) add(*map, silu, into), into += n.width;
                    }
                }
            }
        for (size_t i = 0; i < values.size(); i++) values[i] += i / n.width % 3 != SHIFT;
    }

    enum Which : int64_t { SCALE, SHIFT, GATE };

    // Null without a condition.
    const float *of(Which which, int64_t step, int64_t frame) const {
        return values.empty() ? nullptr : vectors(step, frame) + which * n.width;
    }

  private:
    const float *vectors(int64_t step, int64_t frame) const {
        return &values[(step * n.sessions * n.frames + frame) * 3 * n.width];
    }
    float *vectors(int64_t step, int64_t frame) {
        return &values[(step * n.sessions * n.frames + frame) * 3 * n.width];
    }
    void add(const Linear &map, const std::vector<float> &x, float *y) const {
        for (int64_t o = 0; map.weight && o < n.width; o++) {
            const float *weight = map.weight + o * x.size();
            lanes sums = {}, each, with;
            size_t i = 0;
            for (; i + LANES <= x.size(); i += LANES) {
                std::memcpy(&each, weight + i, sizeof each);
                std::memcpy(&with, &x[i], sizeof with);
                sums += each * with;
            }
            y[o] = map.bias[o];
            for (int64_t lane = 0; lane < LANES; lane++) y[o] += sums[lane];
            for (; i < x.size(); i++) y[o] += weight[i] * x[i];
        }
    }

    const Sizes n;
    std::vector<float> values;
};

class Pass {
  public:
    Pass(const Block *blocks, Norm final, Condition condition, const float *in, float *out, Memory past, Memory fresh,
         Sizes n)
        : blocks(blocks), final(final), modulations(blocks, condition, n), in(in), out(out), past(past), fresh(fresh),
          n(n), all_frames(n.sessions * n.frames), frame_channels(n.tiles() * n.width), tokens(size()), queries(size()),
          keys(size()), values(size()), key_lengths(all_frames * n.tiles() * n.heads()) {}

    void run() {
#pragma omp parallel num_threads(n.threads)
        {
            Scratch own(n);
            for (int64_t b = 0; b <= n.blocks; b++) {
#pragma omp for collapse(2) schedule(dynamic)
                for (int64_t session = 0; session < n.sessions; session++)
                    for (int64_t tile = 0; tile < n.tiles(); tile++)
                        for (int64_t f = 0; f < n.frames; f++) between_attentions(b, session, f, tile, own);
                if (b == n.blocks) break;
#pragma omp for collapse(3) schedule(dynamic, 4)
                for (int64_t frame = 0; frame < all_frames; frame++)
                    for (int64_t head = 0; head < n.heads(); head++)
                        for (int64_t tile = 0; tile < n.tiles(); tile++) attend_space(frame, head, tile);
            }
        }
    }

  private:
    // Ends block b - 1 where spatial attention left it, and begins block b up to there.
    void between_attentions(int64_t b, int64_t session, int64_t f, int64_t tile, Scratch &own) {
        const int64_t frame = session * n.frames + f;
        Channel *x = of(tokens, frame, tile);
        if (b == 0) {
            load(frame, tile, x);
        } else {
            const Block &ending = blocks[b - 1];
            map(ending.space.out, n.width, n.width, of(queries, frame, tile), own.change);
            take(ending.space.step, 3 * b - 3, frame, own.change, x);
            if (!out && b == n.blocks) return remember(b - 1, session, f, tile, own, x);
            if (ending.time.out.weight) attend_time(b - 1, session, f, tile, own, x);
            feed_forward(ending.ffn, 3 * b - 1, frame, own, x);
        }
        if (b < n.blocks) return begin_space(b, frame, tile, own, x);
        if (final.kind != NOTHING) normalise(final.kind, final.scale, nullptr, n.width, x, x);
        store(frame, tile, x);
    }

    void begin_space(int64_t b, int64_t frame, int64_t tile, Scratch &own, const Channel *x) {
        const Attention &space = blocks[b].space;
        Channel *query = of(queries, frame, tile), *key = of(keys, frame, tile);
        project(space, 3 * b, frame, own, x, query, key, of(values, frame, tile));
        turn_places(space, tile, n.width, query);
        turn_places(space, tile, n.width, key);
        for (int64_t head = 0; head < n.heads(); head++)
            key_lengths[(frame * n.heads() + head) * n.tiles() + tile] = longest(key + head * CHANNELS);
    }

    void attend_space(int64_t frame, int64_t head, int64_t tile) {
        Channel *query = of(queries, frame, tile) + head * CHANNELS;
        const float *lengths = &key_lengths[(frame * n.heads() + head) * n.tiles()];
        const bool safe = bounded(longest(query), *std::max_element(lengths, lengths + n.tiles()));
        const float *first_key = reinterpret_cast<float *>(of(keys, frame, 0) + head * CHANNELS);
        const float *first_value = reinterpret_cast<float *>(of(values, frame, 0) + head * CHANNELS);
        (safe ? attend<true> : attend<false>)(query, first_key, first_value, n, query);
    }

    // Keys of a frame for time attention, the values of the same tile behind those of all tiles.
    Channel *memory(int64_t b, int64_t session, int64_t frame, int64_t tile) const {
        float *kept = frame < n.past ? past.at(b, session, frame) : fresh.at(b, session, frame - n.past);
        return channels_at(kept) + tile * n.width;
    }

    void remember(int64_t b, int64_t session, int64_t f, int64_t tile, Scratch &own, const Channel *x) {
        Channel *keys = memory(b, session, n.past + f, tile);
        project(blocks[b].time, 3 * b + 1, session * n.frames + f, own, x, own.query, keys, keys + n.tiles() * n.width);
    }

    void attend_time(int64_t b, int64_t session, int64_t f, int64_t tile, Scratch &own, Channel *x) {
        const Attention &time = blocks[b].time;
        const int64_t frame = session * n.frames + f, seen = n.past + f + 1, values_after = n.tiles() * n.width;
        remember(b, session, f, tile, own, x);
        if (time.cosine) turn_frame(time, seen - 1, n.width, own.query, own.query);
        for (int64_t s = 0; s < seen; s++) {
            const Channel *key = memory(b, session, s, tile);
            if (time.cosine) turn_frame(time, s, n.width, key, own.key), key = own.key;
            for (int64_t c = 0; c < n.width; c++)
                for (int p = 0; p < PARTS; p++) {
                    lanes &score = own.scores[(s * n.heads() + c / CHANNELS) * PARTS + p];
                    score = (c % CHANNELS ? score : lanes{}) + own.query[c][p] * key[c][p];
                }
        }
        weigh_frames(seen, own.scores.data());
        for (int64_t s = 0; s < seen; s++) {
            const Channel *value = memory(b, session, s, tile) + values_after;
            for (int64_t c = 0; c < n.width; c++)
                for (int p = 0; p < PARTS; p++) {
                    const lanes mixed = own.scores[(s * n.heads() + c / CHANNELS) * PARTS + p] * value[c][p];
                    own.query[c][p] = s ? own.query[c][p] + mixed : mixed;
                }
        }
        map(time.out, n.width, n.width, own.query, own.change);
        take(time.step, 3 * b + 1, frame, own.change, x);
    }

    // Scores [frames, heads] become weights.
    void weigh_frames(int64_t seen, lanes *scores) const {
        const int64_t row = n.heads() * PARTS;
        for (int64_t h = 0; h < row; h++) {
            lanes top = scores[h], sum = {};
            for (int64_t s = 1; s < seen; s++) top = larger(scores[s * row + h], top);
            for (int64_t s = 0; s < seen; s++) sum += scores[s * row + h] = power_of_two<false>(scores[s * row + h] - top);
            for (int64_t s = 0; s < seen; s++) scores[s * row + h] /= sum;
        }
    }

    void feed_forward(const FeedForward &ffn, int64_t step, int64_t frame, Scratch &own, Channel *x) {
        const Channel *in = prepared(ffn.step, step, frame, own, x);
        map(ffn.gate, n.width, n.hidden, in, own.gated);
        map(ffn.value, n.width, n.hidden, in, own.hidden);
        for (int64_t h = 0; h < n.hidden; h++)
            for (int p = 0; p < PARTS; p++) own.hidden[h][p] *= silu(own.gated[h][p]);
        map(ffn.out, n.hidden, n.width, own.hidden, own.change);
        take(ffn.step, step, frame, own.change, x);
    }

    // Queries, ready for powers of two, keys and values of x.
    void project(const Attention &attention, int64_t step, int64_t frame, Scratch &own, const Channel *x, Channel *query,
                 Channel *key, Channel *value) {
        const Channel *in = prepared(attention.step, step, frame, own, x);
        map(attention.query, n.width, n.width, in, query);
        map(attention.key, n.width, n.width, in, key);
        map(attention.value, n.width, n.width, in, value);
        norm_heads(attention.query_norm, n.width, query);
        norm_heads(attention.key_norm, n.width, key);
        const float scale = LOG2_E / std::sqrt(float(CHANNELS));
        for (int64_t c = 0; c < n.width; c++)
            for (int p = 0; p < PARTS; p++) query[c][p] *= scale;
    }

    // What the layer of a step is given; steps count through all blocks.
    const Channel *prepared(const Step &about, int64_t step, int64_t frame, Scratch &own, const Channel *x) const {
        if (about.before.kind == NOTHING) return x;
        modulate(about.before, step, frame, x, own.normed);
        return own.normed;
    }

    void take(const Step &about, int64_t step, int64_t frame, const Channel *change, Channel *x) const {
        const float *gate = about.modulation.gate.weight ? modulations.of(Modulations::GATE, step, frame) : nullptr;
        for (int64_t c = 0; c < n.width; c++)
            for (int p = 0; p < PARTS; p++) x[c][p] += change[c][p] * (gate ? gate[c] : 1);
        if (about.after.kind != NOTHING) modulate(about.after, step, frame, x, x);
    }

    // A norm with a scale of its own or with that of the condition.
    void modulate(const Norm &norm, int64_t step, int64_t frame, const Channel *x, Channel *y) const {
        const float *scale = norm.scale ? norm.scale : modulations.of(Modulations::SCALE, step, frame);
        const float *shift = norm.scale ? nullptr : modulations.of(Modulations::SHIFT, step, frame);
        normalise(norm.kind, scale, shift, n.width, x, y);
    }

    void load(int64_t frame, int64_t tile, Channel *x) const {
        load_rows(in + (frame * n.places + tile * TILE) * n.width, count_in(tile, n.places), n.width, x);
    }
    void store(int64_t frame, int64_t tile, const Channel *x) const {
        float *rows = out + (frame * n.places + tile * TILE) * n.width;
        const float *from = reinterpret_cast<const float *>(x);
        for (int64_t i = 0; i < count_in(tile, n.places); i++)
            for (int64_t c = 0; c < n.width; c++) rows[i * n.width + c] = from[c * TILE + i];
    }

    int64_t size() const { return all_frames * frame_channels * PARTS; }
    Channel *of(std::vector<lanes> &all, int64_t frame, int64_t tile) const {
        return reinterpret_cast<Channel *>(all.data()) + frame * frame_channels + tile * n.width;
    }

    const Block *blocks;
    const Norm final;
    const Modulations modulations;
    const float *in;
    float *out;
    const Memory past, fresh;
    const Sizes n;
    const int64_t all_frames, frame_channels;
    std::vector<lanes> tokens, queries, keys, values;  // [frames, tiles, width, TILE]
    std::vector<float> key_lengths;                    // [frames, heads, tiles], squared, the longest of each tile
};

}  // namespace

// Transforms `in` [sessions, frames, places, width] to `out`. Time attention also sees the frames of `past` and leaves
// keys and values of the new frames in `fresh`, both on 64-byte borders. Without `out`, only what is left in `fresh` is
// computed.
extern "C" void transform(const Block *blocks, Norm final, Condition condition, const float *in, float *out, Memory past,
                          Memory fresh, Sizes n) {
    Pass(blocks, final, condition, in, out, past, fresh, n).run();
}
