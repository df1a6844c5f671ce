// Softmax attention for heads of CHANNELS channels (a constant of the build), forwards and backwards.
//
// With so few channels nearly all of the work is exponentials. Queries lie side by side in a register (`lanes.h`);
// one key after another is broadcast to them, and its weight is used at once and never stored. The backward
// pass computes the weights again, from the logarithm of their sum that the forward pass left.

#include <vector>

#include "lanes.h"

// Float32 rows [frames, places, heads, CHANNELS]. Strides count floats; heads and channels are dense.
struct Rows {
    float *data;
    int64_t frame, place;
    float *at(int64_t f, int64_t p, int64_t head) const { return data + f * frame + p * place + head * CHANNELS; }
};

struct Sizes {
    int64_t frames, places, heads;
    float scale;
    int32_t threads;
};

namespace {

// A few places' channels, place by place in the lanes.
struct Block {
    lanes channel[CHANNELS];

    void gather(const Rows &from, int64_t frame, int64_t head, int64_t first, int64_t count, float scale) {
        for (auto &c : channel) c = lanes{};
        for (int64_t i = 0; i < count; i++)
            for (int c = 0; c < CHANNELS; c++) channel[c][i] = from.at(frame, first + i, head)[c] * scale;
    }
    void scatter(const Rows &into, int64_t frame, int64_t head, int64_t first, int64_t count, lanes scale) {
        for (auto &c : channel) c *= scale;
        for (int64_t i = 0; i < count; i++)
            for (int c = 0; c < CHANNELS; c++) into.at(frame, first + i, head)[c] = channel[c][i];
    }
    // Two sums at once: what follows waits half as long for the last product.
    lanes dot(const float *with, lanes start) const {
        lanes other = {};
        for (int c = 0; c < CHANNELS; c++) (c % 2 ? other : start) += channel[c] * with[c];
        return start + other;
    }
    lanes dot(const Block &with, lanes start) const {
        lanes other = {};
        for (int c = 0; c < CHANNELS; c++) (c % 2 ? other : start) += channel[c] * with.channel[c];
        return start + other;
    }
    void add(lanes weight, const float *what) {
        for (int c = 0; c < CHANNELS; c++) channel[c] += weight * what[c];
    }
    void add(lanes weight, const Block &what) {
        for (int c = 0; c < CHANNELS; c++) channel[c] += weight * what.channel[c];
    }
    // The same vector in all lanes.
    static Block of(const float *vector) {
        Block block;
        for (int c = 0; c < CHANNELS; c++) block.channel[c] = all(vector[c]);
        return block;
    }
    // Sums over the lanes.
    void sums(float *into, float scale) const {
        for (int c = 0; c < CHANNELS; c++) into[c] = group_sums<LANES>(channel[c])[0] * scale;
    }
    // Squared length of the longest of the lanes' vectors.
    float longest() const {
        lanes squares = {};
        for (auto &c : channel) squares += c * c;
        float largest = 0;
        for (int64_t i = 0; i < LANES; i++) largest = std::fmax(largest, squares[i]);
        return largest;
    }
};

// One head of one frame: two of its tensors interleaved, 2 * CHANNELS floats a place, in order of places.
struct Packed {
    std::vector<float> pairs;
    float longest = 0;  // squared length of the longest of the first tensor's vectors

    explicit Packed(int64_t places) : pairs(2 * CHANNELS * places) {}
    void fill(const Rows &first, const Rows &second, int64_t frame, int64_t head, int64_t places) {
        longest = 0;
        for (int64_t p = 0; p < places; p++) {
            const float *a = first.at(frame, p, head), *b = second.at(frame, p, head);
            float *into = pairs.data() + 2 * CHANNELS * p, squares = 0;
            for (int c = 0; c < CHANNELS; c++) into[c] = a[c], into[CHANNELS + c] = b[c], squares += a[c] * a[c];
            longest = std::fmax(longest, squares);
        }
    }
    const float *first(int64_t place) const { return pairs.data() + 2 * CHANNELS * place; }
    const float *second(int64_t place) const { return first(place) + CHANNELS; }
};

// Blocks are passed and returned by value: what a loop adds to stays in registers.

struct Mixed {
    Block values;
    lanes log_sum;
};

template <bool BOUNDED>
Mixed attend_queries(Block q, const Packed &keys_values, int64_t places) {
    lanes sum = {}, top = {};
    Block mixed = {};
    if (!BOUNDED) {
        top = q.dot(keys_values.first(0), lanes{});
        for (int64_t j = 1; j < places; j++) {
            const lanes score = q.dot(keys_values.first(j), lanes{});
            top = larger(score, top);
        }
    }
    for (int64_t j = 0; j < places; j++) {
        const lanes weight = power_of_two<BOUNDED>(q.dot(keys_values.first(j), -top));
        sum += weight;
        mixed.add(weight, keys_values.second(j));
    }
    for (auto &c : mixed.channel) c /= sum;
    for (int64_t i = 0; i < LANES; i++) top[i] += std::log2(sum[i]);
    return {mixed, top};
}

// Queries of a few places and what the backward pass knows of them: the gradient of what they mixed, their own so far,
// the logarithm of their sum, and out . out_grad, the part that softmax takes away.
struct Queries {
    Block query, out_grad, grad;
    lanes minus_log, minus_met;
};

struct KeyValue {
    Block key, value;
};

constexpr int64_t KEYS_AT_ONCE = LANES == 16 && CHANNELS <= 4 ? 2 : 1;  // as many as registers hold gradients of

// All queries meet some keys (each the same in all lanes): theirs and the keys' gradients come from one weight. Gradients
// of keys and values are left spread over the lanes.
template <bool BOUNDED, int KEYS>
void meet_keys(const KeyValue *of, std::vector<Queries> &queries, KeyValue *grads) {
    KeyValue grad[KEYS] = {};
    for (Queries &i : queries) {
        Block query_grad = i.grad;
        for (int k = 0; k < KEYS; k++) {
            const lanes weight = power_of_two<BOUNDED>(i.query.dot(of[k].key, i.minus_log));
            grad[k].value.add(weight, i.out_grad);
            const lanes change = weight * i.out_grad.dot(of[k].value, i.minus_met);
            grad[k].key.add(change, i.query);
            query_grad.add(change, of[k].key);
        }
        i.grad = query_grad;
    }
    for (int k = 0; k < KEYS; k++) grads[k] = grad[k];
}

inline float squared(const float *vector) {
    float sum = 0;
    for (int c = 0; c < CHANNELS; c++) sum += vector[c] * vector[c];
    return sum;
}

inline int64_t lanes_left(int64_t places, int64_t first) { return places - first < LANES ? places - first : LANES; }

}  // namespace

// out = softmax(scale * query key') value; log_sum [frames, heads, places] is the binary logarithm of the sum of
// powers 2**(scale * log2(e) * query key').
extern "C" void attend(Rows query, Rows key, Rows value, Rows out, float *log_sum, Sizes n) {
    // with few heads, as at play, a head is shared among threads
    const int64_t piece = n.frames * n.heads < 8 * n.threads ? 4 * LANES : n.places;
#pragma omp parallel num_threads(n.threads)
    {
        Packed keys_values(n.places);
#pragma omp for collapse(3)
        for (int64_t frame = 0; frame < n.frames; frame++)
            for (int64_t head = 0; head < n.heads; head++)
                for (int64_t start = 0; start < n.places; start += piece) {
                    const int64_t end = start + piece < n.places ? start + piece : n.places;
                    keys_values.fill(key, value, frame, head, n.places);
                    for (int64_t first = start; first < end; first += LANES) {
                        const int64_t count = lanes_left(end, first);
                        Block q;
                        q.gather(query, frame, head, first, count, n.scale * LOG2_E);
                        auto run = bounded(q.longest(), keys_values.longest) ? attend_queries<true> : attend_queries<false>;
                        Mixed mixed = run(q, keys_values, n.places);
                        mixed.values.scatter(out, frame, head, first, count, all(1));
                        float *into = log_sum + (frame * n.heads + head) * n.places + first;
                        for (int64_t i = 0; i < count; i++) into[i] = mixed.log_sum[i];
                    }
                }
    }
}

// The gradients of query, key and value from that of out.
extern "C" void attend_backward(Rows query, Rows key, Rows value, Rows out, Rows out_grad, const float *log_sum,
                                Rows query_into, Rows key_into, Rows value_into, Sizes n) {
#pragma omp parallel num_threads(n.threads)
    {
        std::vector<Queries> queries((n.places + LANES - 1) / LANES);
#pragma omp for collapse(2)
        for (int64_t frame = 0; frame < n.frames; frame++)
            for (int64_t head = 0; head < n.heads; head++) {
                const float *logs = log_sum + (frame * n.heads + head) * n.places;
                float longest_query = 0, longest_key = 0;
                for (int64_t first = 0; first < n.places; first += LANES) {
                    const int64_t count = lanes_left(n.places, first);
                    Queries &some = queries[first / LANES];
                    Block mixed;
                    some = Queries{};  // lanes past the last place stay zero, and add nothing to any gradient
                    some.query.gather(query, frame, head, first, count, n.scale * LOG2_E);
                    some.out_grad.gather(out_grad, frame, head, first, count, 1);
                    mixed.gather(out, frame, head, first, count, 1);
                    for (int c = 0; c < CHANNELS; c++) some.minus_met -= mixed.channel[c] * some.out_grad.channel[c];
                    for (int64_t i = 0; i < count; i++) some.minus_log[i] = -logs[first + i];
                    longest_query = std::fmax(longest_query, some.query.longest());
                }
                for (int64_t j = 0; j < n.places; j++) longest_key = std::fmax(longest_key, squared(key.at(frame, j, head)));
                const bool safe = bounded(longest_query, longest_key);
                auto meet = safe ? meet_keys<true, KEYS_AT_ONCE> : meet_keys<false, KEYS_AT_ONCE>;
                auto meet_one = safe ? meet_keys<true, 1> : meet_keys<false, 1>;
                for (int64_t j = 0, count; j < n.places; j += count) {
                    count = n.places - j < KEYS_AT_ONCE ? 1 : KEYS_AT_ONCE;
                    KeyValue of[KEYS_AT_ONCE], grad[KEYS_AT_ONCE];
                    for (int64_t k = 0; k < count; k++)
                        of[k] = {Block::of(key.at(frame, j + k, head)), Block::of(value.at(frame, j + k, head))};
                    (count == KEYS_AT_ONCE ? meet : meet_one)(of, queries, grad);
                    for (int64_t k = 0; k < count; k++) {
                        // queries were scaled for powers of two
                        grad[k].key.sums(key_into.at(frame, j + k, head), 1 / LOG2_E);
                        grad[k].value.sums(value_into.at(frame, j + k, head), 1);
                    }
                }
                for (int64_t first = 0; first < n.places; first += LANES)
                    queries[first / LANES].grad.scatter(query_into, frame, head, first, lanes_left(n.places, first),
                                                        all(n.scale));
            }
    }
}
