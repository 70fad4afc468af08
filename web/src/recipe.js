// A recipe: the indices of a picture as a short text. The format is that of t2a_edge/recipe.py.
import { base64FromBytes, bytesFromBase64, crc32 } from "./bytes.js";
import { PageError } from "./errors.js";

const VERSION = 1;
const HEAD = 20; // bytes before the indices
const MODEL_DIGITS = 16;
const HALVES = 2; // of a window, each way

const positionsOf = (spec) => spec.scales.reduce((sum, side) => sum + side * side, 0);
const bitsOf = (spec) => Math.max(1, Math.ceil(Math.log2(spec.codebook_size)));
const modelOf = (manifest) => manifest.checkpoint.slice(0, MODEL_DIGITS);

/** Indices of one plain picture -> text. */
export function packRecipe(indices, manifest) {
  const { spec } = manifest;
  const bits = bitsOf(spec);
  const whole = new Uint8Array(HEAD + Math.ceil((indices.length * bits) / 8) + 4);
  const view = new DataView(whole.buffer);
  whole[0] = VERSION;
  for (let i = 0; i < MODEL_DIGITS / 2; i += 1) {
    whole[1 + i] = parseInt(manifest.checkpoint.slice(2 * i, 2 * i + 2), 16);
  }
  whole.set([0, HALVES, HALVES], 9);
  view.setUint16(16, spec.image_size);
  view.setUint16(18, spec.image_size);
  let place = 8 * HEAD;
  for (const index of indices) {
    for (let bit = bits - 1; bit >= 0; bit -= 1, place += 1) {
      if ((index >> bit) & 1) whole[place >> 3] |= 0x80 >> (place & 7);
    }
  }
  view.setUint32(whole.length - 4, crc32(whole.subarray(0, -4)));
  return base64FromBytes(whole);
}

/** Text -> indices (N,) Int32Array. */
export function unpackRecipe(text, manifest) {
  const { spec } = manifest;
  const whole = bytesFromBase64(text.trim());
  if (whole === null) {
    throw new PageError(
      "The recipe has characters that no recipe has; copy it whole, letters, digits, - and _.",
    );
  }
  const view = new DataView(whole.buffer);
  const damaged = whole.length <= HEAD + 4;
  if (damaged || crc32(whole.subarray(0, -4)) !== view.getUint32(whole.length - 4)) {
    throw new PageError(
      `The recipe, ${text.trim().length} characters, is damaged or cut short; copy it whole.`,
    );
  }
  if (whole[0] !== VERSION || whole[9] & ~1) {
    throw new PageError(
      `The recipe has version ${whole[0]} and flags ${whole[9]}; this page reads version ${VERSION}. ` +
        "Open it with the program that wrote it.",
    );
  }
  const model = Array.from(whole.subarray(1, 9), (b) => b.toString(16).padStart(2, "0")).join("");
  if (model !== modelOf(manifest)) {
    throw new PageError(
      `The recipe is of the model ${model}; this page has ${modelOf(manifest)}. Open it where it was made.`,
    );
  }
  const crop = [12, 14, 16, 18].map((at) => view.getUint16(at));
  const size = spec.image_size;
  const plain = !whole[9] && whole[10] === HALVES && whole[11] === HALVES;
  if (!plain || crop.join() !== [0, 0, size, size].join()) {
    throw new PageError(
      `The recipe is of a larger, cropped or seamless picture; this page shows ${size} x ${size}. ` +
        "Open it with the Python library.",
    );
  }
  return indicesOf(whole.subarray(HEAD, -4), spec);
}

function indicesOf(packed, spec) {
  const bits = bitsOf(spec);
  const indices = new Int32Array(positionsOf(spec));
  let place = 0;
  for (let i = 0; i < indices.length; i += 1) {
    for (let bit = 0; bit < bits; bit += 1, place += 1) {
      indices[i] = (indices[i] << 1) | ((packed[place >> 3] >> (7 - (place & 7))) & 1);
    }
  }
  const spare = 8 * packed.length - place; // zeros fill the last byte
  const fits = spare >= 0 && spare < 8 && !(packed.at(-1) & ((1 << spare) - 1));
  if (!fits || indices.some((index) => index >= spec.codebook_size)) {
    throw new PageError(
      `The recipe has ${packed.length} bytes of indices that do not fit this model; it was written ` +
        "by a faulty program. Take it from the picture again.",
    );
  }
  return indices;
}
