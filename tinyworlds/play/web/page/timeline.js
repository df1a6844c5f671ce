// Where a player is in a dream, and the ways from there: on, back, to a fork, to a real frame (play/timeline.py).

export class Timeline {
  // limit: how many moments can be gone back to. say(text): tells the player.
  constructor(dream, limit, say) {
    Object.assign(this, { dream, limit, say });
    this.now = null; // the present moment: { image, number, action, state, truth, sureness }; null before a start frame
    this.history = [];
    this.forkedAt = null;
    this.moved = false; // the dream stands elsewhere than at `now`
  }

  start() {
    this.history = [];
    this.forkedAt = null;
    this.trueSince = 0; // number of the last frame that was real
    this.arrive(this.dream.reset(), 0, null);
  }

  forward(action) {
    const { number } = this.leave();
    this.arrive(this.dream.step(action), number + 1, action);
  }

  back() {
    const moment = this.history.pop();
    if (moment) this.jump(moment);
    else this.say("this is as far back as is remembered");
  }

  fork() {
    if (!this.now) return;
    if (!this.forkedAt) {
      this.forkedAt = this.now;
      this.say(`fork at frame ${this.now.number}: F comes back here`);
    } else if (this.forkedAt === this.now) {
      this.forkedAt = null;
      this.say("fork taken away");
    } else {
      this.push(this.now);
      this.jump(this.forkedAt);
      this.say(`back at the fork, frame ${this.forkedAt.number}; F again takes it away`);
    }
  }

  real() {
    const { number } = this.leave();
    this.trueSince = number + 1;
    this.arrive(this.dream.resetNear(), this.trueSince, null);
    this.say("back to a real frame");
  }

  explainTruth() {
    if (this.now && !this.now.truth && this.now.action !== null) {
      this.say("no true frame is known here: the start clip has ended");
    }
  }

  // How sure the world was of the latest frames, at most `count`, the last of them last.
  sureness(count) {
    const latest = [...this.history.slice(1 - count), this.now].map((moment) => moment.sureness);
    return latest.slice(latest.lastIndexOf(null) + 1); // what was before a start frame is another piece of play
  }

  // Makes the dream stand at the present moment, and that moment a past one.
  leave() {
    const { now } = this;
    if (this.moved) {
      this.dream.state = now.state.dream;
      this.trueSince = now.state.trueSince;
      this.moved = false;
    }
    this.push(now);
    return now;
  }

  arrive(image, number, action) {
    const { state, sureness } = this.dream;
    const truth = state.truth[number - this.trueSince - 1] ?? null; // its codes
    this.now = { image, number, action, truth, sureness, state: { dream: state, trueSince: this.trueSince } };
    this.moved = false;
  }

  jump(moment) {
    this.now = moment;
    this.moved = true;
  }

  push(moment) {
    this.history.push(moment);
    if (this.history.length > this.limit) this.history.shift();
  }
}
