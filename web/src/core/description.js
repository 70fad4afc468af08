// What a saved picture says about itself, and its file name: t2a_edge/artwork.py in JavaScript.
//
// A picture's story is { prompt, blend, changed, seed, options, form }: blend is [text, amount] or null, changed "vary"
// or the like or "", and form the name of one that was given or "".
import { isPlain } from "./layout.js";
import { digits } from "./prompt.js";

const MOST_SLUG_BYTES = 80;

/** As `Artwork.metadata` has it; of a picture with its layout, and a story. */
export function descriptionOf({ layout, width, height }, { prompt, blend, changed, seed, options, form }, recipe, bundle) {
  return {
    prompt,
    ...(blend && { blend: blend[0], amount: blend[1] }),
    ...(changed && { changed }),
    seed,
    ...options,
    ...(form && { form }),
    size: [width, height],
    tile: layout.wrap,
    bundle,
    recipe,
  };
}

/** Words as a file name has them, of letters, digits and minuses. */
function slugOf([words, ...others]) {
  const spelled = [words.replace(/(^| )-/gu, "$1not "), ...others].join(" ");
  let slug = [...spelled.replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^[-_]+|[-_]+$/gu, "")];
  while (new TextEncoder().encode(slug.join("")).length > MOST_SLUG_BYTES) slug = slug.slice(0, -1);
  return slug.join("") || "art";
}

/** As `Artwork.file_name` has it. */
export function fileName({ layout, width, height }, { prompt, blend, changed, seed }) {
  const words = blend ? `${prompt} to ${blend[0]} ${digits(Number(blend[1].toPrecision(6)))}` : prompt;
  const size = isPlain(layout) ? "" : `${width}x${height}`;
  return `${slugOf([words, changed, size])}${seed === null ? "" : `-${seed}`}.png`;
}

/** The file name of an animation from one picture to another. */
export const animationName = (first, last) => `${slugOf([`${first.prompt} to ${last.prompt}`])}-${first.seed}.gif`;
