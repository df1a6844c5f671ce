// What stands beside the game, one at a time: the panel of keys, the recordings. Each tab has its own.

const byId = (id) => document.getElementById(id);

export class Side {
  // ids: of the elements, one of which may be open. turned(): told that another is open, or none.
  constructor(ids, turned) {
    this.ids = ids;
    this.turned = turned;
    this.before = null; // what had the focus
    for (const id of ids) byId(id).querySelector(".close").addEventListener("click", () => this.close());
  }

  get open() {
    return this.ids.find((id) => !byId(id).hidden) ?? null;
  }

  toggle(id) {
    if (this.open === id) return this.close();
    if (this.open === null) this.before = document.activeElement;
    for (const each of this.ids) byId(each).hidden = each !== id;
    this.mark();
    byId(id).focus({ preventScroll: true }); // Tab goes on from there; keys of the game stay the game's
  }

  // Returns whether anything was open.
  close() {
    const id = this.open;
    if (id === null) return false;
    const inside = byId(id).contains(document.activeElement);
    byId(id).hidden = true;
    this.mark();
    if (inside) this.before?.focus({ preventScroll: true });
    return true;
  }

  // Also for buttons that are new.
  mark() {
    document.body.classList.toggle("sided", this.open !== null);
    for (const button of document.querySelectorAll("[aria-controls]")) {
      button.setAttribute("aria-expanded", `${button.getAttribute("aria-controls") === this.open}`);
    }
    this.turned();
  }
}
