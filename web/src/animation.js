// The frames of a strip as an animation: played on the page, saved as a GIF.
import { show } from "./canvas.js";
import { animationName } from "./core/description.js";
import { gifFrom } from "./core/gif.js";
import { save } from "./keep.js";
import { $, tell } from "./page.js";

const FRAME_MS = 100;
let frames = []; // pictures on show in the strip
let timer = null;

/** There and back again, so that the end meets the beginning. */
const bounced = (list) => [...list, ...list.slice(1, -1).reverse()];

function stop() {
  clearInterval(timer);
  timer = null;
  $("play").ariaPressed = "false";
  $("film").hidden = true;
}

/** Frames to be played from now on; none where they are not all there. */
export function setFrames(pictures) {
  stop();
  frames = pictures;
  $("animation").hidden = !frames.length;
}

/** Play what is there, or stop. */
export function play() {
  if (timer !== null) return stop();
  const film = bounced(frames);
  let at = 0;
  const next = () => show($("film"), film[at++ % film.length]);
  next();
  timer = setInterval(next, FRAME_MS);
  $("film").hidden = false;
  $("play").ariaPressed = "true";
}

export async function saveGif() {
  tell("Making the GIF.");
  const gif = await gifFrom(bounced(frames), FRAME_MS, () => new Promise((done) => setTimeout(done)));
  const name = animationName(frames[0], frames.at(-1));
  save(new Blob([gif], { type: "image/gif" }), name);
  tell(`Saved as ${name}.`);
}
