// Rows of pictures: variations, and the way to other words.
import { setFrames } from "./animation.js";
import { show, thumbnail } from "./canvas.js";
import { freshSeed } from "./core/seeds.js";
import { $, begin, finish, guarded, state, stillness, tell } from "./page.js";
import { blendOf, drawOne, nameOf, pictureOf, restore, showAgain, termsOf } from "./picture.js";
import { requestFor, seedTyped, sizeChosen, termsTyped } from "./request.js";

const VARIATIONS = 4;

/**
 * Draw pictures one by one into a strip; each is a button that puts it on show. What is not drawn goes. Gives the
 * pictures, or null where something newer came.
 */
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
      if (mine !== state.turn) return null;
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
  return places.map(({ art }) => art);
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
      const request = requestFor(terms, { blend: blendOf(current), seed: freshSeed(), options: current.options, form: null });
      return { label: `Variation ${i + 1}`, job: () => drawOne(request, "vary", about) };
    });
    await drawStrip($("variations"), jobs);
  });

export const drawBetween = () =>
  guarded(async () => {
    const [second, first] = [termsTyped("second"), termsTyped()];
    const count = Number($("count").value);
    const seed = seedTyped();
    const about = sizeChosen();
    const jobs = Array.from({ length: count }, (_, i) => {
      const amount = Number((i / (count - 1)).toFixed(6));
      const ends = [requestFor(first, { seed }), requestFor(second, { seed })];
      const request = ends[[0, count - 1].indexOf(i)] ?? requestFor(first, { seed, blend: { terms: second, amount } });
      return { label: `Step ${i + 1} of ${count}`, job: () => drawOne(request, "draw", about) };
    });
    setFrames([]);
    const drawn = await drawStrip($("frames"), jobs);
    if (drawn) setFrames(drawn);
  }, "between-problem");
