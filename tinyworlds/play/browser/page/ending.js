// The page after the end: what has ended, in words, and the way on.

const byId = (id) => document.getElementById(id);

const SAID = {
  saving: { title: "The game has ended", words: "Saving what was recorded …" },
  ended: {
    title: "The game has ended",
    words: "",
    button: "Play again",
    note: "The program ends by itself once all its pages are closed.",
  },
  gone: {
    title: "The program has ended",
    words: "Start it again where it ran, with “tinyworlds play” and the same port: this page then goes on by itself.",
    button: "Try again now",
  },
  lost: {
    title: "No connection to the game",
    words: "The program may have ended, or the network is away. This page goes on trying.",
    button: "Try again now",
  },
  failed: { title: "The world could not be played here", words: "", button: "Try again" },
};

export class Ending {
  // again(): somebody wants to play on.
  constructor(again) {
    this.state = "playing";
    byId("again").addEventListener("click", again);
  }

  // state: one of the above, or "playing". count: how many recordings there are. reason: why the server sent us away.
  show(state, count = 0, reason = "") {
    this.state = state;
    const said = SAID[state];
    const hadFocus = byId("ending").contains(document.activeElement);
    byId("ending").hidden = !said;
    document.body.classList.toggle("over", Boolean(said));
    if (!said) {
      if (hadFocus) document.activeElement.blur();
      return;
    }
    const kept = state === "ended" && count > 0;
    const watch = "What was recorded can be watched and downloaded here until the program ends.";
    byId("ending-title").textContent = said.title;
    byId("ending-words").textContent = [reason, kept ? watch : said.words].filter(Boolean).join(". ");
    byId("ending-note").textContent = said.note ?? "";
    byId("ending-recordings").hidden = !kept;
    byId("again").hidden = !said.button;
    byId("again").textContent = said.button ?? "";
    if (said.button) byId("again").focus({ preventScroll: true });
  }
}
