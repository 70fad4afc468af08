// Rows of pictures: variations, and the way to other words.
import { show, thumbnail } from "./canvas.js";
import { freshSeed } from "./core/seeds.js";
import { optionsChosen, seedTyped, sizeChosen, termsTyped } from "./fields.js";
import { $, begin, finish, guarded, state, stillness, tell } from "./page.js";
import { blendOf, drawOne, nameOf, pictureOf, restore, showAgain, termsOf } from "./picture.js";

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
      show(place.canvas, art);
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
    const { current } = state;
    const own = termsOf(current);
    const terms = own.length ? own : termsTyped();
    const about = { picture: pictureOf(current), strength: Number($("changed").value) };
    const jobs = Array.from({ length: VARIATIONS }, (_, i) => {
      const request = { terms, blend: blendOf(current), seed: freshSeed(), options: current.options, form: null };
      return { label: `Variation ${i + 1}`, job: () => drawOne(request, "vary", about) };
    });
    await drawStrip($("variations"), jobs);
  });

export const drawBetween = () =>
  guarded(async () => {
    const [second, first] = [termsTyped("second"), termsTyped()];
    const shared = { seed: seedTyped(), options: optionsChosen(), form: state.form };
    const about = sizeChosen();
    const jobs = Array.from({ length: FRAMES }, (_, i) => {
      const amount = Number((i / (FRAMES - 1)).toFixed(6));
      const ends = [{ terms: first, blend: null }, { terms: second, blend: null }];
      const words = ends[[0, FRAMES - 1].indexOf(i)] ?? { terms: first, blend: { terms: second, amount } };
      return { label: `Step ${i + 1} of ${FRAMES}`, job: () => drawOne({ ...shared, ...words }, "draw", about) };
    });
    await drawStrip($("frames"), jobs);
  }, "between-problem");
