// One picture: drawn, shown as it formed, kept in the address.
import { fadeTo, meanColour, show, thumbnail } from "./canvas.js";
import { PageError } from "./errors.js";
import { fillFields } from "./fields.js";
import { fragmentFrom } from "./link.js";
import { $, begin, finish, state, stillness, tell } from "./page.js";
import { parsePrompt, promptText } from "./prompt.js";
import { packRecipe } from "./recipe.js";

const STAGE_MS = 170; // each stage stays at least this long, so that it can be seen
let stages = [];
let forming = false;
let ownAddress = null; // of the picture on show

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const scales = () => state.engine.manifest.spec.scales;

export const captionOf = ({ prompt }) => prompt || "From a recipe";

export function detailsOf({ seed, changed }) {
  return [seed === null ? "" : `seed ${seed}`, changed ? "a variation" : ""].filter(Boolean).join(", ");
}

export const nameOf = (art) => [captionOf(art), detailsOf(art)].filter(Boolean).join(", ");

/** The terms of a picture; none where only its recipe is known, or where its words cannot be read. */
export function termsOf({ prompt }) {
  try {
    return prompt ? parsePrompt(prompt, state.engine.manifest) : [];
  } catch (error) {
    if (error instanceof PageError) return [];
    throw error;
  }
}

/** Draw one picture; `given` are the codes to keep. */
export async function drawOne(terms, seed, options, given, changed = "") {
  const drawn = await state.engine.draw(terms, { seed, ...options, given });
  return { prompt: promptText(terms), seed, ...options, changed, ...drawn };
}

/** Put a picture on show; its address becomes a step of the browser's history. */
function present(art) {
  forming = false;
  state.current = { ...art, stages: stages.map(({ pixels }) => pixels), recipe: packRecipe(art.indices, state.engine.manifest) };
  $("picture").setAttribute("aria-label", `Abstract picture: ${nameOf(art)}`);
  $("caption").textContent = captionOf(art);
  $("details").textContent = detailsOf(art);
  $("recipe").value = state.current.recipe;
  document.documentElement.style.setProperty("--tint", meanColour(art.pixels));
  const { prompt, seed, guidance, temperature, changed } = art;
  const address = `#${fragmentFrom({ prompt, seed, guidance, temperature, changed, recipe: state.current.recipe })}`;
  // an address that somebody typed gives way to the picture's, or Back would draw it again and again
  if (location.hash !== ownAddress) history.replaceState(null, "", address);
  else if (address !== location.hash) history.pushState(null, "", address);
  ownAddress = location.hash;
  for (const id of ["download", "copy-link", "copy-recipe", "vary"]) $(id).disabled = false;
}

function press(number) {
  stages.forEach(({ button }, i) => (button.ariaPressed = String(i === number)));
}

/** Show a picture as it formed, stage by stage; at once where motion is not welcome. */
async function form(art, mine) {
  const still = stillness();
  forming = true;
  if (still) fadeTo($("picture"), $("veil"), art.pixels);
  for (const [number, stage] of stages.entries()) {
    const last = number === stages.length - 1;
    const decoded = last ? art.pixels : state.engine.decodeUpTo(art.indices, number + 1);
    const [pixels] = await Promise.all([decoded, still || last ? null : pause(STAGE_MS)]);
    if (mine !== state.turn) return false;
    stage.pixels = pixels;
    show(stage.canvas, pixels);
    press(number);
    if (!still) fadeTo($("picture"), $("veil"), pixels);
  }
  present(art);
  return true;
}

/** The picture on show again, where another one was interrupted while it formed. */
export function restore() {
  if (!forming || !state.current) return;
  forming = false;
  stages.forEach((stage, i) => show(stage.canvas, (stage.pixels = state.current.stages[i])));
  show($("picture"), state.current.pixels);
  press(stages.length - 1);
}

function noteOn(art) {
  const { vocabulary } = state.engine.manifest;
  const unknown = termsOf(art).filter(({ word }) => !vocabulary.includes(word));
  if (!unknown.length) return "";
  return ` Not among the known adjectives, drawn all the same: ${unknown.map(({ word }) => word).join(", ")}.`;
}

/** Draw a picture and put it on show; `others` are words that were typed beside the adjectives. */
export async function drawAndShow({ terms, others }, seed, options) {
  const mine = begin();
  tell("Drawing.");
  const started = performance.now();
  const art = await drawOne(terms, seed, options);
  const took = ((performance.now() - started) / 1000).toFixed(1);
  if (mine === state.turn && (await form(art, mine))) {
    const read = others.length ? ` Read as "${art.prompt}".` : "";
    finish(`Drawn in ${took} s.${read}${noteOn(art)}`);
  }
}

/** Put a picture that is there already on show. */
export async function showAgain(art) {
  const mine = begin();
  fillFields(art);
  if (await form(art, mine)) finish(`On show: ${nameOf(art)}.${noteOn(art)}`);
}

/** Put the picture of a recipe's indices on show, with what else is known of it. */
export async function showIndices(indices, about) {
  const { spec } = state.engine.manifest;
  const mine = begin();
  tell("Opening.");
  const art = {
    prompt: promptText(termsOf(about)),
    seed: about.seed ?? null,
    guidance: about.guidance ?? spec.guidance_scale,
    temperature: about.temperature ?? spec.temperature,
    changed: about.changed ?? "",
    indices,
    pixels: await state.engine.decode(indices),
  };
  if (mine !== state.turn) return;
  fillFields(art);
  if (await form(art, mine)) finish("Opened from its recipe.");
}

/** The stages beneath the picture; each shows how far it had formed. */
export function buildStages() {
  const sides = scales();
  stages = sides.map((side, i) => {
    const name = `Stage ${i + 1} of ${sides.length}, ${side} by ${side}`;
    const stage = thumbnail(name, () => {
      if (!stage.pixels) return;
      fadeTo($("picture"), $("veil"), stage.pixels);
      press(i);
      tell(`${name}.`);
    });
    $("stages").append(stage.button);
    return stage;
  });
}
