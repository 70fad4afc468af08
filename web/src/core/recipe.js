// A recipe: the indices of a picture as a short text. The format is that of t2a_edge/recipe.py.
//
// What a recipe says is { indices, layout, crop, pasted }; pasted is null, or { mask, feather, under } where the
// picture lies in the masked part of another one, whose recipe says `under`.
import { base64FromBytes, bytesFromBase64, crc32, deflated, inflated, joined } from "./bytes.js";
import { PageError } from "./errors.js";
import { MOST_HALVES, cellOf, positionsOf, windowsOf } from "./layout.js";

const [VERSION, PASTED_VERSION] = [3, 4];
const OLD_VERSIONS = [1, 2]; // of models that drew scale by scale
const HEAD = 20; // bytes before the indices
const PASTE = 5; // bytes before the mask
const CHECK = 4; // bytes of the check sum
const MODEL_DIGITS = 16;
const WRAP = 1;
const MOST_PASTED = 16; // pictures that one is inpainted over
const LONGEST = 4_000_000; // characters
const AGAIN = "take the recipe from the picture again.";

const bitsOf = (spec) => Math.max(1, Math.ceil(Math.log2(spec.codebook_size)));
const modelOf = (manifest) => manifest.checkpoint.slice(0, MODEL_DIGITS);
const countOf = (layout, spec) => windowsOf(layout).length * positionsOf(spec);
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function timesPasted({ pasted }) {
  return pasted ? 1 + timesPasted(pasted.under) : 0;
}

/** A recipe as text. */
export async function packRecipe(recipe, manifest) {
  const text = base64FromBytes(await packed(recipe, manifest));
  const times = timesPasted(recipe);
  if (text.length > LONGEST || times > MOST_PASTED) {
    throw new PageError(
      `The picture would be inpainted ${times} times over, with a recipe of ${text.length} characters; expected ` +
        `at most ${MOST_PASTED} times and ${LONGEST}. Mark all that is to change in one part.`,
    );
  }
  return text;
}

function headOf({ layout, crop, pasted }, manifest) {
  const head = new Uint8Array(HEAD);
  head[0] = pasted ? PASTED_VERSION : VERSION;
  for (let i = 0; i < MODEL_DIGITS / 2; i += 1) {
    head[1 + i] = parseInt(manifest.checkpoint.slice(2 * i, 2 * i + 2), 16);
  }
  head.set([layout.wrap ? WRAP : 0, layout.rows, layout.columns], 9);
  crop.forEach((part, i) => viewOf(head).setUint16(12 + 2 * i, part));
  return head;
}

/** Numbers in so many bits each, most significant bit first, filled with zeros to a whole byte. */
function inBits(numbers, bits) {
  const bytes = new Uint8Array(Math.ceil((numbers.length * bits) / 8));
  let place = 0;
  for (const number of numbers) {
    for (let bit = bits - 1; bit >= 0; bit -= 1, place += 1) {
      if ((number >> bit) & 1) bytes[place >> 3] |= 0x80 >> (place & 7);
    }
  }
  return bytes;
}

/** The other way; null where what fills the last byte is no zero. */
function fromBits(bytes, count, bits) {
  const numbers = new Int32Array(count);
  let place = 0;
  for (let i = 0; i < count; i += 1) {
    for (let bit = 0; bit < bits; bit += 1, place += 1) {
      numbers[i] = (numbers[i] << 1) | ((bytes[place >> 3] >> (7 - (place & 7))) & 1);
    }
  }
  const spare = 8 * bytes.length - place;
  return bytes.length && bytes.at(-1) & ((1 << spare) - 1) ? null : numbers;
}

async function packed(recipe, manifest) {
  const parts = [headOf(recipe, manifest), inBits(recipe.indices, bitsOf(manifest.spec))];
  if (recipe.pasted) {
    const { mask, feather, under } = recipe.pasted;
    const bits = await deflated(inBits(mask, 1));
    const about = new Uint8Array(PASTE);
    about[0] = feather;
    viewOf(about).setUint32(1, bits.length);
    parts.push(about, bits, await packed(under, manifest));
  }
  const check = new Uint8Array(CHECK);
  viewOf(check).setUint32(0, crc32(joined(parts)));
  return joined([...parts, check]);
}

/** Text -> what the recipe says. */
export async function unpackRecipe(text, manifest) {
  const stripped = text.trim();
  if (stripped.length > LONGEST) {
    throw new PageError(`The recipe has ${stripped.length} characters; expected at most ${LONGEST}.`);
  }
  const whole = bytesFromBase64(stripped);
  if (whole === null) {
    throw new PageError(
      "The recipe has characters that no recipe has; copy it whole, letters, digits, - and _.",
    );
  }
  return recipeOf(whole, stripped.length, manifest, 0);
}

/** The recipe of its bytes; `times` pictures lie over this one. */
async function recipeOf(whole, length, manifest, times) {
  const { spec } = manifest;
  const body = checkedBody(whole, length, manifest);
  const [rows, columns] = [body[10], body[11]];
  const layout = { rows, columns, wrap: Boolean(body[9] & WRAP) };
  const crop = [12, 14, 16, 18].map((at) => viewOf(body).getUint16(at));
  const [left, top, width, height] = crop;
  const half = spec.image_size / 2;
  const shows = width > 0 && width <= columns * half - left && height > 0 && height <= rows * half - top;
  const fits = [rows, columns].every((halves) => halves >= 2 && halves <= MOST_HALVES) && shows;
  const size = fits ? Math.ceil((countOf(layout, spec) * bitsOf(spec)) / 8) : 0;
  const bytes = body[0] === VERSION ? body.subarray(HEAD) : body.subarray(HEAD, HEAD + size);
  const indices = fits && bytes.length === size ? fromBits(bytes, countOf(layout, spec), bitsOf(spec)) : null;
  if (indices === null || indices.some((index) => index >= spec.codebook_size)) {
    throw new PageError(
      `The recipe's parts do not fit together (${rows} by ${columns} half windows, ${bytes.length} bytes of ` +
        `indices, ${width} x ${height} pixels shown); it was written by a faulty program. Take the recipe from ` +
        "the picture again.",
    );
  }
  if (body[0] === VERSION) return { indices, layout, crop, pasted: null };
  const pasted = await maskOf(body.subarray(HEAD + size), width, height, spec);
  if (pasted === null || times === MOST_PASTED) {
    throw new PageError(
      `The recipe's mask does not fit a picture of ${width} x ${height} pixels, or lies over more than ` +
        `${MOST_PASTED} pictures; ${AGAIN}`,
    );
  }
  const under = await recipeOf(pasted.around, length, manifest, times + 1);
  if (under.crop[2] !== width || under.crop[3] !== height) {
    throw new PageError(
      `The recipe's picture has ${width} x ${height} pixels, and the one around it ${under.crop[2]} x ` +
        `${under.crop[3]}; ${AGAIN}`,
    );
  }
  return { indices, layout, crop, pasted: { mask: pasted.mask, feather: pasted.feather, under } };
}

/** All but the check sum, which agrees; of this version and model. */
function checkedBody(whole, length, manifest) {
  const body = whole.subarray(0, -CHECK);
  if (body.length <= HEAD || crc32(body) !== viewOf(whole).getUint32(body.length)) {
    throw new PageError(`The recipe, ${length} characters, is damaged or cut short; copy it whole.`);
  }
  const reads = `reads versions ${VERSION} and ${PASTED_VERSION}`;
  if (OLD_VERSIONS.includes(body[0])) {
    throw new PageError(
      `The recipe has version ${body[0]}: a model that drew scale by scale made it, and this program ${reads}. ` +
        "Open it with the one that wrote it, or draw its words anew.",
    );
  }
  if (![VERSION, PASTED_VERSION].includes(body[0]) || body[9] & ~WRAP) {
    throw new PageError(
      `The recipe has version ${body[0]} and flags ${body[9]}; this program ${reads}. Open it with the one that ` +
        "wrote it.",
    );
  }
  const model = Array.from(body.subarray(1, 9), (b) => b.toString(16).padStart(2, "0")).join("");
  if (model !== modelOf(manifest)) {
    throw new PageError(
      `The recipe is of the model ${model}; this one is ${modelOf(manifest)}. Open it where it was made.`,
    );
  }
  return body;
}

/** Mask, feather and the bytes of the recipe around them; null where they are damaged. */
async function maskOf(content, width, height, spec) {
  if (content.length < PASTE) return null;
  const length = viewOf(content).getUint32(1);
  const expected = Math.ceil((width * height) / 8);
  const bits = await inflated(content.subarray(PASTE, PASTE + length), expected + 1).catch(() => null);
  if (bits?.length !== expected || content[0] > cellOf(spec)) return null;
  const mask = Uint8Array.from({ length: width * height }, (_, i) => (bits[i >> 3] >> (7 - (i & 7))) & 1);
  return { mask, feather: content[0], around: content.subarray(PASTE + length) };
}
