// Taking a picture away and bringing one back: PNG, link, recipe.
import { descriptionOf, fileName } from "./core/description.js";
import { PageError } from "./core/errors.js";
import { descriptionIn, pngFrom } from "./core/png.js";
import { stateFrom } from "./link.js";
import { $, state, tell } from "./page.js";
import { showRecipe } from "./picture.js";

const DOWNLOAD_MS = 10_000; // how long a browser may take to begin with a download

/** Have the browser save something. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
}

export async function download() {
  const { current: art, engine } = state;
  const description = descriptionOf(art, art, art.recipe, engine.manifest.bundle);
  const png = await pngFrom(art.pixels, art.width, art.height, description);
  const name = fileName(art, art);
  save(new Blob([png], { type: "image/png" }), name);
  tell(`Saved as ${name}, with its recipe inside.`);
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

/** Open the picture of a recipe alone. */
export const openRecipe = () => showRecipe($("recipe").value, stateFrom(""));

/** Open a PNG that this page or the library saved. */
export async function openFile(file) {
  const about = await descriptionIn(new Uint8Array(await file.arrayBuffer()));
  if (typeof about.recipe !== "string") {
    throw new PageError("The PNG's description has no recipe; draw it again from its prompt and seed.");
  }
  // through the link's checks: the file may say anything
  const { size, ...rest } = about;
  const entries = Object.entries(rest).filter(([, value]) => (value ?? null) !== null);
  await showRecipe(about.recipe, stateFrom(new URLSearchParams(entries).toString()));
}
