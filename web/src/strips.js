// Rows of pictures: variations, and the way to other words.
import { show, thumbnail } from "./canvas.js";
import { freshSeed, optionsChosen, seedTyped, termsTyped } from "./fields.js";
import { $, begin, finish, guarded, state, stillness, tell } from "./page.js";
import { drawOne, nameOf, restore, showAgain, termsOf } from "./picture.js";
import { mixedTerms, parsePrompt, promptText } from "./prompt.js";

const VARIATIONS = 4;
const FRAMES = 7;

/** Draw pictures one by one into a strip; each is a button that puts it on show. What is not drawn goes. */
async function drawStrip(box, jobs) {
  const mine = begin();
  restore();
  const places = jobs.map(({ label }) => {
    const place = thumbnail(label, () => {
      if (place.art) choose(box, place);
    });
    place.button.disabled = true;
    return place;
  });
  box.replaceChildren(...places.map(({ button }) => button));
  try {
    for (const [number, { label, job }] of jobs.entries()) {
      tell(`Drawing ${number + 1} of ${jobs.length}.`);
      const art = await job();
      if (mine !== state.turn) return;
      const place = places[number];
      place.art = art;
      place.button.ariaLabel = place.button.title = `${label}: ${nameOf(art)}`;
      place.button.disabled = false;
      show(place.canvas, art.pixels);
    }
  } finally {
    for (const { art, button } of places) if (!art) button.remove(); // interrupted
  }
  finish(`${jobs.length} pictures drawn. Choose one to put it on show.`);
}

function choose(box, { button, art }) {
  for (const other of box.children) other.ariaPressed = String(other === button);
  $("picture").scrollIntoView({ block: "nearest", behavior: stillness() ? "auto" : "smooth" });
  guarded(() => showAgain(art));
}

export const drawVariations = () =>
  guarded(async () => {
    const { current, engine } = state;
    const given = engine.given(current.indices, Number($("kept").value));
    const terms = current.prompt ? termsOf(current) : termsTyped();
    const options = { guidance: current.guidance, temperature: current.temperature };
    const jobs = Array.from({ length: VARIATIONS }, (_, i) => {
      const seed = freshSeed();
      return { label: `Variation ${i + 1}`, job: () => drawOne(terms, seed, options, given, "vary") };
    });
    await drawStrip($("variations"), jobs);
  });

export const drawBetween = () =>
  guarded(async () => {
    const [second, first] = [termsTyped("second"), termsTyped()];
    const [seed, options] = [seedTyped(), optionsChosen()];
    const jobs = Array.from({ length: FRAMES }, (_, i) => {
      const mixed = promptText(mixedTerms(first, second, i / (FRAMES - 1)));
      const terms = parsePrompt(mixed, state.engine.manifest); // too many words are told before any is drawn
      return { label: `Step ${i + 1} of ${FRAMES}`, job: () => drawOne(terms, seed, options) };
    });
    await drawStrip($("frames"), jobs);
  }, "between-problem");

/** What a variation may keep: the stages up to one. */
export function buildKept() {
  const { scales } = state.engine.manifest.spec;
  const names = ["its colour", "its halves", "its composition", "its larger shapes", "all but the finest marks"];
  $("kept").append(
    ...scales.slice(0, -1).map((side, i) => {
      const name = `${names[i] ?? "up to"} (${side} × ${side})`;
      return new Option(name, i + 1, i === 2, i === 2);
    }),
  );
}
