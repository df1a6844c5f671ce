// What was recorded since the program began: a player, and links to download.

const KINDS = { mp4: "Video", webm: "Video", mkv: "Video", gif: "GIF", h5: "Gameplay (H5)", json: "Log (JSON)" };
const PLAYED = ["mp4", "webm", "gif"]; // the first that there is
const byId = (id) => document.getElementById(id);
const ending = (name) => name.slice(name.lastIndexOf(".") + 1);
const stem = (name) => name.slice(0, name.lastIndexOf("."));
const address = (name) => `recordings/${encodeURIComponent(name)}`;

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(Math.round(bytes / 1e3), 1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// "doom_20261201_140203_123" is doom at 14:02:03.
function title(name) {
  const [, game, hour, minute, second] = name.match(/^(.*)_\d{8}_(\d\d)(\d\d)(\d\d)_\d+$/) ?? [null, name];
  return hour === undefined ? game : `${game}, ${hour}:${minute}:${second}`;
}

export class Recordings {
  constructor() {
    this.groups = new Map(); // stem to files, newest first
    this.shown = null;
    byId("player").addEventListener("error", () => this.showStill());
  }

  get count() {
    return this.groups.size;
  }

  fill(files) {
    const groups = new Map();
    for (const file of [...files].reverse()) {
      groups.set(stem(file.name), [file, ...(groups.get(stem(file.name)) ?? [])]);
    }
    this.groups = groups;
    byId("no-recordings").hidden = groups.size > 0;
    byId("recording-list").replaceChildren(...[...groups].map(([name, files]) => this.row(name, files)));
  }

  row(name, files) {
    const row = document.createElement("li");
    const heading = document.createElement("h3");
    heading.textContent = title(name);
    const choices = document.createElement("p");
    choices.className = "choices";
    const watch = document.createElement("button");
    watch.type = "button";
    watch.textContent = "Watch";
    watch.setAttribute("aria-label", `Watch ${title(name)}`);
    watch.addEventListener("click", () => this.watch(name));
    const order = Object.keys(KINDS);
    const sorted = [...files].sort((a, b) => order.indexOf(ending(a.name)) - order.indexOf(ending(b.name)));
    choices.append(watch, ...sorted.map((file) => {
      const link = document.createElement("a");
      link.href = address(file.name);
      link.download = file.name;
      link.textContent = `${KINDS[ending(file.name)] ?? ending(file.name)}, ${size(file.bytes)}`;
      return link;
    }));
    row.append(heading, choices);
    return row;
  }

  watch(name) {
    this.shown = name;
    const files = this.groups.get(name);
    const best = PLAYED.map((kind) => files.find((file) => ending(file.name) === kind)).find(Boolean);
    if (!best || ending(best.name) === "gif") return this.showStill();
    const player = byId("player");
    byId("still").hidden = true;
    player.hidden = false;
    player.src = address(best.name);
    player.setAttribute("aria-label", `Recording of ${title(name)}`);
    player.scrollIntoView({ block: "nearest" });
    player.play().catch(() => {}); // it has controls
  }

  // The GIF, where this browser cannot play the video.
  showStill() {
    const gif = this.groups.get(this.shown)?.find((file) => ending(file.name) === "gif");
    byId("player").hidden = true;
    byId("still").hidden = !gif;
    if (!gif) return;
    byId("still").src = address(gif.name);
    byId("still").alt = `Recording of ${title(this.shown)}`;
  }

  stop() {
    byId("player").pause();
  }
}
