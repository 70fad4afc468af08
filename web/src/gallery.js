// The pictures of this session, newest first. The browser keeps them until its tab is closed.
//
// An entry is { said, name, seen }: what a link says of the picture, its name, and a small JPEG of it.
import { fragmentFrom, stateFrom } from "./link.js";
import { $, guarded, state } from "./page.js";

const MOST = 60;
const SIDE = 144; // pixels of the longer side of a small picture
const QUALITY = 0.85;
const KEY = `t2a-edge gallery ${location.pathname}`;
let entries = [];
let opened = async () => {}; // puts a picture on show again

/** A canvas as a small JPEG. */
function smallOf(canvas) {
  const scale = SIDE / Math.max(canvas.width, canvas.height);
  const small = document.createElement("canvas");
  [small.width, small.height] = [canvas.width, canvas.height].map((side) => Math.max(1, Math.round(side * scale)));
  small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
  return small.toDataURL("image/jpeg", QUALITY);
}

/** What there is no room for is left off, from the oldest on. */
function keep() {
  for (let kept = entries; ; kept = kept.slice(0, -1)) {
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ bundle: state.engine.manifest.bundle, entries: kept }));
      return;
    } catch {
      if (!kept.length) return; // the browser keeps nothing here
    }
  }
}

function show() {
  $("gallery-box").hidden = !entries.length;
  const buttons = entries.map(({ said, name, seen }) => {
    const button = document.createElement("button");
    const image = new Image();
    Object.assign(image, { src: seen, alt: "" });
    Object.assign(button, { type: "button", className: "thumb", title: name, ariaLabel: name });
    button.ariaPressed = String(said.recipe === state.current?.recipe);
    button.addEventListener("click", () => guarded(() => opened(said)));
    button.append(image);
    return button;
  });
  const focused = $("gallery").contains(document.activeElement) && document.activeElement.ariaLabel;
  $("gallery").replaceChildren(...buttons);
  if (focused) buttons.find(({ ariaLabel }) => ariaLabel === focused)?.focus(); // it stays where it was
}

/** A picture is on show: it is the newest, or has its place already. */
export function addToGallery(said, name, canvas) {
  if (!entries.some((entry) => entry.said.recipe === said.recipe)) {
    entries = [{ said, name, seen: smallOf(canvas) }, ...entries].slice(0, MOST);
    keep();
  }
  show();
}

/** What was there before the page was loaded again; `open` gets what a link says of the one that is chosen. */
export function buildGallery(open) {
  opened = open;
  try {
    const { bundle, entries: kept } = JSON.parse(sessionStorage.getItem(KEY));
    if (bundle === state.engine.manifest.bundle) {
      entries = kept.map(({ said, name, seen }) => ({ said: stateFrom(fragmentFrom(said)), name: String(name), seen: String(seen) }));
    }
  } catch {
    entries = []; // nothing there, or nothing that can be read
  }
  $("gallery-clear").addEventListener("click", () => {
    entries = [];
    keep();
    show();
    $("prompt").focus();
  });
  show();
}
