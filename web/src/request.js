// What is asked of the model: the one place where the page's fields become a request, see core/model.js.
import { PageError } from "./core/errors.js";
import { readPrompt } from "./core/prompt.js";
import { MAX_SEED } from "./link.js";
import { $, state } from "./page.js";

const FRESH_SEEDS = 2 ** 32;
export const OPTIONS = ["guidance", "temperature", "steps", "strength"]; // as a link names them, too
export const OTHER_SIZE = "other"; // of the list, where width and height are typed

export const freshSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % FRESH_SEEDS;

/** The seed that is typed; a PageError if it is none. */
export function seedTyped() {
  const text = $("seed").value.trim();
  const seed = /^\d+$/u.test(text) ? Number(text) : NaN;
  const right = seed <= MAX_SEED;
  $("seed").setAttribute("aria-invalid", String(!right));
  if (!right) throw new PageError(`The seed is "${text}"; expected a whole number from 0 to ${MAX_SEED}.`);
  return seed;
}

/** What a field is read as, terms and other words; a PageError if it is no prompt. */
export function promptTyped(id = "prompt") {
  try {
    const read = readPrompt($(id).value, state.engine.manifest);
    $(id).setAttribute("aria-invalid", "false");
    return read;
  } catch (error) {
    $(id).setAttribute("aria-invalid", "true");
    throw error;
  }
}

/** The terms of a field; a PageError if they are none. */
export const termsTyped = (id) => promptTyped(id).terms;

/** The options as the model takes them. */
export function optionsChosen() {
  const [guidance, temperature, steps, formStrength] = OPTIONS.map((name) => Number($(name).value));
  return { guidance, temperature, steps, formStrength };
}

/** Width and height, and whether edges meet. */
export function sizeChosen() {
  const { value } = $("size");
  const sides = value === OTHER_SIZE ? [$("width").value, $("height").value] : value.split("x");
  return { size: sides.map(Number), tile: $("tile").checked };
}

/** A request for these terms; what is not given is as it is typed and chosen. */
export const requestFor = (terms, { blend = null, seed = seedTyped(), options = optionsChosen(), form = state.form } = {}) =>
  ({ terms, blend, seed, options, form });
