// What a link says, in the part of the address that never leaves the browser.
import { SAMPLING } from "./core/options.js";
import { optionIn } from "./core/request.js";
import { seedOf } from "./core/seeds.js";

function seedIn(text) {
  try {
    return text === null ? null : seedOf(text);
  } catch {
    return null;
  }
}

/** { prompt, blend, amount, seed, ... } -> "prompt=…&seed=…"; what is null, "" or false is left out. */
export function fragmentFrom(state) {
  const entries = Object.entries(state).filter(([, value]) => value !== null && value !== "" && value !== false);
  return new URLSearchParams(entries).toString();
}

/** The other way; what is missing or no such number is null. */
export function stateFrom(fragment) {
  const parameters = new URLSearchParams(fragment.replace(/^#/u, ""));
  const text = (name) => parameters.get(name);
  const size = /^(\d{1,4})x(\d{1,4})$/u.exec(text("size") ?? "");
  const amount = optionIn("amount", text("amount"));
  return {
    prompt: text("prompt"),
    blend: amount === null ? null : text("blend"),
    amount: text("blend") === null ? null : amount,
    seed: seedIn(text("seed")),
    ...Object.fromEntries(SAMPLING.map((name) => [name, optionIn(name, text(name))])),
    size: size && `${Number(size[1])}x${Number(size[2])}`,
    tile: text("tile") === "true",
    changed: text("changed"),
    form: text("form"),
    recipe: text("recipe"),
  };
}
