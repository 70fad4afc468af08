// Runs the engines beside the page, so that it stays responsive.
import { PageError } from "./core/errors.js";
import { windowsOf } from "./core/layout.js";
import { Model, formName } from "./core/model.js";
import { each } from "./core/numbers.js";
import { nearestWords } from "./core/words.js";
import { loadedRunner } from "./loading.js";

const MOST_DECODED = 8; // windows that are decoded for one picture, all its previews together
const COSTS = { painter: 1, composer: 1, decoder: 6 }; // of a window, about
let model = null;
let stopped = false;
let work = null; // of the drawing under way: { done, all }, or null before it is known how much that is
let kept = []; // steps of the newest drawing that are to be looked at later

class Stopped extends Error {}

/** An engine has run for some windows. */
function ran(name, windows) {
  if (!work) return;
  work.done += (COSTS[name] ?? 0) * windows;
  self.postMessage({ drawn: Math.min(1, work.done / work.all) });
}

async function load({ models }) {
  const { runner, spec } = await loadedRunner(models, (told) => self.postMessage(told), ran);
  model = new Model(runner, spec);
  return {};
}

/** The steps of a drawing that are shown: all of a small picture, fewer of a larger one. */
function isShown(done, steps, layout) {
  const count = Math.min(steps, Math.floor(MOST_DECODED / windowsOf(layout).length));
  return Math.floor((done * count) / steps) > Math.floor(((done - 1) * count) / steps);
}

/** Let the page speak, and leave off where it wants something newer. */
async function pause() {
  await new Promise((resolve) => setTimeout(resolve));
  if (stopped) throw new Stopped();
}

const pictureAt = async (step) => ({ ...(await model.preview(step)), done: step.done, steps: step.drawing.options.steps });

/** How much is to be done for a picture: each step, the picture, and the previews that are decoded now. */
function workOf({ drawing: { options: { steps } }, layout }, previews) {
  const shown = previews === "now" ? each(steps - 1).filter((i) => isShown(i + 1, steps, layout)).length : 0;
  return windowsOf(layout).length * (steps * COSTS.painter + (shown + 1) * (COSTS.composer + COSTS.decoder));
}

/** What hears of each step and shows it: "now", "later", when the page asks for it, or never, "". */
const listener = (previews) => async (step) => {
  await pause();
  const { steps } = step.drawing.options;
  work ??= { done: windowsOf(step.layout).length * COSTS.painter, all: workOf(step, previews) };
  if (!previews || !isShown(step.done, steps, step.layout)) return;
  if (previews === "later") kept.push(step);
  else self.postMessage({ preview: await pictureAt(step) });
};

const ACTS = {
  draw: ({ size, tile, request }, told) => model.draw(request, { size, tile }, told),
  vary: ({ picture, strength, request }, told) => model.vary(picture, strength, request, told),
  inpaint: ({ picture, mask, request }, told) => model.inpaint(picture, mask, request, {}, told),
  outpaint: ({ picture, margins, request }, told) => model.outpaint(picture, margins, request, told),
};

async function draw({ how, previews, ...job }) {
  [kept, work] = [[], null];
  const picture = await ACTS[how](job, listener(previews));
  work = null;
  return { ...picture, form: formName(job.request.form) };
}

async function steps() {
  const pictures = [];
  for (const step of kept.splice(0)) {
    await pause();
    pictures.push(await pictureAt(step));
  }
  return pictures;
}

const JOBS = {
  load,
  draw,
  steps,
  decode: ({ recipe }) => model.decode(recipe),
  nearest: ({ words, vocabulary }) => nearestWords(model.runner, model.spec, words, vocabulary),
};

self.onmessage = async ({ data: { kind, job } }) => {
  if (kind === "stop") {
    stopped = true;
    return;
  }
  stopped = false;
  try {
    self.postMessage({ result: await JOBS[kind](job) });
  } catch (error) {
    const [dropped, told] = [error instanceof Stopped, error instanceof PageError];
    self.postMessage({ error: String(error?.message ?? error), dropped, told });
  }
};
