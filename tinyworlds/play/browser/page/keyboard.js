// The keyboard: names of keys, presses and releases. What a key means is the server's business.

const NAMED = {
  " ": "space", ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  Enter: "enter", Escape: "esc", Tab: "tab", Backspace: "backspace",
};
const LATIN = 0x250;

// Our name for the key of an event, null for keys that have none. Letters of other scripts go by their place, as does
// the row of digits: in half of Europe it gives other signs. hasMeaning(sign): whether the game knows such a key.
export function keyName({ key, code }, hasMeaning = () => false) {
  if (Object.hasOwn(NAMED, key)) return NAMED[key];
  if (/^Digit[0-9]$/.test(code) && !/^[0-9]$/.test(key) && !hasMeaning(key.toLowerCase())) return code[5];
  if ([...key].length !== 1 || key === "+") return null;
  if (key.codePointAt(0) < LATIN) return key.toLowerCase();
  return /^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : null;
}

export class Keyboard {
  // isPlayed(): whether keys are the game's at all. isAsked(): whether the next key will be given to an action.
  // wants(key): whether a key that moves between buttons is the game's. hasMeaning(key): whether it does anything there.
  // intercept(key): true if somebody else took it.
  constructor(held, { isPlayed, isAsked, wants, hasMeaning, intercept }) {
    this.held = held;
    this.isPlayed = isPlayed;
    this.isAsked = isAsked;
    this.wants = wants;
    this.hasMeaning = hasMeaning;
    this.intercept = intercept;
    this.down = new Map(); // by code: with Shift or another layout in between, the same key ends with another name
    window.addEventListener("keydown", (event) => this.pressed(event));
    window.addEventListener("keyup", (event) => this.released(event));
  }

  pressed(event) {
    const key = keyName(event, this.hasMeaning);
    if (key === null || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.isAsked() && this.belongsToPage(key, event)) return;
    event.preventDefault(); // no scrolling, no quick search
    if (this.down.has(event.code)) return;
    const taken = !event.repeat && this.intercept(key);
    this.down.set(event.code, taken ? null : key);
    if (!taken) this.held.press(key, event.code, event.timeStamp, event.repeat);
  }

  released(event) {
    if (event.key === "Meta") return this.forget(); // macOS tells of no releases while it is held
    const key = this.down.get(event.code);
    if (this.down.has(event.code)) event.preventDefault(); // Space clicks a focused button when it goes up
    this.down.delete(event.code);
    if (key) this.held.release(key, event.code);
  }

  forget() {
    this.down.clear();
    this.held.releaseAll();
  }

  // Tab moves between buttons unless the game uses it, with Shift always; a focused button has its own Space and Enter,
  // a video all keys but Esc.
  belongsToPage(key, { target, shiftKey }) {
    if (key === "esc") return false;
    if (!this.isPlayed() || target.closest?.("video")) return true;
    if (key === "tab") return shiftKey || !this.wants(key);
    return (key === "space" || key === "enter") && Boolean(target.closest?.("button, a"));
  }
}
