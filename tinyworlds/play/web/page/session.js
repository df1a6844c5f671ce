// A session of play in the page: keys go in, frames come out, as in play/session.py. It knows no clock but the one given.

import { Timeline } from "./timeline.js";

const MESSAGE_S = 2.5;
const LETTER_S = 0.06; // longer for each letter
const REWIND_S = 30; // how far back a player can go
const UNUSUAL = 0.05; // what a world is less sure of than of all but this share of true seconds, it makes up
const MEASURED = 30; // frames that the rate is measured over

// The action of the keys that are held, in the order in which they went down: of the entries whose keys are all held the
// one with the most keys, then the one with the key that came last (keys.py). Null where none has a meaning.
export function heldAction(held, keys) {
  let best = null;
  for (const [entry, action] of Object.entries(keys)) {
    const places = entry.split("+").map((key) => held.indexOf(key));
    if (places.includes(-1)) continue;
    const rank = [places.length, Math.max(...places), action];
    const differs = best === null ? 0 : rank.findIndex((part, i) => part !== best[i]);
    if (best === null || (differs >= 0 && rank[differs] > best[differs])) best = rank;
  }
  return best && best[2];
}

export class Session {
  // dream: a Dream. clock(): seconds.
  constructor(dream, clock) {
    Object.assign(this, { dream, clock });
    this.world = structuredClone(dream.facts.says);
    this.keys = dream.facts.keys; // with the digits, which need no hint
    this.commands = new Map(this.world.commands.map(({ key, name }) => [key, name]));
    this.timeline = new Timeline(dream, Math.round(REWIND_S * this.world.fps), (text) => this.say(text));
    this.held = []; // the key pressed last comes last
    this.tapped = [];
    this.paused = this.rewinding = this.single = this.wantsReal = this.showsTruth = false;
    this.message = { text: "", until: 0 };
    this.ticks = []; // seconds, latest last
  }

  say(text) {
    this.message = { text, until: this.clock() + MESSAGE_S + LETTER_S * text.length };
  }

  // Goes on by one frame (a paused world stays where it is), with events since the last one.
  tick(events) {
    for (const event of events) this.act(event);
    const { timeline } = this;
    if (timeline.now === null) timeline.start();
    else if (this.rewinding) timeline.back();
    else if (this.wantsReal) timeline.real();
    else if (!this.paused || this.single) timeline.forward(this.nextAction());
    this.wantsReal = this.single = false;
    this.tapped = [];
    this.ticks = [...this.ticks, this.clock()].slice(-MEASURED);
    return this.frame();
  }

  // The time that passes now is nobody's: the rate is measured anew.
  rest() {
    this.ticks = [];
  }

  act({ type, key, down, repeat, action }) {
    if (type === "bind") return this.bind(key, action);
    if (this.commands.has(key)) {
      if (!repeat) this.command(this.commands.get(key), down);
    } else if (this.hasMeaning(key) && !(repeat && this.held.includes(key))) {
      this.held = this.held.filter((other) => other !== key);
      if (!down) return;
      this.held.push(key);
      this.tapped = [...this.tapped.filter((other) => other !== key), key];
    }
  }

  hasMeaning(key) {
    return Object.keys(this.keys).some((entry) => entry.split("+").includes(key));
  }

  bind(key, action) {
    const { actions, reserved } = this.world;
    if (key.split("+").some((part) => reserved.includes(part) || part === "") || !(action in actions)) return;
    this.keys = { ...this.keys, [key]: action };
    this.world.keys = { ...this.world.keys, [key]: action };
    this.say(`${key} = ${actions[action]}`);
  }

  command(name, down) {
    if (name === "rewind") this.rewinding = down;
    else if (!down) return;
    else if (name === "pause") this.paused = !this.paused;
    else if (name === "step") [this.single, this.paused] = [this.paused, true];
    else if (name === "reset") this.timeline.now = null; // the next tick shows the start frame
    else if (name === "fork") this.timeline.fork();
    else if (name === "real") this.wantsReal = this.timeline.now !== null;
    else if (name === "truth") {
      this.showsTruth = !this.showsTruth;
      if (this.showsTruth) this.timeline.explainTruth();
    }
  }

  nextAction() {
    const released = this.tapped.filter((key) => !this.held.includes(key));
    return heldAction([...released, ...this.held], this.keys) ?? this.dream.facts.idle;
  }

  // What picture.js is told of a frame, beside its pictures.
  frame() {
    const { image, truth, number, action } = this.timeline.now;
    const { text, until } = this.message;
    const sure = this.sure();
    return {
      images: this.showsTruth && truth ? [image, this.dream.painter.paint(truth)] : [image],
      number,
      action,
      fps: this.fps,
      steps: this.dream.facts.sampling.num_steps,
      paused: this.paused,
      recording: false,
      message: this.clock() < until ? text : "",
      labels: ["", "what really followed"],
      sure,
      made_up: sure !== null && sure < UNUSUAL,
    };
  }

  get fps() {
    const span = this.ticks.at(-1) - this.ticks[0];
    return span > 0 ? (this.ticks.length - 1) / span : 0;
  }

  // The share of true seconds of which the world was less sure than of this one; null where that is not known.
  sure() {
    const { sureness: usual } = this.dream.facts;
    const latest = usual ? this.timeline.sureness(usual.num_frames) : [];
    if (!usual || latest.length < usual.num_frames) return null;
    const mean = latest.reduce((sum, each) => sum + each, 0) / latest.length;
    const { quantiles } = usual;
    const above = quantiles.findIndex((quantile) => quantile > mean);
    if (above < 1) return above === 0 ? 0 : 1;
    const [low, high] = [quantiles[above - 1], quantiles[above]];
    return (above - 1 + (mean - low) / (high - low)) / (quantiles.length - 1);
  }
}
