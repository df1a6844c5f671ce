// Causal softmax attention of each place along its frames, for heads of CHANNELS channels (a constant of the build),
// forwards and backwards.
//
// Channels lie side by side in registers, as they do in memory. A head's score is the sum over its channels and stands
// in all of their lanes, so that everything else goes lane by lane. Places share nothing; nothing is kept for the
// backward pass, which finds a few frames' weights again sooner than it would read them.

#include <algorithm>
#include <vector>

#include "lanes.h"

static_assert((CHANNELS & (CHANNELS - 1)) == 0, "sums over a head's channels halve it again and again");

constexpr int64_t CHUNK = CHANNELS > LANES ? CHANNELS : LANES;  // channels at once: whole heads
constexpr int64_t PARTS = CHUNK / LANES;

// Float32 rows [sessions, frames, places, width]. Strides count floats; a row is dense.
struct Rows {
    float *data;
    int64_t session, frame, place;
    float *at(int64_t s, int64_t f, int64_t p) const { return data + s * session + f * frame + p * place; }
};

struct Sizes {
    int64_t sessions, queries, frames, places, width;  // queries are the newest of the frames
    float scale;
    int32_t threads;
};

namespace {

struct Chunk {
    lanes part[PARTS];

    // Channels past the last one are zero; they make heads of their own, which nobody reads.
    static Chunk load(const float *row, int64_t count) {
        Chunk chunk = {};
        copy(&chunk, row, count);
        return chunk;
    }
    void store(float *row, int64_t count) const { copy(row, this, count); }
    void add(lanes weight, const Chunk &what) {
        for (int64_t p = 0; p < PARTS; p++) part[p] += weight * what.part[p];
    }
    void scale(lanes by) {
        for (auto &p : part) p *= by;
    }
    // A size known beforehand is a register or two, no call.
    static void copy(void *into, const void *from, int64_t count) {
        if (count == CHUNK) std::memcpy(into, from, CHUNK * sizeof(float));
        else std::memcpy(into, from, count * sizeof(float));
    }
    // In each lane the product of its head's vectors.
    lanes dot(const Chunk &with) const {
        lanes sum = part[0] * with.part[0];
        for (int64_t p = 1; p < PARTS; p++) sum += part[p] * with.part[p];
        return group_sums<CHANNELS / PARTS>(sum);
    }
};

// What one place holds of some heads: all its frames, and space for what is made of them.
struct Place {
    std::vector<Chunk> query, key, value, out_grad, key_grad, value_grad;
    std::vector<lanes> weight;

    explicit Place(const Sizes &n)
        : query(n.queries), key(n.frames), value(n.frames), out_grad(n.queries), key_grad(n.frames), value_grad(n.frames),
          weight(n.frames) {}

    // Weights of the first `seen` frames for a query.
    void weigh(const Chunk &query, int64_t seen, lanes scale) {
        lanes top = all(-INFINITY), sum = {};
        for (int64_t s = 0; s < seen; s++) top = larger(weight[s] = query.dot(key[s]) * scale, top);
        for (int64_t s = 0; s < seen; s++) sum += weight[s] = power_of_two<false>(weight[s] - top);
        for (int64_t s = 0; s < seen; s++) weight[s] /= sum;
    }
};

void load(std::vector<Chunk> &into, const Rows &rows, int64_t session, int64_t place, int64_t first, int64_t count) {
    for (size_t f = 0; f < into.size(); f++) into[f] = Chunk::load(rows.at(session, f, place) + first, count);
}

void store(const std::vector<Chunk> &from, const Rows &rows, int64_t session, int64_t place, int64_t first, int64_t count) {
    for (size_t f = 0; f < from.size(); f++) from[f].store(rows.at(session, f, place) + first, count);
}

// Calls work(session, place, first channel, number of channels, space of this thread) for all there are.
template <typename Work>
void for_all(const Sizes &n, Work work) {
#pragma omp parallel num_threads(n.threads)
    {
        Place own(n);
#pragma omp for collapse(2)
        for (int64_t session = 0; session < n.sessions; session++)
            for (int64_t place = 0; place < n.places; place++)
                for (int64_t first = 0; first < n.width; first += CHUNK)
                    work(session, place, first, std::min(CHUNK, n.width - first), own);
    }
}

}  // namespace

// out [queries] = causal softmax(scale * query key') value.
extern "C" void attend(Rows query, Rows key, Rows value, Rows out, Sizes n) {
    const lanes scale = all(n.scale * LOG2_E);
    for_all(n, [&](int64_t session, int64_t place, int64_t first, int64_t count, Place &own) {
        load(own.query, query, session, place, first, count);
        load(own.key, key, session, place, first, count);
        load(own.value, value, session, place, first, count);
        for (int64_t f = 0; f < n.queries; f++) {
            const int64_t seen = n.frames - n.queries + f + 1;
            own.weigh(own.query[f], seen, scale);
            Chunk mixed = {};
            for (int64_t s = 0; s < seen; s++) mixed.add(own.weight[s], own.value[s]);
            own.query[f] = mixed;
        }
        store(own.query, out, session, place, first, count);
    });
}

// The gradients of query, key and value from that of out.
extern "C" void attend_backward(Rows query, Rows key, Rows value, Rows out_grad, Rows query_into, Rows key_into,
                                Rows value_into, Sizes n) {
    const lanes scale = all(n.scale * LOG2_E);
    for_all(n, [&](int64_t session, int64_t place, int64_t first, int64_t count, Place &own) {
        load(own.query, query, session, place, first, count);
        load(own.key, key, session, place, first, count);
        load(own.value, value, session, place, first, count);
        load(own.out_grad, out_grad, session, place, first, count);
        std::fill(own.key_grad.begin(), own.key_grad.end(), Chunk{});
        std::fill(own.value_grad.begin(), own.value_grad.end(), Chunk{});
        for (int64_t f = 0; f < n.queries; f++) {
            const int64_t seen = n.frames - n.queries + f + 1;
            const Chunk asked = own.out_grad[f];
            own.weigh(own.query[f], seen, scale);
            Chunk mixed = {}, grad = {};
            for (int64_t s = 0; s < seen; s++) mixed.add(own.weight[s], own.value[s]);
            const lanes met = mixed.dot(asked);  // the part that softmax takes away
            for (int64_t s = 0; s < seen; s++) {
                const lanes change = own.weight[s] * (own.value[s].dot(asked) - met) * n.scale;
                own.value_grad[s].add(own.weight[s], asked);
                own.key_grad[s].add(change, own.query[f]);
                grad.add(change, own.key[s]);
            }
            own.query[f] = grad;
        }
        store(own.query, query_into, session, place, first, count);
        store(own.key_grad, key_into, session, place, first, count);
        store(own.value_grad, value_into, session, place, first, count);
    });
}
