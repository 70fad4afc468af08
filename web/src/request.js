// What is asked of the model: the one place where the page's fields become a request, see core/model.js.
import { SAMPLING } from "./core/options.js";
import { readPrompt } from "./core/prompt.js";
import { seedOf } from "./core/seeds.js";
import { $, state } from "./page.js";

export const OTHER_SIZE = "other"; // of the list, where width and height are typed

/** What a field holds; a PageError, and a field that is marked, where it cannot be read. */
function typed(id, read) {
  $(id).setAttribute("aria-invalid", "true");
  const found = read($(id).value);
  $(id).setAttribute("aria-invalid", "false");
  return found;
}

/** The seed that is typed, a number or a text; a PageError if it is none. */
export const seedTyped = () => typed("seed", seedOf);

/** What a field is read as, terms and other words; a PageError if it is no prompt. */
export const promptTyped = (id = "prompt") => typed(id, (text) => readPrompt(text, state.engine.manifest));

/** The terms of a field; a PageError if they are none. */
export const termsTyped = (id) => promptTyped(id).terms;

/** The options as the model takes them. */
export const optionsChosen = () => Object.fromEntries(SAMPLING.map((name) => [name, Number($(name).value)]));

/** Width and height, and whether edges meet. */
export function sizeChosen() {
  const { value } = $("size");
  const sides = value === OTHER_SIZE ? [$("width").value, $("height").value] : value.split("x");
  return { size: sides.map(Number), tile: $("tile").checked };
}

/** A request for these terms; what is not given is as it is typed and chosen. */
export const requestFor = (terms, { blend = null, seed = seedTyped(), options = optionsChosen(), form = state.form } = {}) =>
  ({ terms, blend, seed, options, form });
