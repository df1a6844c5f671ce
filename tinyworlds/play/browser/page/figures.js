// The figures at the top: what the server says of a frame, and what this page measured.

const KEPT = 2000;

export class Figures {
  constructor() {
    this.latencies = []; // milliseconds, latest last
    this.skipped = 0;
    this.drawn = 0;
    this.waiting = new Map(); // id of a key message to when the key went down
    this.last = null; // serial of the last frame
    this.tellsSure = false; // whether the world ever said how sure it is
  }

  // A key that will act in some frame was sent.
  sent(id, when) {
    this.waiting.set(id, when);
  }

  // Keys under way and frames missed in between do not count over a lost connection.
  restart() {
    this.waiting.clear();
    this.last = null;
  }

  // A frame is on the canvas. action: what was done, in words.
  take(frame, action) {
    const now = performance.now();
    for (const [id, when] of this.waiting) {
      if (id > frame.acted) break;
      this.waiting.delete(id);
      this.latencies.push(now - when);
    }
    this.latencies.splice(0, this.latencies.length - KEPT);
    if (this.last !== null) this.skipped += Math.max(frame.serial - this.last - 1, 0);
    this.last = frame.serial;
    this.drawn += 1;
    this.write(frame, action);
  }

  get latency() {
    const sorted = this.latencies.slice(-10).sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }

  write(frame, action) {
    const latency = this.latency;
    const texts = {
      fps: frame.fps.toFixed(1),
      latency: latency === null ? "–" : `${Math.round(latency)} ms`,
      action: frame.action === null ? "–" : `${frame.action} ${action}`,
      number: frame.number,
      steps: frame.steps ?? "–",
      sure: frame.sure === null ? "–" : `${Math.round(100 * frame.sure)} %`,
      dropped: frame.dropped,
      skipped: this.skipped,
      message: frame.message,
    };
    for (const [id, text] of Object.entries(texts)) setText(id, `${text}`);
    document.getElementById("skipped").parentElement.hidden = this.skipped === 0;
    this.tellsSure ||= frame.sure !== null;
    document.getElementById("sure").parentElement.hidden = !this.tellsSure;
    document.getElementById("made-up").hidden = !frame.made_up;
    document.getElementById("paused").hidden = !frame.paused;
    document.getElementById("recording").hidden = !frame.recording;
  }
}

// Only what changed is written: a screen reader would read it out again.
function setText(id, text) {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text;
}
