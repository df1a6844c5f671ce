// A network in the memory of the kernels (nn/kernels/wasm.cpp): its weights, unpacked, and passes over frames.

const TILE = 16; // places that the kernel works on at once

export class Network {
  // part: what world.json says of the network. data: the file of weights. kernel: a compiled WebAssembly.Module.
  static async load(part, data, kernel) {
    const { exports } = await WebAssembly.instantiate(kernel);
    exports._initialize();
    return new Network(part, data, exports);
  }

  constructor(part, data, kernel) {
    this.part = part;
    this.kernel = kernel;
    this.image = this.room(part.bytes / 4);
    this.addresses = new Map(part.tensors.map(({ name, at }) => [name, this.image + at]));
    let from = part.from;
    for (const tensor of part.tensors) from = this.unpack(tensor, data, from);
    const words = new Uint32Array(kernel.memory.buffer);
    for (const at of part.pointers) words[(this.image + at) >> 2] += this.image;
  }

  // Room for so many floats, for good.
  room(count) {
    return this.kernel.allocate(4 * count);
  }

  // Floats at an address, until the next call of the kernel: memory moves when it grows.
  floats(address, count) {
    return new Float32Array(this.kernel.memory.buffer, address, count);
  }

  at(name) {
    return this.addresses.get(name);
  }

  tensor(name) {
    const { rows, columns } = this.part.tensors.find((tensor) => tensor.name === name);
    return this.floats(this.at(name), rows * columns);
  }

  // Returns where the next tensor begins in the file.
  unpack({ at, kind, rows, columns }, data, from) {
    const count = rows * columns;
    if (kind === "raw") {
      new Uint8Array(this.kernel.memory.buffer, this.image + at, count).set(new Uint8Array(data, from, count));
      return from + count;
    }
    const into = this.floats(this.image + at, count);
    if (kind === "float32") into.set(new Float32Array(data.slice(from, from + 4 * count)));
    if (kind === "half") new Uint16Array(data.slice(from, from + 2 * count)).forEach((bits, i) => { into[i] = whole(bits); });
    if (kind !== "int8") return from + count * { float32: 4, half: 2 }[kind];
    const scales = new Float32Array(data.slice(from + count, from + count + 4 * rows));
    new Int8Array(data, from, count).forEach((level, i) => { into[i] = level * scales[Math.floor(i / columns)]; });
    return from + count + 4 * rows;
  }

  // What `run` remembers of a frame.
  get frameFloats() {
    return 2 * this.part.blocks * this.part.width * TILE * Math.ceil(this.part.places / TILE);
  }

  // A pass over frames behind those remembered: without `out`, only to remember them in `fresh`.
  run({ condition = 0, tokens, out = 0, past = 0, pastFrames = 0, fresh, frames = 1 }) {
    const { blocks, final, places, width, hidden } = this.part;
    const at = (offset) => this.image + offset;
    this.kernel.run(
      at(this.part.first), at(final), condition, condition ? frames : 0, tokens, out, past, pastFrames, fresh, frames,
      places, width, hidden, blocks,
    );
  }
}

// A number from the bits of half precision.
function whole(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 ? -size : size;
}

// What the levels of a code are: digits to the base `bins`, the first the lowest.
export function digits(code, { bins, latents }) {
  return Array.from({ length: latents }, (_, i) => Math.floor(code / bins ** i) % bins);
}

// Makes whole vectors of a table of codes' own vectors: those of their levels are added, once.
export function addLevels(network, name, codes) {
  const { width } = network.part;
  const own = network.tensor(`${name}.own.weight`);
  const levels = network.tensor(`${name}.levels.weight`);
  const sum = new Float32Array(width);
  for (let code = 0; code < codes.count; code++) {
    sum.fill(0);
    digits(code, codes).forEach((digit, i) => {
      const row = (i * codes.bins + digit) * width;
      for (let c = 0; c < width; c++) sum[c] += levels[row + c];
    });
    for (let c = 0; c < width; c++) own[code * width + c] += sum[c];
  }
  return network.at(`${name}.own.weight`);
}
