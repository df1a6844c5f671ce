// A pass through a whole space-time transformer without gradients, for heads of CHANNELS channels (a constant
// of the build).
//
// Places of a frame meet in spatial attention only. All that lies between two of those (maps, norms, attention
// along time, feed-forward) goes place by place, so it is done at one go for a tile of sixteen places. They lie
// side by side in vector registers: a sum over channels needs no shuffling, and a tile stays in the cache.

#include <algorithm>
#include <vector>

#include "lanes.h"

constexpr int64_t TILE = 16;
constexpr int64_t PARTS = TILE / LANES;
constexpr float EPS = 1e-5f;

// Pointers may be null where something is optional: biases, scales, shifts, gates, turns.

// weight x + bias; weights lie [outs, ins], row by row.
struct Linear {
    const float *weight, *bias;
};

enum Kind : int64_t { NOTHING, ROOT_MEAN_SQUARE, LAYER };

// normed(x) * scale + shift; `frame` floats lie between the vectors of two frames, 0 where all have the same.
struct Norm {
    Kind kind;
    const float *scale, *shift;
    int64_t frame;
};

// x = after(x + gate * layer(before(x)))
struct Step {
    Norm before, after;
    const float *gate;
    int64_t gate_frame;
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

struct Sizes {
    int64_t sessions, frames, past, places, width, hidden, blocks, threads;
    int64_t tiles() const { return (places + TILE - 1) / TILE; }
    int64_t heads() const { return width / CHANNELS; }
};

// Keys (normed, not turned) and values of time attention: [blocks, sessions, frames, 2, tiles, width, TILE].
struct Memory {
    float *data;
    int64_t block, session, frame;
    float *at(int64_t b, int64_t s, int64_t f) const { return data + b * block + s * session + f * frame; }
};

namespace {

typedef lanes Channel[PARTS];  // of the sixteen places of a tile

inline Channel *channels_at(float *floats) { return reinterpret_cast<Channel *>(floats); }
inline const Channel *channels_at(const float *floats) { return reinterpret_cast<const Channel *>(floats); }

inline lanes inverse_root(lanes x) {
    float each[LANES];
    std::memcpy(each, &x, sizeof x);
    for (auto &e : each) e = 1.0f / std::sqrt(e);
    std::memcpy(&x, each, sizeof x);
    return x;
}

inline lanes silu(lanes x) { return x / (power_of_two<false>(smaller(-LOG2_E * x, all(126))) + 1.0f); }

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
template <int AT_ONCE = 12 / PARTS>
void map(const Linear &linear, int64_t ins, int64_t outs, const Channel *x, Channel *y, int64_t o = 0) {
    for (; o + AT_ONCE <= outs; o += AT_ONCE)
        map_some<AT_ONCE>(linear.weight + o * ins, linear.bias ? linear.bias + o : nullptr, ins, x, y + o);
    if constexpr (AT_ONCE > 1) map<AT_ONCE / 2>(linear, ins, outs, x, y, o);
}

void normalise(const Norm &norm, int64_t frame, int64_t channels, const Channel *x, Channel *y) {
    const float *scale = norm.scale ? norm.scale + frame * norm.frame : nullptr;
    const float *shift = norm.shift ? norm.shift + frame * norm.frame : nullptr;
    for (int p = 0; p < PARTS; p++) {
        lanes mean = {}, squares = {};
        if (norm.kind == LAYER)
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
    for (int64_t c = 0; c < width; c += CHANNELS) normalise(norm, 0, CHANNELS, x + c, x + c);
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
        for (int c = 0; c < CHANNELS; c++) start += q[c][p] * key[c * TILE];
        return start;
    };
    const int64_t tile_floats = n.width * TILE;
    if (!BOUNDED)
        for (int64_t j = 0; j < n.places; j++)
            for (int p = 0; p < PARTS; p++) {
                const lanes found = score(keys + j / TILE * tile_floats + j % TILE, p, lanes{});
                top[p] = j ? larger(found, top[p]) : found;
            }
    for (int64_t first = 0; first < n.places; first += TILE, keys += tile_floats, values += tile_floats) {
        const int64_t count = std::min(TILE, n.places - first);
        for (int64_t j = 0; j < count; j++) {
            for (int p = 0; p < PARTS; p++) sum[p] += weight[p] = power_of_two<BOUNDED>(score(keys + j, p, -top[p]));
            for (int c = 0; c < CHANNELS; c++)
                for (int p = 0; p < PARTS; p++) mix[c][p] += weight[p] * values[c * TILE + j];
        }
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

class Pass {
  public:
    Pass(const Block *blocks, Norm final, const float *in, float *out, Memory past, Memory fresh, Sizes n)
        : blocks(blocks), final(final), in(in), out(out), past(past), fresh(fresh), n(n),
          all_frames(n.sessions * n.frames), frame_channels(n.tiles() * n.width), tokens(size()), queries(size()),
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
            take(ending.space.step, frame, own.change, x);
            if (ending.time.out.weight) attend_time(b - 1, session, f, tile, own, x);
            feed_forward(ending.ffn, frame, own, x);
        }
        if (b < n.blocks) return begin_space(blocks[b].space, frame, tile, own, x);
        if (final.kind != NOTHING) normalise(final, frame, n.width, x, x);
        store(frame, tile, x);
    }

    void begin_space(const Attention &space, int64_t frame, int64_t tile, Scratch &own, const Channel *x) {
        Channel *query = of(queries, frame, tile), *key = of(keys, frame, tile);
        project(space, frame, own, x, query, key, of(values, frame, tile));
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

    void attend_time(int64_t b, int64_t session, int64_t f, int64_t tile, Scratch &own, Channel *x) {
        const Attention &time = blocks[b].time;
        const int64_t frame = session * n.frames + f, seen = n.past + f + 1, values_after = n.tiles() * n.width;
        auto memory = [&](int64_t s) {
            float *kept = s < n.past ? past.at(b, session, s) : fresh.at(b, session, s - n.past);
            return channels_at(kept) + tile * n.width;
        };
        project(time, frame, own, x, own.query, memory(seen - 1), memory(seen - 1) + values_after);
        if (time.cosine) turn_frame(time, seen - 1, n.width, own.query, own.query);
        for (int64_t s = 0; s < seen; s++) {
            const Channel *key = memory(s);
            if (time.cosine) turn_frame(time, s, n.width, key, own.key), key = own.key;
            for (int64_t c = 0; c < n.width; c++)
                for (int p = 0; p < PARTS; p++) {
                    lanes &score = own.scores[(s * n.heads() + c / CHANNELS) * PARTS + p];
                    score = (c % CHANNELS ? score : lanes{}) + own.query[c][p] * key[c][p];
                }
        }
        weigh_frames(seen, own.scores.data());
        for (int64_t s = 0; s < seen; s++) {
            const Channel *value = memory(s) + values_after;
            for (int64_t c = 0; c < n.width; c++)
                for (int p = 0; p < PARTS; p++) {
                    const lanes mixed = own.scores[(s * n.heads() + c / CHANNELS) * PARTS + p] * value[c][p];
                    own.query[c][p] = s ? own.query[c][p] + mixed : mixed;
                }
        }
        map(time.out, n.width, n.width, own.query, own.change);
        take(time.step, frame, own.change, x);
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

    void feed_forward(const FeedForward &ffn, int64_t frame, Scratch &own, Channel *x) {
        const Channel *in = prepared(ffn.step, frame, own, x);
        map(ffn.gate, n.width, n.hidden, in, own.gated);
        map(ffn.value, n.width, n.hidden, in, own.hidden);
        for (int64_t h = 0; h < n.hidden; h++)
            for (int p = 0; p < PARTS; p++) own.hidden[h][p] *= silu(own.gated[h][p]);
        map(ffn.out, n.hidden, n.width, own.hidden, own.change);
        take(ffn.step, frame, own.change, x);
    }

    // Queries, ready for powers of two, keys and values of x.
    void project(const Attention &attention, int64_t frame, Scratch &own, const Channel *x, Channel *query, Channel *key,
                 Channel *value) {
        const Channel *in = prepared(attention.step, frame, own, x);
        map(attention.query, n.width, n.width, in, query);
        map(attention.key, n.width, n.width, in, key);
        map(attention.value, n.width, n.width, in, value);
        norm_heads(attention.query_norm, n.width, query);
        norm_heads(attention.key_norm, n.width, key);
        const float scale = LOG2_E / std::sqrt(float(CHANNELS));
        for (int64_t c = 0; c < n.width; c++)
            for (int p = 0; p < PARTS; p++) query[c][p] *= scale;
    }

    // What the layer of a step is given.
    const Channel *prepared(const Step &step, int64_t frame, Scratch &own, const Channel *x) const {
        if (step.before.kind == NOTHING) return x;
        normalise(step.before, frame, n.width, x, own.normed);
        return own.normed;
    }

    void take(const Step &step, int64_t frame, const Channel *change, Channel *x) const {
        const float *gate = step.gate ? step.gate + frame * step.gate_frame : nullptr;
        for (int64_t c = 0; c < n.width; c++)
            for (int p = 0; p < PARTS; p++) x[c][p] += change[c][p] * (gate ? gate[c] : 1);
        if (step.after.kind != NOTHING) normalise(step.after, frame, n.width, x, x);
    }

    // Rows [frames, places, width] to tiles and back; places that fill up the last tile are zero.
    void load(int64_t frame, int64_t tile, Channel *x) const {
        const float *rows = in + (frame * n.places + tile * TILE) * n.width;
        const int64_t count = std::min(TILE, n.places - tile * TILE);
        float *into = reinterpret_cast<float *>(x);
        for (int64_t c = 0; c < n.width; c++)
            for (int64_t i = 0; i < TILE; i++) into[c * TILE + i] = i < count ? rows[i * n.width + c] : 0;
    }
    void store(int64_t frame, int64_t tile, const Channel *x) const {
        float *rows = out + (frame * n.places + tile * TILE) * n.width;
        const int64_t count = std::min(TILE, n.places - tile * TILE);
        const float *from = reinterpret_cast<const float *>(x);
        for (int64_t i = 0; i < count; i++)
            for (int64_t c = 0; c < n.width; c++) rows[i * n.width + c] = from[c * TILE + i];
    }

    int64_t size() const { return all_frames * frame_channels * PARTS; }
    Channel *of(std::vector<lanes> &all, int64_t frame, int64_t tile) const {
        return reinterpret_cast<Channel *>(all.data()) + frame * frame_channels + tile * n.width;
    }

    const Block *blocks;
    const Norm final;
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
// keys and values of the new frames in `fresh`, both on 64-byte borders.
extern "C" void transform(const Block *blocks, Norm final, const float *in, float *out, Memory past, Memory fresh,
                          Sizes n) {
    Pass(blocks, final, in, out, past, fresh, n).run();
}
