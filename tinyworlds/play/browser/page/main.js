// Puts the parts of the page together. The page knows keys and pictures, not what they mean: that is the server's.

import { cap } from "./caps.js";
import { Connection } from "./connection.js";
import { Ending } from "./ending.js";
import { Figures } from "./figures.js";
import { Gamepads } from "./gamepad.js";
import { Held } from "./held.js";
import { Keyboard } from "./keyboard.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Recordings } from "./recordings.js";
import { Side } from "./side.js";
import { fillPad, holdButton } from "./touch.js";
import { World } from "./world.js";

const MINOR = ["step", "fork", "real"]; // commands that a small screen has in its panel alone
const byId = (id) => document.getElementById(id);
const PATIENT_TRIES = 2; // failed ones before the page says more than that it tries again

let world = new World({ title: "TinyWorlds", actions: [], keys: {}, commands: [], reserved: [], notes: [] });
let lastId = 0;
let paused = false;

const figures = new Figures();
const recordings = new Recordings();
const side = new Side(["panel", "recordings"], () => {
  if (side.open !== "panel") panel.ask(null);
  if (side.open !== "recordings") recordings.stop();
});
const ending = new Ending(() => {
  if (connection.isOpen) connection.send({ type: "again" });
  else connection.hurry();
});
const held = new Held((key, down, repeat, when) => {
  if (ending.state !== "playing") return;
  connection.send({ type: "key", key, down, repeat, id: ++lastId });
  if (down && !repeat && !paused && connection.isOpen && world.takesAction(key)) figures.sent(lastId, when);
  markHeld();
});
const panel = new Panel(held, (key, action) => connection.send({ type: "bind", key, action }));
const keyboard = new Keyboard(held, {
  isPlayed: () => ending.state === "playing",
  isAsked: () => panel.asking !== null,
  wants: (key) => world.takesAction(key),
  hasMeaning: (key) => world.takesAction(key) || world.commands.some((command) => command.key === key),
  intercept: (key) => panel.intercept(key) || turnsSide(key),
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
  text: (said) => {
    if (said.type === "world") enter(new World(said));
    if (said.type === "recordings") keep(said.files);
    if (said.type === "state") turn(said.state, said.reason);
  },
  frame: (data) => picture.take(data),
  lost: (isSaid, reason) => {
    picture.forget();
    figures.restart();
    const words = isSaid ? "" : reason;
    if (isSaid || words || connection.tries >= PATIENT_TRIES) turn(isSaid ? "gone" : "lost", words);
  },
});

function enter(newWorld) {
  const known = newWorld.knowsCommandsOf(world);
  world = newWorld;
  document.title = world.title;
  byId("title").textContent = world.title;
  panel.fill(world);
  if (!known) panel.fillCommands(world);
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
  if (!known) fillCommands();
  markHeld();
}

// Once alone: the focus may be on one of these.
function fillCommands() {
  const usual = world.commands.filter(({ name }) => name !== "quit" && name !== "help");
  const help = world.commands.find(({ name }) => name === "help");
  byId("commands").replaceChildren(
    ...usual.map(({ key, name, label, help: does }) => {
      const button = holdButton(held, key, [cap(key), label], `${label}: ${does}`);
      button.classList.toggle("minor", MINOR.includes(name));
      return button;
    }),
    ...(world.commands.some(({ name }) => name === "record") ? [sideButton("recordings", [])] : []),
    ...(help ? [sideButton("panel", [cap(help.key), span("with-keys", help.label), span("without-keys", "more")])] : []),
    ...("worlds" in document.documentElement.dataset ? [worldsLink()] : []),
  );
  side.mark();
  keep();
}

// Where the page is one of several: to where they are chosen.
function worldsLink() {
  const link = document.createElement("a");
  link.href = document.documentElement.dataset.worlds;
  link.textContent = "all worlds";
  return link;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

function sideButton(id, words) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.side = id;
  button.setAttribute("aria-controls", id);
  button.append(...words);
  button.addEventListener("click", () => side.toggle(id));
  return button;
}

// What is recorded, and how many there are.
function keep(files) {
  if (files) recordings.fill(files);
  const words = recordings.count ? `recordings (${recordings.count})` : "recordings";
  for (const button of document.querySelectorAll("[data-side=recordings]")) button.textContent = words;
  if (files && ending.state === "ended") ending.show("ended", recordings.count);
}

// How the session stands: "playing", or why not.
function turn(state, reason = "") {
  if (state === ending.state && !reason) return;
  if (state === "saving" || state === "ended") letGo(); // over a lost connection keys may stay held
  if (state === "gone" || state === "lost" || state === "failed") side.close();
  if (state === "saving" && side.open === "panel") side.close();
  ending.show(state, recordings.count, reason);
  byId("stage").hidden = state !== "playing";
  if (state === "playing") held.resend();
}

function show(frame) {
  paused = frame.paused;
  figures.take(frame, world.actions[frame.action]);
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

// The key of help opens and closes the panel, and Esc closes what is open before it ends the game.
function turnsSide(key) {
  if (key === "esc") return side.close() || ending.state !== "playing";
  if (world.commands.find((command) => command.key === key)?.name !== "help") return false;
  side.toggle("panel");
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

byId("ending-recordings").addEventListener("click", () => side.toggle("recordings"));

byId("fullscreen").hidden = !document.fullscreenEnabled;
byId("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch((error) => console.warn(error.message));
});
document.addEventListener("fullscreenchange", () => {
  byId("fullscreen").setAttribute("aria-pressed", `${document.fullscreenElement !== null}`);
});

globalThis.tinyworlds = { figures, held }; // for the console
