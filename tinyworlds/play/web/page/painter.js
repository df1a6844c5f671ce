// The tokenizer's decoder: codes to pictures.

import { digits } from "./network.js";

export class Painter {
  // facts: of the world. network: the decoder.
  constructor(facts, network) {
    const { places, width } = network.part;
    Object.assign(this, { facts, network, places, width });
    this.pixels = facts.channels * facts.patch_size ** 2; // of a patch
    this.latents = network.room(places * facts.codes.latents);
    this.tokens = network.room(places * width);
    this.features = network.room(places * width);
    this.fresh = network.room(network.frameFloats / network.part.blocks);
    this.patches = network.room(places * this.pixels);
    const step = facts.codes.bins - 1;
    this.levels = Float32Array.from({ length: step + 1 }, (_, level) => Math.fround(level / step) * 2 - 1);
  }

  // A picture of codes: bytes [H, W, 3], red first.
  paint(ids) {
    const { network, places, width, facts } = this;
    const { latents } = facts.codes;
    const rows = network.floats(this.latents, places * latents);
    ids.forEach((code, p) => digits(code, facts.codes).forEach((digit, i) => { rows[p * latents + i] = this.levels[digit]; }));
    this.map("latent_embed", this.latents, latents, width, this.tokens);
    const [tokens, place] = [network.floats(this.tokens, places * width), network.tensor("place.weight")];
    for (let i = 0; i < tokens.length; i++) tokens[i] += place[i];
    network.run({ tokens: this.tokens, out: this.features, fresh: this.fresh });
    this.map("frame_head.to_pixels", this.features, width, this.pixels, this.patches);
    return this.lay(network.floats(this.patches, places * this.pixels));
  }

  map(name, rows, ins, outs, into) {
    const { network } = this;
    network.kernel.map_rows(
      rows, network.at(`${name}.weight`), network.at(`${name}.bias`), this.places, ins, outs, into,
    );
  }

  // Patches [places, channels, S, S] in [-1, 1], laid side by side.
  lay(patches) {
    const { frame_size: size, patch_size: side, channels } = this.facts;
    const picture = new Uint8ClampedArray(size * size * channels); // rounds and clamps
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const patch = Math.floor(y / side) * (size / side) + Math.floor(x / side);
        const first = patch * this.pixels + (y % side) * side + (x % side);
        for (let c = 0; c < channels; c++) {
          picture[(y * size + x) * channels + c] = (patches[first + c * side * side] + 1) * 127.5;
        }
      }
    }
    return picture;
  }
}
