// What all parts of the page share: its elements, its state, and how it speaks.
import { Dropped, PageError } from "./core/errors.js";

const PROBLEMS = ["problem", "between-problem", "change-problem"];

export const $ = (id) => document.getElementById(id);

/**
 * The engine; the picture on show; the one whose form is to be taken, or null; and the number of the newest request,
 * which alone may change the page.
 */
export const state = { engine: null, current: null, form: null, turn: 0 };

export const tell = (text) => {
  $("status").textContent = text;
};

const mark = (what) => {
  document.body.dataset.state = what;
  $("work").setAttribute("aria-busy", String(what === "busy"));
};

/** A new request begins: older ones stop. Gives its number. */
export function begin() {
  mark("busy");
  if (state.current) $("arriving").value = 0; // else it goes on from the loading
  state.engine.drop();
  state.turn += 1;
  return state.turn;
}

/** A request is done. */
export function finish(text) {
  tell(text);
  mark("ready");
}

/** Run something; what goes wrong is told in one sentence, where it belongs. */
export async function guarded(work, place = "problem") {
  for (const id of PROBLEMS) $(id).textContent = "";
  try {
    await work();
  } catch (error) {
    if (error instanceof Dropped) return;
    const known = error instanceof PageError;
    $(place).textContent = known ? error.message : `Something went wrong (${error.message}); load the page again.`;
    tell("");
    mark("error");
  }
}

export const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
