import "./style.css";
import { axisSliders, follow } from "./axes.js";
import { pngOf, show, thumbnail } from "./canvas.js";
import { Engine } from "./engine.js";
import { PageError } from "./errors.js";
import { MAX_SEED, fragmentFrom, stateFrom } from "./link.js";
import { fileName, withDescription } from "./png.js";
import { mixedTerms, parsePrompt, promptText, withWeight } from "./prompt.js";
import { packRecipe, unpackRecipe } from "./recipe.js";

const VARIATIONS = 4;
const FRAMES = 7;
const FRESH_SEEDS = 2 ** 32;
const MODELS = new URL("models/", document.baseURI).href;
const $ = (id) => document.getElementById(id);

let engine;
let sliders = [];
let stages = [];
let current = null; // the picture on show: what it was made from, indices, pixels
let turn = 0; // only the newest request may change the page

// ---- what is told

const tell = (text) => {
  $("status").textContent = text;
};

/** Run something; what goes wrong is told in one sentence. */
async function guarded(work) {
  $("problem").textContent = "";
  try {
    await work();
  } catch (error) {
    const known = error instanceof PageError;
    $("problem").textContent = known ? error.message : `Something went wrong (${error.message}); load the page again.`;
    tell("");
    document.body.dataset.state = "error";
  }
}

const busy = () => {
  document.body.dataset.state = "busy";
  turn += 1;
  return turn;
};

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function captionOf({ prompt, seed, changed }) {
  if (!prompt) return "A picture from its recipe";
  return `${prompt}, seed ${seed}${changed ? ", a variation" : ""}`;
}

// ---- the fields

function seedTyped() {
  const text = $("seed").value.trim();
  const seed = /^\d+$/u.test(text) ? Number(text) : NaN;
  if (!(seed <= MAX_SEED)) {
    throw new PageError(`The seed is "${text}"; expected a whole number from 0 to ${MAX_SEED}.`);
  }
  return seed;
}

const freshSeed = () => Math.floor(Math.random() * FRESH_SEEDS);

function optionsChosen() {
  return { guidance: Number($("guidance").value), temperature: Number($("temperature").value) };
}

function termsTyped() {
  try {
    const terms = parsePrompt($("prompt").value, engine.manifest);
    $("prompt").removeAttribute("aria-invalid");
    return terms;
  } catch (error) {
    $("prompt").setAttribute("aria-invalid", "true");
    throw error;
  }
}

/** The terms, or none where what is typed cannot be used yet. */
function termsSoFar() {
  try {
    return parsePrompt($("prompt").value, engine.manifest);
  } catch {
    return [];
  }
}

function tellOptions() {
  for (const name of ["guidance", "temperature"]) {
    $(`${name}-value`).textContent = $(name).value;
  }
}

// ---- one picture

function present(art) {
  current = art;
  show($("picture"), art.pixels);
  $("picture").setAttribute("aria-label", `Abstract picture: ${captionOf(art)}`);
  $("caption").textContent = captionOf(art);
  const { prompt, seed, guidance, temperature, changed } = art;
  const recipe = packRecipe(art.indices, engine.manifest);
  $("recipe").value = recipe;
  const fragment = fragmentFrom({ prompt, seed, guidance, temperature, changed, recipe });
  history.replaceState(null, "", `#${fragment}`);
  for (const id of ["download", "copy-link", "copy-recipe", "vary"]) $(id).disabled = false;
}

/** Fill the stages, and let the picture form where motion is welcome. */
async function form(art, mine) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) present(art);
  const scales = engine.manifest.spec.scales.length;
  for (let done = 1; done <= scales; done += 1) {
    const pixels = done < scales ? await engine.decodeUpTo(art.indices, done) : art.pixels;
    if (mine !== turn) return false;
    show(stages[done - 1].canvas, pixels);
    if (!still) show($("picture"), pixels);
    stages.forEach(({ button }, i) => button.setAttribute("aria-pressed", String(i === done - 1)));
    stages[done - 1].pixels = pixels;
  }
  present(art);
  return true;
}

function done(art, milliseconds) {
  const unknown = termsOf(art).filter(({ word }) => !engine.manifest.vocabulary.includes(word));
  const words = unknown.map(({ word }) => `"${word}"`).join(", ");
  const note = unknown.length ? ` Not among the known adjectives, drawn all the same: ${words}.` : "";
  const time = milliseconds === null ? "" : ` in ${(milliseconds / 1000).toFixed(1)} s`;
  tell(`Drawn${time}.${note}`);
  document.body.dataset.state = "ready";
}

const termsOf = ({ prompt }) => (prompt ? parsePrompt(prompt, engine.manifest) : []);

async function drawOne(terms, seed, options, given, changed = "") {
  const drawn = await engine.draw(terms, { seed, ...options, given });
  return { prompt: promptText(terms), seed, ...options, changed, ...drawn };
}

const drawTyped = () =>
  guarded(async () => {
    const [terms, seed] = [termsTyped(), seedTyped()];
    const mine = busy();
    tell("Drawing.");
    const started = performance.now();
    const art = await drawOne(terms, seed, optionsChosen());
    const took = performance.now() - started;
    if (mine === turn && (await form(art, mine))) done(art, took);
  });

function fillFields({ prompt, seed, guidance, temperature }) {
  const { spec } = engine.manifest;
  if (prompt) $("prompt").value = prompt;
  if (seed !== null) $("seed").value = seed;
  $("guidance").value = guidance ?? spec.guidance_scale;
  $("temperature").value = temperature ?? spec.temperature;
  tellOptions();
  follow(sliders, termsSoFar());
}

async function openIndices(indices, about) {
  const mine = busy();
  const { spec } = engine.manifest;
  const guidance = about.guidance ?? spec.guidance_scale;
  const temperature = about.temperature ?? spec.temperature;
  const art = { ...about, guidance, temperature, indices, pixels: await engine.decode(indices) };
  if (mine === turn && (await form(art, mine))) {
    tell("Opened from its recipe.");
    document.body.dataset.state = "ready";
  }
}

async function openLink() {
  const state = stateFrom(location.hash);
  fillFields(state);
  if (state.recipe === null) {
    await drawTyped();
    return;
  }
  await guarded(async () => {
    const known = state.prompt ? promptText(parsePrompt(state.prompt, engine.manifest)) : "";
    const indices = unpackRecipe(state.recipe, engine.manifest);
    await openIndices(indices, { ...state, prompt: known, changed: state.changed ?? "" });
  });
}

// ---- strips

/** Draw pictures one by one into a strip; each is a button that puts it on show. */
async function drawStrip(box, jobs) {
  const mine = busy();
  box.replaceChildren();
  for (const [number, { label, job }] of jobs.entries()) {
    tell(`Drawing ${number + 1} of ${jobs.length}.`);
    const art = await job();
    if (mine !== turn) return;
    const { button, canvas } = thumbnail(`${label}: ${captionOf(art)}`, () => choose(box, button, art));
    show(canvas, art.pixels);
    box.append(button);
  }
  tell(`${plural(jobs.length, "picture")} drawn; choose one to put it on show.`);
  document.body.dataset.state = "ready";
}

function choose(box, button, art) {
  for (const other of box.children) other.ariaPressed = String(other === button);
  guarded(async () => {
    const mine = busy();
    fillFields(art);
    if (await form(art, mine)) done(art, null);
  });
}

const drawVariations = () =>
  guarded(async () => {
    const scales = Number($("kept").value);
    const given = engine.given(current.indices, scales);
    const terms = current.prompt ? termsOf(current) : termsTyped();
    const options = { guidance: current.guidance, temperature: current.temperature };
    const jobs = Array.from({ length: VARIATIONS }, (_, i) => {
      const seed = freshSeed();
      return { label: `Variation ${i + 1}`, job: () => drawOne(terms, seed, options, given, "vary") };
    });
    await drawStrip($("variations"), jobs);
  });

const drawBetween = () =>
  guarded(async () => {
    const [first, seed, options] = [termsTyped(), seedTyped(), optionsChosen()];
    const second = parsePrompt($("second").value, engine.manifest);
    const jobs = Array.from({ length: FRAMES }, (_, i) => {
      const mixed = promptText(mixedTerms(first, second, i / (FRAMES - 1)));
      const terms = parsePrompt(mixed, engine.manifest); // too many words are told before any frame
      return { label: `Frame ${i + 1}`, job: () => drawOne(terms, seed, options) };
    });
    await drawStrip($("frames"), jobs);
  });

// ---- keeping

async function download() {
  const { spec, bundle } = engine.manifest;
  const canvas = document.createElement("canvas");
  show(canvas, current.pixels);
  const png = withDescription(await pngOf(canvas), {
    prompt: current.prompt, seed: current.seed, ...(current.changed ? { changed: current.changed } : {}),
    guidance_scale: current.guidance, temperature: current.temperature, top_k: 0,
    size: [spec.image_size, spec.image_size], tile: false, bundle, recipe: $("recipe").value,
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([png], { type: "image/png" }));
  link.download = fileName(current.prompt, current.seed);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  tell(`Saved as ${link.download}, with its recipe inside.`);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new PageError(`The browser does not let this page copy; the ${what} is under "Recipe" or in the address.`);
  }
  tell(`Copied the ${what}.`);
}

// ---- the page

function build() {
  const { spec, axes } = engine.manifest;
  stages = spec.scales.map((side, i) => {
    const stage = thumbnail(`Stage ${i + 1} of ${spec.scales.length}: ${side} by ${side}`, () => {
      if (!stage.pixels) return;
      show($("picture"), stage.pixels);
      for (const other of stages) other.button.ariaPressed = String(other === stage);
      tell(`Stage ${i + 1} of ${spec.scales.length}, ${side} by ${side}.`);
    });
    $("stages").append(stage.button);
    return stage;
  });
  $("kept").append(
    ...spec.scales.slice(0, -1).map((side, i) => new Option(`${side} × ${side}`, i + 1, i === 2, i === 2)),
  );
  const moved = ({ negative, positive }, value) => {
    let terms = withWeight(termsSoFar(), negative, value < 0 ? -value : 0);
    terms = withWeight(terms, positive, value > 0 ? value : 0);
    $("prompt").value = promptText(terms);
  };
  sliders = axisSliders($("axes"), axes, moved, drawTyped);
  $("axes-box").open = !matchMedia("(max-width: 52rem)").matches;
}

function listen() {
  const on = (id, event, work) => $(id).addEventListener(event, work);
  on("form", "submit", (event) => {
    event.preventDefault();
    drawTyped();
  });
  on("prompt", "input", () => {
    $("prompt").removeAttribute("aria-invalid");
    follow(sliders, termsSoFar());
  });
  on("reseed", "click", () => {
    $("seed").value = freshSeed();
    drawTyped();
  });
  for (const name of ["guidance", "temperature"]) {
    on(name, "input", tellOptions);
    on(name, "change", drawTyped);
  }
  on("vary", "click", drawVariations);
  on("between", "submit", (event) => {
    event.preventDefault();
    drawBetween();
  });
  on("download", "click", () => guarded(download));
  on("copy-link", "click", () => guarded(() => copy(location.href, "link")));
  on("copy-recipe", "click", () => guarded(() => copy($("recipe").value, "recipe")));
  on("open-recipe", "click", () =>
    guarded(async () => {
      const indices = unpackRecipe($("recipe").value, engine.manifest);
      await openIndices(indices, { prompt: "", seed: null, changed: "" });
    }),
  );
  window.addEventListener("hashchange", openLink);
}

async function manifest() {
  const answer = await fetch(new URL("manifest.json", MODELS)).catch((error) => ({ statusText: error.message }));
  if (!answer.ok) {
    throw new PageError(`The model could not be loaded (${answer.statusText}); load the page again.`);
  }
  return answer.json();
}

guarded(async () => {
  engine = new Engine(await manifest());
  build();
  fillFields(stateFrom(location.hash));
  await engine.load(MODELS);
  listen();
  for (const id of ["draw", "reseed", "interpolate", "open-recipe"]) $(id).disabled = false;
  await openLink();
});
