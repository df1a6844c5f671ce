// A world that is dreamt in this page: start clips, steps, pictures. It knows neither keys nor time.

import { Guesser, reveal } from "./guesser.js";
import { Network, digits } from "./network.js";
import { Painter } from "./painter.js";
import { Twister } from "./twister.js";

export class Dream {
  // folder: address of the world's folder. seed: a whole number. told(share): of what has come, 0 to 1. kinds: of kernels,
  // the first that this browser knows is taken.
  static async load(folder, seed, told = () => {}, kinds = ["_fused", ""]) {
    const facts = JSON.parse(new TextDecoder().decode(await read(new URL("world.json", folder))));
    const data = await read(new URL(facts.weights, folder), facts.bytes, told);
    const network = async (part) => Network.load(part, data, await kernel(part.head_width, kinds));
    return new Dream(facts, data, await network(facts.dynamics), await network(facts.decoder), seed);
  }

  constructor(facts, data, dynamics, decoder, seed) {
    this.facts = facts;
    this.guesser = new Guesser(facts, dynamics);
    this.painter = new Painter(facts, decoder);
    this.twister = new Twister(seed);
    this.starts = new Twister(seed); // which clip comes next
    this.clips = readClips(facts, data);
    this.past = null;
    this.truth = null;
    this.sureness = null;
  }

  // Begins with the first frames of a clip; returns the picture of the last of them.
  reset(clip = this.starts.whole() % this.clips.length) {
    return this.begin(clip, 0);
  }

  begin(clip, place) {
    const end = place + this.facts.context;
    const { ids, actions } = this.clips[clip];
    this.past = { ids: ids.slice(place, end), actions: actions.slice(place, end - 1) };
    this.truth = ids.slice(end);
    this.sureness = null;
    return this.painter.paint(this.past.ids.at(-1));
  }

  // Takes an action; returns the next picture.
  step(action) {
    const { past } = this;
    this.guesser.expect(past, action);
    const { ids, sureness } = reveal(this.guesser, () => this.twister.share());
    const surplus = past.ids.length < this.facts.context ? 0 : 1;
    this.past = {
      ids: [...past.ids, ids].slice(surplus),
      actions: [...past.actions, action].slice(surplus),
    };
    this.sureness = sureness;
    return this.painter.paint(ids);
  }

  // Work for the next step that need not wait for its action.
  prepare() {
    if (this.past) this.guesser.remember(this.past);
  }

  get state() {
    const { past, truth, sureness } = this;
    return { past, truth, sureness, chance: this.twister.state };
  }

  set state({ past, truth, sureness, chance }) {
    Object.assign(this, { past, truth, sureness });
    this.twister.state = chance;
  }

  // Goes on from the frames of a clip whose last is most like the present one, level by level of its codes.
  resetNear() {
    const present = this.levels(this.past.ids.at(-1));
    const last = this.facts.context - 1;
    let nearest = { distance: Infinity };
    this.clips.forEach(({ ids }, clip) => ids.forEach((frame, place) => {
      if (place < last) return;
      const distance = this.levels(frame).reduce((sum, level, i) => sum + Math.abs(level - present[i]), 0);
      if (distance < nearest.distance) nearest = { distance, clip, place: place - last };
    }));
    return this.begin(nearest.clip, nearest.place);
  }

  levels(ids) {
    return Array.from(ids).flatMap((code) => digits(code, this.facts.codes));
  }
}

async function kernel(headWidth, kinds) {
  for (const kind of kinds) {
    const bytes = await read(new URL(`heads_${headWidth}${kind}.wasm`, import.meta.url));
    if (WebAssembly.validate(bytes)) return WebAssembly.compile(bytes);
  }
  throw new Error("this browser is too old: it needs WebAssembly with SIMD");
}

function readClips({ clips, context, dynamics: { places } }, data) {
  const codes = new Uint16Array(data.slice(clips.from));
  return clips.actions.map((actions, clip) => ({
    ids: Array.from({ length: clips.frames }, (_, frame) => {
      const first = (clip * clips.frames + frame) * places;
      return Int32Array.from(codes.subarray(first, first + places));
    }),
    actions,
  }));
}

// The bytes of a file. told(share): of the bytes that have come; a host that packs files sends fewer.
async function read(address, bytes = Infinity, told = () => {}) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address.pathname} did not come (${answer.status})`);
  const pieces = [];
  let come = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    told(Math.min((come += value.length) / bytes, 1));
  }
  return new Blob(pieces).arrayBuffer();
}
