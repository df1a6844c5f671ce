// The panel of keys: which key takes which action, changed by drag or by "+" and a key press, and the commands.

import { cap } from "./caps.js";

const CANDIDATES = [..."qwertyuiopasdfghjklzxcvbnm", "space", "enter", "up", "left", "down", "right"];
const byId = (id) => document.getElementById(id);

export class Panel {
  // bind(key, action): wishes for a key to take an action.
  constructor(bind) {
    this.bind = bind;
    this.asking = null; // the action whose "+" waits for a key
  }

  get isOpen() {
    return !byId("panel").hidden;
  }

  show(open) {
    if (open === this.isOpen) return;
    byId("panel").hidden = !open;
    this.ask(null);
  }

  fill(world) {
    this.world = world;
    byId("actions").replaceChildren(...world.actions.map((name, action) => this.row(name, action)));
    const taken = new Set([...Object.keys(world.keys), ...world.reserved]);
    byId("free").replaceChildren(
      ...CANDIDATES.filter((key) => !taken.has(key)).map((key) => cap(key, { draggable: true })),
    );
    byId("command-list").replaceChildren(...world.commands.flatMap(({ key, help }) => {
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      term.append(cap(key));
      description.textContent = help;
      return [term, description];
    }));
    this.ask(null);
  }

  row(name, action) {
    const row = document.createElement("li");
    row.dataset.action = action;
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = `${action} ${name}`;
    const caps = document.createElement("span");
    caps.className = "caps";
    caps.append(...this.world.keysOf(action).map((key) => cap(key, { draggable: true })), this.plus(name, action));
    row.append(label, caps);
    this.acceptDrops(row, action);
    return row;
  }

  plus(name, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plus";
    button.textContent = "+";
    button.setAttribute("aria-label", `add a key for ${name}`);
    button.addEventListener("click", () => {
      this.ask(this.asking === action ? null : action);
      button.blur(); // so that Space and Enter can be chosen, too
    });
    return button;
  }

  acceptDrops(row, action) {
    const mark = (on) => row.classList.toggle("target", on);
    row.addEventListener("dragover", (event) => {
      event.preventDefault();
      mark(true);
    });
    row.addEventListener("dragleave", () => mark(false));
    row.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(false);
      this.bind(event.dataTransfer.getData("text/plain"), action);
    });
  }

  ask(action) {
    this.asking = action;
    for (const row of byId("actions").children) {
      const asked = Number(row.dataset.action) === action && action !== null;
      row.classList.toggle("asking", asked);
      row.querySelector(".plus").textContent = asked ? "press a key" : "+";
    }
  }

  // Returns whether a key was meant for the panel.
  intercept(key) {
    if (this.asking === null) return false;
    const [action, free] = [this.asking, this.world.mayBind(key)];
    if (free || key === "esc") this.ask(null);
    if (free) this.bind(key, action);
    return true;
  }
}
