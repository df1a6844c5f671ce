// Buttons on the screen that hold a key as long as a finger or the mouse is on them.

import { SIGNS } from "./caps.js";

const ARROWS = ["up", "left", "right", "down"];

export function holdButton(held, key, words, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.key = key;
  button.setAttribute("aria-label", label);
  button.append(...words);
  const holder = (event) => `pointer ${event.pointerId}`;
  const release = (event) => held.release(key, holder(event));
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    held.press(key, holder(event), event.timeStamp);
  });
  button.addEventListener("pointerup", release);
  button.addEventListener("lostpointercapture", release);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", (event) => event.detail === 0 && held.tap(key)); // by Enter or a screen reader
  return button;
}

function arrowButton(held, key, action) {
  const [sign, name] = [document.createElement("span"), document.createElement("small")];
  sign.textContent = SIGNS[key];
  sign.setAttribute("aria-hidden", "true");
  name.textContent = action;
  return holdButton(held, key, [sign, name], action);
}

// The pad for fingers: a cross for the arrows that mean something, a button for every other action.
export function fillPad(held, world) {
  const arrows = ARROWS.filter((key) => key in world.keys);
  document.getElementById("arrows").replaceChildren(
    ...arrows.map((key) => arrowButton(held, key, world.actions[world.keys[key]])),
  );
  document.getElementById("others").replaceChildren(
    ...world.others.map(({ key, action }) => holdButton(held, key, [world.actions[action]], world.actions[action])),
  );
}

// Nothing is said of keys where there seem to be none.
const fingersOnly = matchMedia("(pointer: coarse) and (not (any-pointer: fine))");
const judge = () => document.body.classList.toggle("keyless", fingersOnly.matches && !document.body.classList.contains("keyed"));
fingersOnly.addEventListener("change", judge);
window.addEventListener("keydown", () => {
  document.body.classList.add("keyed");
  judge();
}, { once: true });
judge();

document.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch") document.body.classList.add("touched"); // screens with touch and a mouse
}, { passive: true });
