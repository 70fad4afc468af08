import { drawBeyond, drawPart, listenForMarks, takeForm, takeFormOf, takeFormShown } from "./changes.js";
import { PageError } from "./core/errors.js";
import { parsePrompt } from "./core/prompt.js";
import { Engine } from "./engine.js";
import { OPTIONS, buildFields, fillFields, followFields, freshSeed, optionsChosen, promptTyped, seedTyped, sizeChosen, untouched } from "./fields.js";
import { copy, download, openFile, openRecipe } from "./keep.js";
import { stateFrom } from "./link.js";
import { $, guarded, state } from "./page.js";
import { drawAndShow, showRecipe } from "./picture.js";
import { drawBetween, drawVariations } from "./strips.js";

const MODELS = new URL("models/", document.baseURI).href;
const NARROW = "(max-width: 52rem)";

function draw(blend = null) {
  const { terms, others } = promptTyped();
  const request = { terms, blend, seed: seedTyped(), options: optionsChosen(), form: state.form };
  return drawAndShow(request, { about: sizeChosen(), others });
}

const drawTyped = () => guarded(() => draw());

/** A slider or a word has changed the prompt; nothing to draw while it is empty or as it was. */
const settled = () => {
  const typed = $("prompt").value.trim();
  if (typed && typed !== state.current?.prompt) drawTyped();
};

/** Whether an address has the recipe of the picture on show, and something else was changed in it. */
const edited = (said) =>
  said.recipe !== null &&
  said.recipe === state.current?.recipe &&
  ["prompt", "seed", "blend", "amount", ...OPTIONS].some((name) => said[name] !== null && said[name] !== state.current.said[name]);

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
  for (const name of [...OPTIONS, "changed"]) on(name, "input", followFields);
  for (const name of [...OPTIONS, "size", "tile"]) on(name, "change", drawTyped);
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
const reached = { bytes: 0, started: 0, drawn: 0 };

function heard(told) {
  const { manifest } = state.engine;
  if (told.manifest) {
    buildFields(guarded, settled);
    fillFields(stateFrom(location.hash));
  }
  if (!$("arriving")) return;
  if (told.bytes && manifest) {
    const all = Object.values(manifest.bytes).reduce((sum, bytes) => sum + bytes, __RUNTIME_BYTES__);
    reached.bytes = Math.min(1, told.bytes / all);
  }
  Object.assign(reached, told.started && { started: told.started, bytes: 1 }, told.drawn && { drawn: told.drawn });
  $("arriving").value = Object.keys(SHARES).reduce((sum, part) => sum + SHARES[part] * reached[part], 0);
}

guarded(async () => {
  $("axes-box").open = !matchMedia(NARROW).matches;
  state.engine = new Engine(MODELS, heard);
  await state.engine.loaded;
  listen();
  for (const button of document.querySelectorAll("[data-needs=model]")) button.disabled = false;
  await openOrDraw();
  keepForOffline();
});
