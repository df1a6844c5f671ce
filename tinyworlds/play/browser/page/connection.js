// The websocket to the server: comes back by itself, first soon, then less and less often.

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
const GOING_AWAY = 1001;
const NEVER_OPEN = 1006;

export class Connection {
  // on: { state(words, isOpen), text(object), frame(ArrayBuffer), lost(isSaid, reason) }; isSaid: the server said that
  // it ends.
  constructor(address, on) {
    this.address = address;
    this.on = on;
    this.wait = FIRST_WAIT_MS;
    this.timer = null;
    this.reason = "";
    this.tries = 0; // since the server last spoke
    this.isSaid = false;
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    window.addEventListener("online", () => this.hurry());
    this.open();
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  open() {
    this.timer = null;
    this.socket = new WebSocket(this.address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.reason = "connection lost"; // unless the server will say another
      this.on.state("connected", true);
    };
    this.socket.onclose = (event) => this.closed(event);
    this.socket.onmessage = ({ data }) => {
      this.tries = 0;
      this.isSaid = false;
      this.wait = FIRST_WAIT_MS; // a server that speaks, not one that only opens and closes
      if (typeof data === "string") this.on.text(JSON.parse(data));
      else this.on.frame(data);
    };
  }

  closed({ code, reason }) {
    this.tries += 1;
    this.isSaid = code === GOING_AWAY || (this.isSaid && code === NEVER_OPEN);
    this.on.lost(this.isSaid, reason);
    this.reason = reason || this.reason || "no connection"; // a server that is gone says nothing new
    const seconds = (this.wait / 1000).toFixed(this.wait < 1000 ? 1 : 0);
    this.on.state(`${this.reason}, next try in ${seconds} s`, false);
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  // Try at once instead of at the end of the wait.
  hurry() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.wait = FIRST_WAIT_MS;
    this.open();
  }
}
