// The kernels of play, for a page: compiled to WebAssembly (`wasm.py`), called from JavaScript.
//
// Addresses are 32 bits wide there and whole numbers come as such, so nothing here takes a 64-bit number or a struct by
// value. What is not written here (`new`, the way out of an error) keeps the C++ library's own out of the page: it would
// ask for files and a terminal.

#include <cstdlib>

#include "code_choice.cpp"
#include "transformer_pass.cpp"

namespace std {
inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(const char *, ...) noexcept { __builtin_trap(); }
}  // namespace __1
}  // namespace std

constexpr size_t BORDER = 64;

extern "C" {

// Room on a 64-byte border, for good.
void *allocate(int32_t bytes) {
    void *room = std::aligned_alloc(BORDER, (bytes + BORDER - 1) / BORDER * BORDER);
    if (!room) __builtin_trap();
    return room;
}

// A pass of `frames` frames of one session after those remembered in `past`, see `transform`. `fresh` takes what is to
// be remembered of all blocks where there is no `out`, and is written over block by block where there is.
void run(const Block *blocks, const Norm *final, const float *condition, int32_t conditioned, const float *in, float *out,
         float *past, int32_t past_frames, float *fresh, int32_t frames, int32_t places, int32_t width, int32_t hidden,
         int32_t num_blocks) {
    const int64_t frame = 2 * tiles_of(places) * width * TILE;
    const Memory before = {past, past_frames * frame, past_frames * frame, frame};
    const Memory after = {fresh, out ? 0 : frames * frame, frames * frame, frame};
    transform(blocks, *final, Condition{condition, conditioned, width}, in, out, before, after,
              Sizes{1, frames, past_frames, places, width, hidden, num_blocks, 1});
}

// `choose` and `draw` of code_choice.cpp; without `chance` the likeliest codes.
void take_codes(const float *rows, const float *weight, const float *bias, int32_t tokens, int32_t width, int32_t codes,
                const float *chance, float sharpness, float top_p, int32_t own, int64_t *taken, float *probability) {
    const Linear to_codes = {weight, bias};
    if (chance)
        draw(rows, to_codes, tokens, width, codes, 1, sharpness, top_p, chance, own, taken, probability);
    else
        choose(rows, to_codes, tokens, width, codes, 1, taken, probability);
}

// Rows [count, ins] to rows [count, outs].
void map_rows(const float *rows, const float *weight, const float *bias, int32_t count, int32_t ins, int32_t outs,
              float *mapped) {
    std::vector<lanes> in(PARTS * ins), out(PARTS * outs);
    const float *found = reinterpret_cast<const float *>(out.data());
    for (int64_t tile = 0; tile < tiles_of(count); tile++) {
        Channel *x = reinterpret_cast<Channel *>(in.data());
        load_rows(rows + tile * TILE * ins, count_in(tile, count), ins, x);
        map(Linear{weight, bias}, ins, outs, x, reinterpret_cast<Channel *>(out.data()));
        for (int64_t i = 0; i < count_in(tile, count); i++)
            for (int64_t o = 0; o < outs; o++) mapped[(tile * TILE + i) * outs + o] = found[o * TILE + i];
    }
}

}  // extern "C"

void *operator new(size_t bytes) { return allocate(bytes); }
void operator delete(void *room) noexcept { std::free(room); }
void operator delete(void *room, size_t) noexcept { std::free(room); }
