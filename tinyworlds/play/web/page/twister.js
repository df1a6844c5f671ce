// Chance as PyTorch has it on a CPU: a dream with the same seed draws the same codes there and here.
// The Mersenne Twister of Matsumoto and Nishimura (1998), MT19937.

const WORDS = 624;
const MIDDLE = 397;

export class Twister {
  constructor(seed) {
    this.words = new Uint32Array(WORDS);
    this.words[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const before = this.words[i - 1] ^ (this.words[i - 1] >>> 30);
      this.words[i] = Math.imul(before, 1812433253) + i;
    }
    this.next = WORDS;
  }

  get state() {
    return { words: this.words.slice(), next: this.next };
  }

  set state({ words, next }) {
    this.words = words.slice();
    this.next = next;
  }

  // A whole number below 2 ** 32.
  whole() {
    if (this.next === WORDS) this.turn();
    let word = this.words[this.next++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  // A number in [0, 1) of 24 bits, as float32 holds it.
  share() {
    return (this.whole() & 0xffffff) / 0x1000000;
  }

  turn() {
    for (let i = 0; i < WORDS; i++) {
      const joined = (this.words[i] & 0x80000000) | (this.words[(i + 1) % WORDS] & 0x7fffffff);
      this.words[i] = this.words[(i + MIDDLE) % WORDS] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}
