// How keys look: caps with signs, draggable where they may be given to another action.

export const SIGNS = {
  up: "↑", down: "↓", left: "←", right: "→", space: "Space", enter: "Enter", esc: "Esc", tab: "Tab",
  backspace: "⌫",
};
const WORDS = { up: "arrow up", down: "arrow down", left: "arrow left", right: "arrow right", backspace: "Backspace" };

const sign = (key) => key.split("+").map((part) => SIGNS[part] ?? part.toUpperCase()).join(" + ");
const words = (key) => key.split("+").map((part) => WORDS[part] ?? SIGNS[part] ?? part.toUpperCase()).join(" and ");

export function cap(key, { draggable = false } = {}) {
  const element = document.createElement("kbd");
  element.textContent = sign(key);
  element.setAttribute("aria-label", words(key));
  element.dataset.key = key;
  if (draggable) {
    element.draggable = true;
    element.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", key);
      event.dataTransfer.effectAllowed = "move";
    });
  }
  return element;
}
