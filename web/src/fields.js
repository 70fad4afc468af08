// The prompt, the seed and the options; the sliders and words that write into the prompt.
import { axisSliders, follow } from "./axes.js";
import { PageError } from "./core/errors.js";
import { promptText, readPrompt, withWeight } from "./core/prompt.js";
import { MAX_SEED } from "./link.js";
import { $, state } from "./page.js";

const FRESH_SEEDS = 2 ** 32;
export const OPTIONS = ["guidance", "temperature", "steps", "strength"]; // as a link names them, too
let sliders = [];
let chips = [];

const manifest = () => state.engine.manifest;

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
    const read = readPrompt($(id).value, manifest());
    $(id).setAttribute("aria-invalid", "false");
    return read;
  } catch (error) {
    $(id).setAttribute("aria-invalid", "true");
    throw error;
  }
}

/** The terms of a field; a PageError if they are none. */
export const termsTyped = (id) => promptTyped(id).terms;

/** The terms, or none where what is typed cannot be used yet. */
function termsSoFar() {
  try {
    return readPrompt($("prompt").value, manifest()).terms;
  } catch {
    return [];
  }
}

/** The options as the model takes them. */
export function optionsChosen() {
  const [guidance, temperature, steps, formStrength] = OPTIONS.map((name) => Number($(name).value));
  return { guidance, temperature, steps, formStrength };
}

/** Width and height, and whether edges meet. */
export const sizeChosen = () => ({ size: $("size").value.split("x").map(Number), tile: $("tile").checked });

/** Sliders, words and numbers show what the fields hold. */
export function followFields() {
  const terms = termsSoFar();
  follow(sliders, terms);
  for (const { word, button } of chips) {
    button.ariaPressed = String(terms.some((term) => term.word === word && term.weight > 0));
  }
  for (const input of document.querySelectorAll(".single input")) {
    $(`${input.id}-value`).textContent = Number(input.value);
    input.style.setProperty("--to", `${(100 * (input.value - input.min)) / (input.max - input.min)}%`);
  }
}

/** What the fields hold before anybody has typed. */
export const untouched = () => ({ prompt: $("prompt").defaultValue, seed: $("seed").defaultValue });

/** Fill in how a picture was made. The seed of a changed one stays out: with its words it draws another. */
export function fillFields(said) {
  const { spec } = manifest();
  const own = { guidance: spec.guidance_scale, temperature: spec.temperature, steps: spec.steps, strength: spec.form_strength };
  if (said.prompt) $("prompt").value = said.prompt;
  if (said.seed !== null && !said.changed) $("seed").value = said.seed;
  for (const name of OPTIONS) {
    const value = said[name] ?? own[name];
    $(name).max = Math.max($(name).max, value); // a link may say more than the slider offers
    $(name).value = value;
  }
  if (!said.changed) {
    const size = said.size ?? `${spec.image_size}x${spec.image_size}`;
    const offered = [...$("size").options].some(({ value }) => value === size);
    if (!offered) $("size").add(new Option(size.replace("x", " × "), size));
    $("size").value = size;
    $("tile").checked = said.tile;
  }
  followFields();
}

/** Set weights of words in the prompt: [word, weight], 0 takes it out. What is typed wrongly stays. */
function rewrite(changes) {
  const { max_words: most } = manifest().spec;
  const blank = !$("prompt").value.trim();
  let terms = blank ? [] : termsTyped();
  for (const [word, weight] of changes) terms = word ? withWeight(terms, word, weight) : terms;
  if (terms.length > most) {
    throw new PageError(`The prompt has ${most} adjectives already; take one out before you add another.`);
  }
  $("prompt").value = promptText(terms);
}

function chip(word, changed) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chip";
  button.textContent = word;
  button.ariaPressed = "false";
  button.addEventListener("click", () => changed([[word, button.ariaPressed === "true" ? 0 : 1]]));
  return { word, button };
}

/** Build sliders and words. `guarded` tells what goes wrong; `settled` hears when a change is made. */
export function buildFields(guarded, settled) {
  const { axes, hues, moods } = manifest();
  let accepted = true;
  const change = (changes) =>
    guarded(() => {
      accepted = false;
      try {
        rewrite(changes);
        accepted = true;
      } finally {
        followFields(); // what was not accepted moves back
      }
    });
  const done = () => accepted && settled(); // or the message would go as soon as it is there
  sliders = axisSliders($("axes"), axes, ({ negative, positive }, value) =>
    change([[negative, Math.max(-value, 0)], [positive, Math.max(value, 0)]]), done);
  for (const [id, words] of [["hues", hues], ["moods", moods]]) {
    const own = words.map((word) => chip(word, (changes) => change(changes).then(done)));
    $(id).append(...own.map(({ button }) => button));
    chips.push(...own);
  }
}
