// The dynamics network: which codes come next, given those of the last frames and the actions between them.

import { addLevels } from "./network.js";

export class Guesser {
  // facts: of the world. network: its dynamics.
  constructor(facts, network) {
    const { places, width } = network.part;
    Object.assign(this, { facts, network, places, width, mask: facts.codes.count });
    this.own = addLevels(network, "token_input.own", facts.codes);
    this.previous = addLevels(network, "token_input.previous", facts.codes);
    this.output = addLevels(network, "output.table", facts.codes);
    const frame = places * width;
    this.tokens = network.room(facts.context * frame);
    this.features = network.room(frame);
    this.condition = network.room(facts.context * width);
    this.memory = network.room(facts.context * network.frameFloats);
    this.fresh = network.room(network.frameFloats / network.part.blocks);
    this.chance = network.room(places);
    this.taken = network.room(2 * places); // 64 bits each
    this.probability = network.room(places);
    this.remembered = null;
  }

  // Runs the frames of the past: { ids: one Int32Array a frame, actions: those between them }. Once is enough.
  remember(past) {
    if (this.remembered === past) return;
    const before = [new Int32Array(this.places).fill(this.mask), ...past.ids];
    past.ids.forEach((ids, i) => this.embed(ids, before[i], i));
    this.listen([null, ...past.actions]);
    const { condition, tokens, memory } = this;
    this.network.run({ condition, tokens, fresh: memory, frames: past.ids.length });
    this.remembered = past;
  }

  // What leads to the next frame.
  expect(past, action) {
    this.remember(past);
    this.listen([action]);
    this.last = past.ids.at(-1);
    this.pastFrames = past.ids.length;
  }

  // Codes and their probabilities at some places of the expected frame, given those revealed so far. chance(): a number
  // in [0, 1), or null for the likeliest codes.
  guess(ids, hidden, chance) {
    this.embed(ids, this.last, 0);
    const { network, width, condition, tokens, features, memory: past, pastFrames, fresh } = this;
    network.run({ condition, tokens, out: features, past, pastFrames, fresh });
    const rows = network.floats(features, this.places * width);
    hidden.forEach((place, i) => rows.copyWithin(i * width, place * width, (place + 1) * width));
    if (chance) network.floats(this.chance, hidden.length).set(hidden.map(chance));
    const { temperature, top_p: share, ranks_drawn: own } = this.facts.sampling;
    network.kernel.take_codes(
      features, this.output, network.at("output.bias"), hidden.length, width, this.mask, chance ? this.chance : 0,
      1 / (temperature || 1), share ?? 1, own, this.taken, this.probability,
    );
    const taken = new Int32Array(network.kernel.memory.buffer, this.taken, 2 * hidden.length);
    return {
      codes: hidden.map((_, i) => taken[2 * i]),
      probability: Array.from(network.floats(this.probability, hidden.length)),
    };
  }

  // Tokens of a frame: the vectors of its codes, of those one frame before, and of their places.
  embed(ids, before, frame) {
    const { network, width, places } = this;
    const table = (address) => network.floats(address, (this.mask + 1) * width);
    const [own, previous] = [table(this.own), table(this.previous)];
    const place = network.tensor("token_input.place.weight");
    const into = network.floats(this.tokens + 4 * frame * places * width, places * width);
    for (let p = 0; p < places; p++) {
      for (let c = 0; c < width; c++) {
        const both = Math.fround(own[ids[p] * width + c] + previous[before[p] * width + c]);
        into[p * width + c] = both + place[p * width + c];
      }
    }
  }

  // Vectors of the actions that led to frames; null where none is known.
  listen(actions) {
    const { network, width } = this;
    const table = network.tensor("conditioning.table.weight");
    const none = table.length / width - 1;
    actions.forEach((action, i) => {
      const row = this.facts.listens ? action ?? none : none;
      network.floats(this.condition + 4 * i * width, width).set(table.subarray(row * width, (row + 1) * width));
    });
  }
}

// Reveals a frame in a few passes, the surest codes first, or at places far from each other (models/maskgit.py).
export function reveal(guesser, chance) {
  const { counts, order, temperature } = guesser.facts.sampling;
  const ids = new Int32Array(guesser.places).fill(guesser.mask);
  let hidden = Array.from(ids.keys());
  let sureness = 0;
  for (const count of counts) {
    const { codes, probability } = guesser.guess(ids, hidden, temperature > 0 ? chance : null);
    const rank = order ? hidden.map((place) => -order[place]) : probability;
    const first = Array.from(hidden.keys()).sort((a, b) => rank[b] - rank[a] || a - b).slice(0, count);
    for (const i of first) {
      ids[hidden[i]] = codes[i];
      sureness += Math.log(Math.max(probability[i], 1e-9));
    }
    const chosen = new Set(first);
    hidden = hidden.filter((_, i) => !chosen.has(i));
  }
  return { ids, sureness: sureness / ids.length };
}
