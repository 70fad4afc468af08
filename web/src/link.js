// What a link says, in the part of the address that never leaves the browser.

export const MAX_SEED = Number.MAX_SAFE_INTEGER;

const numberIn = (text, least, most) => {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return value >= least && value <= most ? value : null;
};

/** {prompt, seed, guidance, temperature, changed, recipe} -> "prompt=…&seed=…". */
export function fragmentFrom(state) {
  const entries = Object.entries(state).filter(([, value]) => value !== null && value !== "");
  return new URLSearchParams(entries).toString();
}

/** The other way; what is missing or no such number is null. */
export function stateFrom(fragment) {
  const parameters = new URLSearchParams(fragment.replace(/^#/u, ""));
  const seed = numberIn(parameters.get("seed"), 0, MAX_SEED);
  return {
    prompt: parameters.get("prompt"),
    seed: Number.isInteger(seed) ? seed : null,
    guidance: numberIn(parameters.get("guidance"), 0, 30),
    temperature: numberIn(parameters.get("temperature"), 0, 10),
    changed: parameters.get("changed"),
    recipe: parameters.get("recipe"),
  };
}
