// The fields filled in; the sliders and words that write into the prompt.
import { axisSliders, follow } from "./axes.js";
import { PageError } from "./core/errors.js";
import { promptText, readPrompt, withWeight } from "./core/prompt.js";
import { settled } from "./core/request.js";
import { $, state } from "./page.js";
import { OTHER_SIZE, termsTyped } from "./request.js";

let sliders = [];
let chips = [];

const manifest = () => state.engine.manifest;

/** The terms, or none where what is typed cannot be used yet. */
function termsSoFar() {
  try {
    return readPrompt($("prompt").value, manifest()).terms;
  } catch {
    return [];
  }
}

/** Sliders, words and numbers show what the fields hold. */
export function followFields() {
  $("sides").hidden = $("size").value !== OTHER_SIZE;
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
  if (said.prompt) $("prompt").value = said.prompt;
  if (said.seed !== null && !said.changed) $("seed").value = said.seed;
  for (const [name, value] of Object.entries(settled(said, spec))) {
    $(name).max = Math.max($(name).max, value); // a link may say more than the slider offers
    $(name).value = value;
  }
  if (!said.changed) {
    const size = said.size ?? `${spec.image_size}x${spec.image_size}`;
    const offered = [...$("size").options].some(({ value }) => value === size);
    if (!offered) $("size").add(new Option(size.replace("x", " × "), size), $("size").querySelector(`[value=${OTHER_SIZE}]`));
    $("size").value = size;
    [$("width").value, $("height").value] = size.split("x");
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

/** Put a word in the place of another one. */
export function replaceWord(word, other) {
  const terms = termsTyped().map((term) => (term.word === word ? { ...term, word: other } : term));
  $("prompt").value = promptText(terms);
  followFields();
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
