// Stands where the page has its websocket: the server is a worker in this page that dreams the world.

export class Connection {
  // on: as the page's other connection has it; the address is nobody's here.
  constructor(_, on) {
    this.on = on;
    this.tries = 0;
    this.isOpen = false;
    document.addEventListener("visibilitychange", () => this.tellVisible());
    this.hurry();
  }

  send(message) {
    this.worker.postMessage(message);
  }

  // Begins, anew where something failed.
  hurry() {
    this.worker?.terminate();
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.take(data);
    this.worker.onerror = (event) => this.take({ failed: event.message ?? "this browser did not start it" });
    const folder = new URL(document.documentElement.dataset.world, location.href).href;
    this.tellVisible();
    this.send({ type: "begin", folder, seed: seed() });
  }

  tellVisible() {
    this.send({ type: "visible", visible: !document.hidden });
  }

  take({ text, frame, share, failed }) {
    if (share !== undefined && !this.isOpen) this.on.state(`loading ${Math.round(100 * share)} %`, true);
    if (text) this.enter(text);
    if (frame) this.on.frame(frame);
    if (failed) this.fail(failed);
  }

  enter(text) {
    this.on.text(text);
    if (this.isOpen) return;
    this.isOpen = true;
    this.on.text({ type: "state", state: "playing" });
    this.on.state("in this page", true);
  }

  fail(reason) {
    this.isOpen = false;
    this.on.state("stopped", false);
    this.on.text({ type: "state", state: "failed", reason });
  }
}

// Of ?seed=7, else by chance.
function seed() {
  const given = new URLSearchParams(location.search).get("seed");
  return /^\d{1,9}$/.test(given ?? "") ? Number(given) : crypto.getRandomValues(new Uint32Array(1))[0];
}
