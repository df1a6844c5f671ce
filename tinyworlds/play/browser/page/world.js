// What there is to play: actions, the keys that take them, commands.

const ARROWS = ["up", "left", "right", "down"];
const PREFERRED = ["space", "enter"];

export class World {
  constructor({ title, actions, keys, commands, reserved, notes }) {
    Object.assign(this, { title, actions, keys, commands, reserved, notes });
  }

  knowsCommandsOf(other) {
    return JSON.stringify(this.commands) === JSON.stringify(other.commands);
  }

  takesAction(key) {
    return key in this.keys || Object.keys(this.keys).some((chord) => chord.split("+").includes(key))
      || (/^[0-9]$/.test(key) && Number(key) < this.actions.length);
  }

  // Commands keep their keys, and a digit always chooses the action of that number.
  mayBind(key) {
    return !/^[0-9]$/.test(key) && !this.reserved.includes(key);
  }

  keysOf(action) {
    return Object.keys(this.keys).filter((key) => this.keys[key] === action);
  }

  // Actions that have keys.
  get hints() {
    const all = this.actions.map((_, action) => ({ action, keys: this.keysOf(action) }));
    return all.filter(({ keys }) => keys.length > 0);
  }

  // One key for every action that no arrow takes: for buttons.
  get others() {
    const byArrows = new Set(ARROWS.map((key) => this.keys[key]));
    return this.actions.flatMap((_, action) => {
      if (byArrows.has(action)) return [];
      const keys = this.keysOf(action).filter((key) => !key.includes("+"));
      const key = PREFERRED.find((name) => keys.includes(name)) ?? keys[0] ?? (action < 10 ? `${action}` : null);
      return key === null ? [] : [{ key, action }];
    });
  }
}
