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

// The pad for fingers: a cross for the arrows that mean something, a button for every other action.
export function fillPad(held, world) {
  const arrows = ARROWS.filter((key) => key in world.keys);
  document.getElementById("arrows").replaceChildren(
    ...arrows.map((key) => holdButton(held, key, [SIGNS[key]], world.actions[world.keys[key]])),
  );
  document.getElementById("others").replaceChildren(
    ...world.others.map(({ key, action }) => holdButton(held, key, [world.actions[action]], world.actions[action])),
  );
}

document.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch") document.body.classList.add("touched"); // screens with touch and a mouse
}, { passive: true });
