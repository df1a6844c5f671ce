// The dream, in a thread of its own so that the page stays alive: takes the page's messages, sends it frames.
//
// From the page: { type: "begin", folder, seed }, { type: "visible", visible }, and what it would tell a server. To the
// page: { text } as a server's, { frame }, { share } while files come, { failed } with a reason.

import { Dream } from "./dream.js";
import { pack } from "./frame_message.js";
import { Session } from "./session.js";

const MAX_UNSEEN = 3; // frames under way to the page; more would come late
const seconds = () => performance.now() / 1000;

let session = null;
let visible = true;
let timer = null;
let events = [];
let [acted, serial, unseen, dropped] = [0, 0, 0, 0];
let [due, began, shown] = [0, 0, 0];

const TAKES = {
  begin: ({ folder, seed }) => begin(folder, seed).catch((error) => postMessage({ failed: error.message })),
  key: (message) => events.push(message),
  bind: (message) => events.push(message),
  seen: () => { unseen -= 1; },
  again: () => {},
  visible: (message) => {
    visible = message.visible;
    if (visible && session && timer === null) go();
  },
};

onmessage = ({ data }) => TAKES[data.type](data);

async function begin(folder, seed) {
  const dream = await Dream.load(folder, seed, (share) => postMessage({ share }));
  session = new Session(dream, seconds);
  postMessage({ text: session.world });
  if (visible) go();
}

// Frames from now on, at the world's rate.
function go() {
  session.rest();
  [began, shown, due] = [seconds(), 0, seconds()];
  tick();
}

function tick() {
  due = Math.max(due + 1 / session.world.fps, seconds()); // of the next frame
  const [taken, keys] = [events, session.world.keys];
  events = [];
  acted = taken.findLast(({ type }) => type === "key")?.id ?? acted;
  const frame = session.tick(taken);
  if (session.world.keys !== keys) postMessage({ text: session.world });
  show(frame);
  if (!session.paused) session.dream.prepare();
  timer = visible ? setTimeout(tick, Math.max(1000 * (due - seconds()), 0)) : null;
}

function show(frame) {
  serial += 1;
  shown += 1;
  dropped = Math.max(dropped, Math.floor((seconds() - began) * session.world.fps) - shown);
  if (unseen >= MAX_UNSEEN) return;
  unseen += 1;
  const data = pack({ ...frame, serial, dropped }, session.dream.facts.frame_size, acted);
  postMessage({ frame: data }, [data]);
}
