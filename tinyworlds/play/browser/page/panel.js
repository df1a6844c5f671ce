// The panel of keys: which key takes which action, changed by "+" and a key or by drag, and the commands.

import { cap, words } from "./caps.js";
import { holdButton } from "./touch.js";

const CANDIDATES = [..."qwertyuiopasdfghjklzxcvbnm", "space", "enter", "up", "left", "down", "right"];
const byId = (id) => document.getElementById(id);

export class Panel {
  // bind(key, action): wishes for a key to take an action.
  constructor(held, bind) {
    this.held = held;
    this.bind = bind;
    this.asking = null; // the action whose "+" waits for a key
  }

  fill(world) {
    this.world = world;
    const focused = document.activeElement?.closest("#actions [data-action]")?.dataset.action;
    byId("actions").replaceChildren(...world.actions.map((name, action) => this.row(name, action)));
    if (focused) byId("actions").querySelector(`[data-action="${focused}"] .plus`)?.focus();
    const taken = new Set([...Object.keys(world.keys), ...world.reserved]);
    this.free = CANDIDATES.filter((key) => !taken.has(key));
    byId("notes").replaceChildren(...world.notes.map((text) => {
      const note = document.createElement("li");
      note.textContent = text;
      return note;
    }));
    this.ask(null);
  }

  fillCommands(world) {
    byId("command-list").replaceChildren(...world.commands.filter(({ name }) => name !== "help").map((command) => {
      const [row, text] = [document.createElement("li"), document.createElement("span")];
      text.textContent = command.help;
      row.append(holdButton(this.held, command.key, [cap(command.key), text], command.help));
      return row;
    }));
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
    button.addEventListener("click", () => this.ask(this.asking === action ? null : action));
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
      row.querySelector(".plus").textContent = asked ? "which key?" : "+";
    }
    byId("free-title").textContent = action === null ? "Free keys" : "Press a key, or choose one here";
    byId("free").replaceChildren(...this.free.map((key) => this.freeKey(key)));
  }

  // While a key is asked for, a button; else a cap to drag.
  freeKey(key) {
    if (this.asking === null) return cap(key, { draggable: true });
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = key;
    button.append(cap(key));
    button.setAttribute("aria-label", words(key));
    button.addEventListener("click", () => this.intercept(key));
    return button;
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
