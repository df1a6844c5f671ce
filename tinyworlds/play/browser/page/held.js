// Which keys are held, by whatever holds them: a key of the keyboard, a finger, a gamepad. A key goes down with the
// first of its holders and up with the last.

export class Held {
  // send(key, down, repeat, when): when in milliseconds of performance.now().
  constructor(send) {
    this.send = send;
    this.holders = new Map();
  }

  press(key, holder, when = performance.now(), repeat = false) {
    const holders = this.holders.get(key) ?? new Set();
    const first = holders.size === 0;
    this.holders.set(key, holders.add(holder));
    if (first) this.send(key, true, repeat, when);
  }

  release(key, holder) {
    const holders = this.holders.get(key);
    if (!holders?.delete(holder) || holders.size > 0) return;
    this.holders.delete(key);
    this.send(key, false, false, performance.now());
  }

  tap(key) {
    this.press(key, "tap");
    this.release(key, "tap");
  }

  // For a server that has just begun to listen.
  resend() {
    for (const key of this.holders.keys()) this.send(key, true, true, performance.now());
  }

  releaseAll() {
    for (const key of this.holders.keys()) this.send(key, false, false, performance.now());
    this.holders.clear();
  }

  has(key) {
    return this.holders.has(key);
  }
}
