// Prompts for those who do not know yet what to type.
import { $, state } from "./page.js";

const EXAMPLES = [
  "calm minimal blue", "stormy dark swirling", "golden round warm", "icy geometric", "pale airy dreamy",
];
const POLES = 2; // of a surprise: words of as many axes, with a hue or a mood

const oneOf = (list) => list[Math.floor(Math.random() * list.length)];

/** Some words that go together: no two of one axis. */
export function surprise({ axes, hues, moods }) {
  const left = [...axes];
  const poles = Array.from({ length: POLES }, () => {
    const [axis] = left.splice(Math.floor(Math.random() * left.length), 1);
    return oneOf([...axis.negative, ...axis.positive]);
  });
  return [...poles, oneOf([...hues, ...moods])].join(" ");
}

function chip(text, chosen) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "chip", textContent: text });
  button.addEventListener("click", chosen);
  return button;
}

/** Buttons for the examples and for a surprise; `draw` gets the prompt, and whether its seed is to be a new one. */
export function buildIdeas(draw) {
  const examples = EXAMPLES.map((text) => chip(text, () => draw(text, false)));
  for (const button of examples) {
    button.dataset.needs = "model";
    button.disabled = true;
  }
  $("ideas").append(...examples);
  $("surprise").addEventListener("click", () => draw(surprise(state.engine.manifest), true));
}

/** Words that are not known, [word, near]; a button puts the near one in its place. */
export function showNearest(pairs, replace) {
  $("near").replaceChildren(...pairs.map(([word, near]) =>
    chip(`Use “${near}” for “${word}”`, () => replace(word, near))));
}
