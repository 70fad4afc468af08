// What a link says, in the part of the address that never leaves the browser.

export const MAX_SEED = Number.MAX_SAFE_INTEGER;
export const MOST = { guidance: 8, temperature: 10, steps: 64, strength: 1, amount: 1 };
const LEAST_STEPS = 1;

const numberIn = (text, least, most) => {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return value >= least && value <= most ? value : null;
};
const wholeIn = (text, least, most) => {
  const value = numberIn(text, least, most);
  return Number.isInteger(value) ? value : null;
};

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
  const amount = numberIn(text("amount"), 0, MOST.amount);
  return {
    prompt: text("prompt"),
    blend: amount === null ? null : text("blend"),
    amount: text("blend") === null ? null : amount,
    seed: wholeIn(text("seed"), 0, MAX_SEED),
    guidance: numberIn(text("guidance"), 0, MOST.guidance),
    temperature: numberIn(text("temperature"), 0, MOST.temperature),
    steps: wholeIn(text("steps"), LEAST_STEPS, MOST.steps),
    strength: numberIn(text("strength"), 0, MOST.strength),
    size: size && `${Number(size[1])}x${Number(size[2])}`,
    tile: text("tile") === "true",
    changed: text("changed"),
    form: text("form"),
    recipe: text("recipe"),
  };
}
