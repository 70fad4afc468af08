import { play, saveGif } from "./animation.js";
import { drawBeyond, drawPart, listenForMarks, takeForm, takeFormOf, takeFormShown } from "./changes.js";
import { PageError } from "./core/errors.js";
import { SAMPLING } from "./core/options.js";
import { parsePrompt } from "./core/prompt.js";
import { freshSeed } from "./core/seeds.js";
import { Engine } from "./engine.js";
import { buildFields, fillFields, followFields, untouched } from "./fields.js";
import { buildGallery } from "./gallery.js";
import { buildIdeas } from "./ideas.js";
import { copy, download, openFile, openRecipe } from "./keep.js";
import { stateFrom } from "./link.js";
import { $, guarded, state } from "./page.js";
import { drawAndShow, repeat, showRecipe } from "./picture.js";
import { OTHER_SIZE, promptTyped, requestFor, sizeChosen } from "./request.js";
import { drawBetween, drawVariations } from "./strips.js";

const MODELS = new URL("models/", document.baseURI).href;
const NARROW = "(max-width: 52rem)";

function draw(blend = null) {
  const { terms, others } = promptTyped();
  return drawAndShow(requestFor(terms, { blend }), { about: sizeChosen(), others });
}

const drawTyped = () => guarded(() => draw());

/** Draw a prompt that was suggested. */
function drawIdea(prompt, anew) {
  $("prompt").value = prompt;
  if (anew) $("seed").value = freshSeed();
  followFields();
  return drawTyped();
}

/** A slider or a word has changed the prompt; nothing to draw while it is empty or as it was. */
const settled = () => {
  const typed = $("prompt").value.trim();
  if (typed && typed !== state.current?.prompt) drawTyped();
};

/** Whether an address has the recipe of the picture on show, and something else was changed in it. */
const edited = (said) =>
  said.recipe !== null &&
  said.recipe === state.current?.recipe &&
  ["prompt", "seed", "blend", "amount", ...SAMPLING].some((name) => said[name] !== null && said[name] !== state.current.said[name]);

/** Open or draw what the address says; what it leaves out is as it is at first. */
const openOrDraw = () =>
  guarded(async () => {
    const said = stateFrom(location.hash);
    if (said.recipe !== null && !edited(said)) {
      fillFields(said);
      await showRecipe(said.recipe, said);
      return;
    }
    const { prompt, seed } = untouched();
    fillFields({ ...said, prompt: said.prompt || prompt, seed: said.seed ?? seed, changed: null });
    takeForm(null);
    const second = () => parsePrompt(said.blend, state.engine.manifest);
    await draw(said.blend && { terms: second(), amount: said.amount });
  });

/** The file that was chosen in a field, to be worked on; the same one can be chosen again. */
function onFile(id, work) {
  $(id).addEventListener("change", () => {
    const [file] = $(id).files;
    $(id).value = "";
    if (file) guarded(() => work(file));
  });
}

function listen() {
  const on = (id, event, work) => $(id).addEventListener(event, work);
  const submitted = (id, work) =>
    on(id, "submit", (event) => {
      event.preventDefault();
      work();
    });
  submitted("form", drawTyped);
  submitted("between", drawBetween);
  on("prompt", "input", () => {
    $("prompt").setAttribute("aria-invalid", "false");
    followFields();
  });
  on("reseed", "click", () => {
    $("seed").value = freshSeed();
    drawTyped();
  });
  for (const name of [...SAMPLING, "changed"]) on(name, "input", followFields);
  for (const name of [...SAMPLING, "tile", "width", "height"]) on(name, "change", drawTyped);
  on("size", "change", () => {
    followFields();
    if ($("size").value === OTHER_SIZE) $("width").focus();
    else drawTyped();
  });
  on("repeat", "click", repeat);
  on("play", "click", play);
  on("save-gif", "click", () => guarded(saveGif, "between-problem"));
  on("vary", "click", drawVariations);
  on("redraw", "click", drawPart);
  on("extend", "click", drawBeyond);
  on("download", "click", () => guarded(download));
  on("copy-link", "click", () => guarded(() => copy(location.href, "link", "in the address bar")));
  on("copy-recipe", "click", () => guarded(() => copy(state.current.recipe, "recipe", "in the field above")));
  on("open-recipe", "click", () => guarded(openRecipe));
  on("open", "click", () => $("file").click());
  onFile("file", openFile);
  on("form-open", "click", () => $("form-file").click());
  onFile("form-file", async (file) => {
    await takeFormOf(file);
    await draw();
  });
  on("form-own", "click", takeFormShown);
  on("form-none", "click", () => {
    takeForm(null);
    drawTyped();
  });
  listenForMarks();
  window.addEventListener("hashchange", openOrDraw);
}

/** From now on the page opens without its server too, where the browser allows it (HTTPS, or this machine). */
function keepForOffline() {
  if (import.meta.env.PROD) navigator.serviceWorker?.register("offline.js").catch(() => {});
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the picture's
  $("prompt").focus();
});

/** The share of what comes before the first picture that is done: files, engines, the drawing. */
const SHARES = { bytes: 0.6, started: 0.25, drawn: 0.15 };
const reached = { bytes: 0, started: 0 };
const MEGABYTE = 1e6;

/** The bar follows what the worker tells: first of what arrives, then of the drawing alone. */
function heard(told) {
  const { manifest } = state.engine;
  if (told.manifest) {
    buildFields(guarded, settled);
    fillFields(stateFrom(location.hash));
  }
  if (told.bytes && manifest) {
    const all = Object.values(manifest.bytes).reduce((sum, bytes) => sum + bytes, __RUNTIME_BYTES__);
    reached.bytes = Math.max(reached.bytes, Math.min(1, told.bytes / all));
    const [here, whole] = [told.bytes, all].map((bytes) => Math.round(Math.min(bytes, all) / MEGABYTE));
    $("arrived").textContent = `${here} of ${whole} MB`;
  }
  if (told.started) reached.started = told.started;
  if (told.started === 1) {
    reached.bytes = 1;
    $("arrived").textContent = "Drawing";
  }
  const before = SHARES.bytes * reached.bytes + SHARES.started * reached.started;
  $("arriving").value = state.current ? (told.drawn ?? 0) : before + SHARES.drawn * (told.drawn ?? 0);
}

/** Browsers that can install the page say so; then a button does it. */
window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  $("install").hidden = false;
  $("install").onclick = async () => {
    $("install").hidden = true;
    await event.prompt();
  };
});

guarded(async () => {
  buildIdeas(drawIdea);
  $("axes-box").open = !matchMedia(NARROW).matches;
  state.engine = new Engine(MODELS, heard);
  await state.engine.loaded;
  listen();
  buildGallery(async (said) => {
    fillFields(said);
    await showRecipe(said.recipe, said);
  });
  for (const button of document.querySelectorAll("[data-needs=model]")) button.disabled = false;
  await openOrDraw();
  keepForOffline();
});
