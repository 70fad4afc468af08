import { Engine } from "./engine.js";
import { PageError } from "./errors.js";
import { buildFields, fillFields, followFields, freshSeed, optionsChosen, promptTyped, seedTyped, untouched } from "./fields.js";
import { copy, download, openFile, openRecipe } from "./keep.js";
import { stateFrom } from "./link.js";
import { $, guarded, state } from "./page.js";
import { buildStages, drawAndShow } from "./picture.js";
import { buildKept, drawBetween, drawVariations } from "./strips.js";

const MODELS = new URL("models/", document.baseURI).href;
const NARROW = "(max-width: 52rem)";

const draw = () => drawAndShow(promptTyped(), seedTyped(), optionsChosen());
const drawTyped = () => guarded(draw);

/** A slider or a word has changed the prompt; nothing to draw while it is empty or as it was. */
const settled = () => {
  const typed = $("prompt").value.trim();
  if (typed && typed !== state.current?.prompt) drawTyped();
};

/** Whether an address has the recipe of the picture on show, and something else was changed in it. */
const edited = (said) =>
  said.recipe !== null &&
  said.recipe === state.current?.recipe &&
  ["prompt", "seed", "guidance", "temperature"].some((name) => said[name] !== null && said[name] !== state.current[name]);

/** Open or draw what the address says; what it leaves out is as it is at first. */
const openOrDraw = () =>
  guarded(async () => {
    const said = stateFrom(location.hash);
    if (said.recipe !== null && !edited(said)) {
      fillFields(said);
      await openRecipe(said.recipe, said);
      return;
    }
    const { prompt, seed } = untouched();
    fillFields({ ...said, prompt: said.prompt || prompt, seed: said.seed ?? seed, changed: null });
    await draw();
  });

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
  for (const name of ["guidance", "temperature"]) {
    on(name, "input", followFields);
    on(name, "change", drawTyped);
  }
  on("vary", "click", drawVariations);
  on("download", "click", () => guarded(download));
  on("copy-link", "click", () => guarded(() => copy(location.href, "link", "in the address bar")));
  on("copy-recipe", "click", () => guarded(() => copy(state.current.recipe, "recipe", "in the field above")));
  on("open-recipe", "click", () => guarded(() => openRecipe($("recipe").value)));
  on("open", "click", () => $("file").click());
  on("file", "change", () => {
    const [file] = $("file").files;
    $("file").value = ""; // so that the same file can be opened again
    if (file) guarded(() => openFile(file));
  });
  window.addEventListener("hashchange", openOrDraw);
}

async function manifest() {
  const answer = await fetch(new URL("manifest.json", MODELS)).catch((error) => ({ statusText: error.message }));
  if (!answer.ok) throw new PageError(`The model could not be loaded (${answer.statusText}); load the page again.`);
  return answer.json();
}

/** From now on the page opens without its server too, where the browser allows it (HTTPS, or this machine). */
function keepForOffline() {
  if (import.meta.env.PROD) navigator.serviceWorker?.register("offline.js").catch(() => {});
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the picture's
  $("prompt").focus();
});

guarded(async () => {
  const about = await manifest();
  const all = about.bytes.generator + about.bytes.decoder + __RUNTIME_BYTES__;
  state.engine = new Engine(about, (received) => ($("arriving").value = Math.min(1, received / all)));
  buildStages();
  buildKept();
  buildFields(guarded, settled);
  $("axes-box").open = !matchMedia(NARROW).matches;
  fillFields(stateFrom(location.hash));
  await state.engine.load(MODELS);
  $("arriving").remove();
  listen();
  for (const id of ["draw", "reseed", "open", "interpolate", "open-recipe"]) $(id).disabled = false;
  await openOrDraw();
  keepForOffline();
});
