// How keys look: caps with signs, draggable where they may be given to another action.

export const SIGNS = {
  up: "↑", down: "↓", left: "←", right: "→", space: "Space", enter: "Enter", esc: "Esc", tab: "Tab",
  backspace: "⌫",
};
const WORDS = {
  up: "arrow up", down: "arrow down", left: "arrow left", right: "arrow right", backspace: "Backspace", ".": "full stop",
};

const sign = (key) => key.split("+").map((part) => SIGNS[part] ?? part.toUpperCase()).join(" + ");
export const words = (key) => key.split("+").map((part) => WORDS[part] ?? SIGNS[part] ?? part.toUpperCase()).join(" and ");

export function cap(key, { draggable = false } = {}) {
  const element = document.createElement("kbd");
  element.textContent = sign(key);
  element.dataset.key = key;
  if (words(key) !== sign(key)) {
    element.setAttribute("role", "img"); // a sign that is not read as it is called
    element.setAttribute("aria-label", words(key));
  }
  if (draggable) {
    element.draggable = true;
    element.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", key);
      event.dataTransfer.effectAllowed = "move";
    });
  }
  return element;
}
