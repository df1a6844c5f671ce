// Puts the parts of the page together. The page knows keys and pictures, not what they mean: that is the server's.

import { cap } from "./caps.js";
import { Connection } from "./connection.js";
import { Figures } from "./figures.js";
import { Gamepads } from "./gamepad.js";
import { Held } from "./held.js";
import { Keyboard } from "./keyboard.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { fillPad, holdButton } from "./touch.js";
import { World } from "./world.js";

const byId = (id) => document.getElementById(id);
const HELP_KEY = "h";

let world = new World({ title: "TinyWorlds", actions: [], keys: {}, commands: [], reserved: [], notes: [] });
let lastId = 0;
let paused = false;

const figures = new Figures();
const panel = new Panel((key, action) => connection.send({ type: "bind", key, action }));
const held = new Held((key, down, repeat, when) => {
  connection.send({ type: "key", key, down, repeat, id: ++lastId });
  if (down && !repeat && !paused && connection.isOpen && world.takesAction(key)) figures.sent(lastId, when);
  markHeld();
});
const keyboard = new Keyboard(held, {
  wants: (key) => world.takesAction(key) || panel.asking !== null,
  hasMeaning: (key) => world.takesAction(key) || world.commands.some((command) => command.key === key),
  intercept: (key) => panel.intercept(key) || closesPanel(key),
});
const gamepads = new Gamepads(held, () => world.others.map(({ key }) => key));
const picture = new Picture([byId("dream"), byId("truth")], {
  drawn: show,
  done: () => connection.send({ type: "seen" }),
});
const connection = new Connection(new URL("play", location.href.replace(/^http/, "ws")).href, {
  state: (words, isOpen) => {
    byId("connection").textContent = words;
    byId("connection").classList.toggle("alarm", !isOpen);
    document.body.classList.toggle("lost", !isOpen);
    if (isOpen) held.resend();
  },
  text: (said) => said.type === "world" && enter(new World(said)),
  frame: (data) => picture.take(data),
  lost: () => {
    picture.forget();
    figures.restart();
  },
});

function enter(newWorld) {
  world = newWorld;
  document.title = world.title;
  byId("title").textContent = world.title;
  panel.fill(world);
  fillPad(held, world);
  byId("hints").replaceChildren(...world.hints.map(({ action, keys }) => {
    const hint = document.createElement("li");
    hint.dataset.action = action;
    hint.append(...keys.map((key) => cap(key)), world.actions[action]);
    return hint;
  }), ...world.notes.map((text) => {
    const note = document.createElement("li");
    note.className = "note";
    note.append(text);
    return note;
  }));
  byId("commands").replaceChildren(...world.commands.filter(({ name }) => name !== "quit").map(
    ({ key, name, help }) => holdButton(held, key, [cap(key), name], `${name}: ${help}`),
  ));
  markHeld();
}

function show(frame) {
  paused = frame.paused;
  figures.take(frame);
  panel.show(frame.help);
  byId("truth-side").hidden = frame.blobs.length < 2;
  byId("stage").classList.toggle("pair", frame.blobs.length > 1);
  byId("stage").classList.toggle("named", frame.labels[0] !== "");
  byId("dream-label").textContent = frame.labels[0] || "dream";
  byId("truth-label").textContent = frame.labels[1];
  for (const hint of byId("hints").children) {
    hint.classList.toggle("active", Number(hint.dataset.action) === frame.action);
  }
}

function markHeld() {
  for (const element of document.querySelectorAll("[data-key]")) {
    element.classList.toggle("held", element.dataset.key.split("+").every((key) => held.has(key)));
  }
}

// Esc closes an open panel before it ends the game.
function closesPanel(key) {
  if (key !== "esc" || !panel.isOpen) return false;
  held.tap(HELP_KEY);
  return true;
}

function letGo() {
  keyboard.forget();
  gamepads.forget();
}

// A clicked button must not take the focus: Space and Enter would press it again instead of playing.
document.addEventListener("mousedown", (event) => event.target.closest("button") && event.preventDefault());

window.addEventListener("blur", letGo);
window.addEventListener("pagehide", letGo);
document.addEventListener("visibilitychange", () => document.hidden && letGo());

byId("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch((error) => console.warn(error.message));
});
document.addEventListener("fullscreenchange", () => {
  byId("fullscreen").setAttribute("aria-pressed", `${document.fullscreenElement !== null}`);
});

globalThis.tinyworlds = { figures, held }; // for the console
