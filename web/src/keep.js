// Taking a picture away and bringing one back: PNG, link, recipe.
import { PageError } from "./errors.js";
import { stateFrom } from "./link.js";
import { $, state, tell } from "./page.js";
import { showIndices } from "./picture.js";
import { descriptionIn, fileName, pngFrom } from "./png.js";
import { unpackRecipe } from "./recipe.js";

const DOWNLOAD_MS = 10_000; // how long a browser may take to begin with a download

export async function download() {
  const { spec, bundle } = state.engine.manifest;
  const { prompt, seed, guidance, temperature, changed, recipe, pixels } = state.current;
  const [side, extra] = [spec.image_size, changed ? { changed } : {}];
  const png = await pngFrom(pixels, side, side, {
    prompt, ...extra, seed, guidance_scale: guidance, temperature, top_k: 0,
    size: [side, side], tile: false, bundle, recipe,
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([png], { type: "image/png" }));
  link.download = fileName(prompt, changed, seed);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
  tell(`Saved as ${link.download}, with its recipe inside.`);
}

/** Copy a text; where the browser refuses, say where else it is. */
export async function copy(text, what, where) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new PageError(`The browser does not let this page copy; the ${what} is ${where}, to be copied by hand.`);
  }
  tell(`Copied the ${what}.`);
}

/** Open the picture that a recipe holds. */
export const openRecipe = (text, about = {}) =>
  showIndices(unpackRecipe(text, state.engine.manifest), about);

/** Open a PNG that this page or the library saved. */
export async function openFile(file) {
  const about = await descriptionIn(new Uint8Array(await file.arrayBuffer()));
  if (typeof about.recipe !== "string") {
    throw new PageError("The PNG's description has no recipe; draw it again from its prompt and seed.");
  }
  // through the link's checks: the file may say anything
  const { guidance_scale: guidance, blend, ...rest } = about;
  const entries = Object.entries({ ...rest, guidance }).filter(([, value]) => value !== null && value !== undefined);
  const known = stateFrom(new URLSearchParams(entries).toString());
  await openRecipe(about.recipe, blend === undefined ? known : { ...known, prompt: "" });
}
