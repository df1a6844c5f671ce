// Gamepads: stick and cross are the arrows, buttons the other actions, Start pauses, Back starts anew.

const CROSS = { 12: "up", 13: "down", 14: "left", 15: "right" };
const ACTION_BUTTONS = [0, 1, 2, 3, 4, 5, 6, 7];
const COMMAND_BUTTONS = { 8: "r", 9: "p" };
const THRESHOLD = 0.5;

function keysHeld(pad, otherKeys) {
  const keys = new Set();
  const [x = 0, y = 0] = pad.axes;
  if (x < -THRESHOLD) keys.add("left");
  if (x > THRESHOLD) keys.add("right");
  if (y < -THRESHOLD) keys.add("up");
  if (y > THRESHOLD) keys.add("down");
  const press = (number, key) => pad.buttons[number]?.pressed && key && keys.add(key);
  for (const [number, key] of Object.entries({ ...CROSS, ...COMMAND_BUTTONS })) press(number, key);
  ACTION_BUTTONS.forEach((number, i) => press(number, otherKeys[i]));
  return keys;
}

export class Gamepads {
  // otherKeys(): the keys for the buttons, in order.
  constructor(held, otherKeys) {
    this.held = held;
    this.otherKeys = otherKeys;
    this.down = new Map(); // holder, such as "gamepad 0", to the keys it holds
    window.addEventListener("gamepadconnected", () => this.start());
  }

  start() {
    if (this.running) return;
    this.running = true;
    const look = () => {
      this.running = this.look();
      if (this.running) requestAnimationFrame(look);
    };
    look();
  }

  look() {
    const pads = document.hasFocus() ? navigator.getGamepads().filter((pad) => pad?.connected) : [];
    const now = new Map(pads.map((pad) => [`gamepad ${pad.index}`, keysHeld(pad, this.otherKeys())]));
    for (const [holder, keys] of this.down) {
      for (const key of keys) if (!now.get(holder)?.has(key)) this.held.release(key, holder);
    }
    for (const [holder, keys] of now) {
      for (const key of keys) if (!this.down.get(holder)?.has(key)) this.held.press(key, holder);
    }
    this.down = now;
    return navigator.getGamepads().some((pad) => pad?.connected);
  }

  forget() {
    this.down.clear();
  }
}
