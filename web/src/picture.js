// One picture: drawn, shown as it forms, kept in the address.
//
// A picture on show is what core/model.js makes, { indices, layout, crop, pasted, pixels, width, height }, with its
// story, { prompt, blend, changed, seed, options, form }; see core/description.js.
import { fadeTo, fourTimes, meanColour, show, thumbnail } from "./canvas.js";
import { PageError } from "./core/errors.js";
import { isPlain } from "./core/layout.js";
import { digits, parsePrompt, promptText } from "./core/prompt.js";
import { packRecipe, unpackRecipe } from "./core/recipe.js";
import { settled } from "./core/request.js";
import { fillFields, replaceWord } from "./fields.js";
import { addToGallery } from "./gallery.js";
import { showNearest } from "./ideas.js";
import { fragmentFrom } from "./link.js";
import { $, begin, finish, state, stillness, tell } from "./page.js";

const CHANGES = { vary: "a variation", inpaint: "a part anew", outpaint: "drawn on" };
const PARTS = ["indices", "layout", "crop", "pasted", "pixels", "width", "height"];
let stages = []; // of the picture on show or of the one that forms: thumbnails with their pictures
let forming = false;
let ownAddress = null; // of the picture on show

export function captionOf({ prompt, blend }) {
  if (!prompt) return "From a recipe";
  return blend ? `${prompt} to ${blend[0]}, ${digits(Math.round(100 * blend[1]))} %` : prompt;
}

export function detailsOf({ seed, changed, form, layout, width, height }) {
  const size = isPlain(layout) ? "" : `${width} × ${height}`;
  const told = [seed === null ? "" : `seed ${seed}`, size, layout.wrap ? "a tile" : "", form ? "of a given form" : ""];
  return [...told, changed ? (CHANGES[changed] ?? changed) : ""].filter(Boolean).join(", ");
}

export const nameOf = (art) => [captionOf(art), detailsOf(art)].filter(Boolean).join(", ");

/** What of a picture on show the model is told. */
export const pictureOf = (art) => Object.fromEntries(PARTS.map((name) => [name, art[name]]));

/** The terms of a text; none where there is no text, or where it cannot be read. */
function termsIn(text) {
  try {
    return text ? parsePrompt(text, state.engine.manifest) : [];
  } catch (error) {
    if (error instanceof PageError) return [];
    throw error;
  }
}

/** The terms of a picture's first prompt. */
export const termsOf = ({ prompt }) => termsIn(prompt);

/** The second prompt of a picture, { terms, amount }, or null. */
export const blendOf = ({ blend }) => blend && { terms: termsIn(blend[0]), amount: blend[1] };

/** Draw; `how`, `about` and what is `shown` are those of `Engine.draw`, and `request` has all that it takes. */
export async function drawOne(request, how = "draw", about = {}, ...shown) {
  const { terms, blend, seed, options } = request;
  const drawn = await state.engine.draw(how, request, about, ...shown);
  const second = blend && [promptText(blend.terms), blend.amount];
  return { ...drawn, prompt: promptText(terms), blend: second, seed, options, changed: how === "draw" ? "" : how };
}

/** What a link says of a picture. */
function saidOf({ prompt, blend, seed, options, changed, form, layout, width, height }, recipe) {
  const [second, amount] = blend ?? [null, null];
  const size = isPlain(layout) ? null : `${width}x${height}`;
  return { prompt, blend: second, amount, seed, ...options, size, tile: layout.wrap, changed, form, recipe };
}

let hung = null;

/** Show a picture in the frame; a tile four times, where that is wanted. */
function hang(picture) {
  hung = picture;
  const repeated = $("repeat").ariaPressed === "true" && !$("repeat").hidden;
  $("print").style.aspectRatio = `${picture.width} / ${picture.height}`;
  fadeTo($("picture"), $("veil"), repeated ? fourTimes(picture) : picture);
}

/** Show a tile beside itself, or alone again. */
export function repeat() {
  $("repeat").ariaPressed = String($("repeat").ariaPressed !== "true");
  hang(hung);
}

/** Put a picture on show; its address becomes a step of the browser's history. */
async function present(art, mine) {
  const recipe = await packRecipe(art, state.engine.manifest);
  if (mine !== state.turn) return false;
  forming = false;
  $("repeat").hidden = !art.layout.wrap;
  hang(art);
  press(stages.length - 1);
  state.current = { ...art, said: saidOf(art, recipe), recipe, stages };
  $("picture").setAttribute("aria-label", `Abstract picture: ${nameOf(art)}`);
  $("caption").textContent = captionOf(art);
  $("details").textContent = detailsOf(art);
  $("recipe").value = recipe;
  document.documentElement.style.setProperty("--tint", meanColour(art.pixels));
  const address = `#${fragmentFrom(state.current.said)}`;
  // an address that somebody typed gives way to the picture's, or Back would draw it again and again
  if (location.hash !== ownAddress) history.replaceState(null, "", address);
  else if (address !== location.hash) history.pushState(null, "", address);
  ownAddress = location.hash;
  for (const button of document.querySelectorAll("[data-needs=picture]")) button.disabled = false;
  addToGallery(state.current.said, nameOf(art), $("stages").lastElementChild?.firstElementChild ?? $("picture"));
  return true;
}

function press(number) {
  stages.forEach(({ button }, i) => (button.ariaPressed = String(i === number)));
}

/** Another picture among the stages beneath the print, the last of them or at a place. */
function addStage(picture, name, place = stages.length) {
  const stage = thumbnail(name, () => {
    hang(picture);
    press(stages.indexOf(stage));
    tell(`${name}.`);
  });
  show(stage.canvas, picture);
  $("stages").insertBefore(stage.button, stages[place]?.button ?? null);
  stages.splice(place, 0, stage);
}

const stageName = ({ done, steps }) => `Step ${done} of ${steps}`;

/** The stages of a picture that was shown without them. */
async function addEarlierStages(mine) {
  $("stages").ariaBusy = "true";
  try {
    const earlier = await state.engine.steps();
    if (mine !== state.turn) return;
    earlier.forEach((picture, place) => addStage(picture, stageName(picture), place));
  } finally {
    $("stages").ariaBusy = "false";
  }
}

function emptyStages() {
  stages = [];
  $("stages").replaceChildren();
}

/** The picture on show again, where another one was interrupted while it formed. */
export function restore() {
  if (!forming || !state.current) return;
  forming = false;
  stages = state.current.stages;
  $("stages").replaceChildren(...stages.map(({ button }) => button));
  hang(state.current);
  press(stages.length - 1);
}

/** After what the status says, which words are not known, and the known ones that they are nearest to. */
async function tellUnknown(text, art, mine) {
  const { manifest } = state.engine;
  const words = [...termsOf(art), ...(blendOf(art)?.terms ?? [])].map(({ word }) => word);
  const unknown = [...new Set(words)].filter((word) => !manifest.vocabulary.includes(word));
  showNearest([], null);
  if (!unknown.length) return;
  const nearest = await state.engine.nearest(unknown);
  if (mine !== state.turn) return;
  const names = unknown.map((word, i) => (nearest[i] ? `${word} (near ${nearest[i].word})` : word));
  tell(`${text} Not among the known adjectives, drawn all the same: ${names.join(", ")}.`);
  const pairs = unknown.flatMap((word, i) => (nearest[i] ? [[word, nearest[i].word]] : []));
  showNearest(pairs, (word, near) => {
    replaceWord(word, near);
    $("form").requestSubmit();
    $("prompt").focus();
  });
}

/** Draw a picture and put it on show, as it forms; `others` are words that were typed beside the adjectives. */
export async function drawAndShow(request, { how = "draw", about = {}, others = [] } = {}) {
  const later = !state.current || stillness(); // the picture itself first
  const mine = begin();
  tell("Drawing.");
  const started = performance.now();
  let first = true;
  const shown = (picture, name) => {
    if (first) emptyStages();
    [first, forming] = [false, true];
    addStage(picture, name);
  };
  const previewed = (preview) => {
    if (mine !== state.turn) return;
    shown(preview, stageName(preview));
    hang(preview);
    press(stages.length - 1);
  };
  try {
    const art = await drawOne(request, how, about, previewed, later);
    if (mine !== state.turn) return;
    const took = ((performance.now() - started) / 1000).toFixed(1);
    shown(art, "The picture");
    if (!(await present(art, mine))) return;
    const read = others.length ? ` Read as "${art.prompt}".` : "";
    const text = `Drawn in ${took} s.${read}`;
    finish(text);
    if (later) await addEarlierStages(mine);
    await tellUnknown(text, art, mine);
  } catch (error) {
    if (mine === state.turn) restore();
    throw error;
  }
}

/** Put a picture that is there already on show. */
async function showThere(art, mine, text) {
  fillFields(saidOf(art, null));
  emptyStages();
  if (!(await present(art, mine))) return;
  finish(text);
  await tellUnknown(text, art, mine);
}

/** Put a picture of a strip on show. */
export const showAgain = (art) => showThere(art, begin(), `On show: ${nameOf(art)}.`);

/** Open the picture that a recipe holds, with what else a link or a file says of it. */
export async function showRecipe(text, said) {
  const { spec } = state.engine.manifest;
  const recipe = await unpackRecipe(text, state.engine.manifest);
  const mine = begin();
  tell("Opening.");
  const picture = await state.engine.decode(recipe);
  if (mine !== state.turn) return;
  const [prompt, second] = [said.prompt, said.blend].map((words) => promptText(termsIn(words)));
  const art = {
    ...picture,
    prompt,
    blend: prompt && second ? [second, said.amount] : null,
    seed: said.seed ?? null,
    options: settled(said, spec),
    changed: said.changed ?? "",
    form: said.form ?? "",
  };
  await showThere(art, mine, "Opened from its recipe.");
}
