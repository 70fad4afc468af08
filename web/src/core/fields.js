// Forms of pictures of any size: t2a_edge/fields.py in JavaScript.
//
// A field is (32 rows, 32 columns) float32 of a layout, row by row; a window sees 64 x 64 of it.
import { SIDE, SPREAD, evened, formOf } from "./form.js";
import { TILES, gridOf, isPlain, windowCells, windowsOf } from "./layout.js";
import { formBetween } from "./morph.js";
import { OF_FORM, choiceNoise, cropNumbers, normalNoise } from "./noise.js";
import { clipped, divided, each, f32, rounded } from "./numbers.js";

const JOINED = 16; // cells from an edge that meets another over which they come together
const RAMP = 6; // cells beyond what stays over which one form becomes the other

const ofSpreadOne = (form) => Float32Array.from(form, (value) => value / SPREAD);

/** The form of a picture as a field. */
export const fieldOf = ({ pixels, width, height }, layout) =>
  ofSpreadOne(formOf(pixels, width, height, gridOf(layout, SIDE)));

/** Rows and columns swapped. */
function turned(field, rows, columns) {
  const other = new Float32Array(field.length);
  for (let r = 0; r < rows; r += 1) for (let c = 0; c < columns; c += 1) other[c * rows + r] = field[r * columns + c];
  return other;
}

/** Rows from 64 to `size` by linear interpolation, in 64ths. */
function enlarged(field, columns, size) {
  if (size === SIDE) return field;
  const larger = new Float32Array(size * columns);
  for (let row = 0; row < size; row += 1) {
    const at = Math.floor(((2 * row + 1) * SIDE ** 2 - (SIDE - 1) * size) / (2 * size));
    const [low, part] = divided(clipped(at, 0, SIDE * (SIDE - 1)), SIDE);
    const next = Math.min(low + 1, SIDE - 1);
    for (let c = 0; c < columns; c += 1) {
      const here = field[low * columns + c];
      larger[row * columns + c] = here + f32(f32(field[next * columns + c] - here) * (part / SIDE));
    }
  }
  return larger;
}

/** The first rows and the last ones made alike. */
function joined(field, rows, columns) {
  return field.map((here, place) => {
    const row = Math.floor(place / columns);
    const share = Math.max(JOINED - Math.min(row, rows - 1 - row), 0) / (2 * JOINED);
    return here + f32(f32(field[(rows - 1 - row) * columns + (place % columns)] - here) * share);
  });
}

/** A form (64, 64) over a layout; edges that meet are joined. */
export function stretched(form, layout) {
  const [rows, columns] = gridOf(layout, SIDE);
  let field = enlarged(form, SIDE, rows);
  if (layout.wrap) field = joined(field, rows, SIDE);
  field = enlarged(turned(field, rows, SIDE), rows, columns);
  if (layout.wrap) field = joined(field, columns, rows);
  return turned(field, columns, rows);
}

/** A field (height, width) with its edges repeated around it, in (rows, columns). */
export function padded(field, [height, width], [top, left], [rows, columns]) {
  const whole = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r += 1) {
    const from = clipped(r - top, 0, height - 1) * width;
    for (let c = 0; c < columns; c += 1) whole[r * columns + c] = field[from + clipped(c - left, 0, width - 1)];
  }
  return whole;
}

/** The form of a picture that a drawing is to have, squeezed into what is shown of a layout. */
export function fieldOfForm(spec, { pixels, width, height }, layout, crop) {
  if (layout.wrap) return stretched(ofSpreadOne(formOf(pixels, width, height)), layout);
  const [left, top, columns, rows] = crop.map((part) => (part * SIDE) / spec.image_size);
  const form = ofSpreadOne(formOf(pixels, width, height, [rows, columns]));
  return padded(form, [rows, columns], [top, left], gridOf(layout, SIDE));
}

/** How much of a new form counts, where the old one stays in some cells (rows, columns). */
export function sharesBeyond(kept, [rows, columns], wrap) {
  const total = new Float32Array(kept.length);
  let near = Uint8Array.from(kept);
  const reached = (now, row, column) => {
    const inside = row >= 0 && row < rows && column >= 0 && column < columns;
    if (!inside && !wrap) return 0;
    return now[((row + rows) % rows) * columns + ((column + columns) % columns)];
  };
  const wider = (now, down, across) =>
    now.map((here, place) => {
      const [row, column] = divided(place, columns);
      return here || reached(now, row - down, column - across) || reached(now, row + down, column + across);
    });
  for (let step = 0; step < RAMP; step += 1) {
    near.forEach((here, place) => (total[place] += here));
    near = wider(wider(near, 1, 0), 0, 1);
  }
  return total.map((sum) => 1 - f32(sum / RAMP));
}

/** Two fields by the share of the new one. */
export const mixed = (old, fresh, share) => old.map((here, i) => here + f32(f32(fresh[i] - here) * share[i]));

/** What each window sees of a field. */
export const windowFields = (field, layout) =>
  windowsOf(layout).map((window) => Float32Array.from(windowCells(layout, SIDE, window), (cell) => field[cell]));

/** Normal noise on the form of a layout. */
export function noiseField(seed, layout) {
  const [height, width] = gridOf(layout, SIDE);
  const field = new Float32Array(height * width);
  for (let row = 0; row < height; row += 1) {
    for (let left = 0; left < width; left += SIDE) {
      const number = OF_FORM + (Math.floor(row / SIDE) * TILES + left / SIDE) * SIDE + (row % SIDE);
      field.set(normalNoise(seed, [number], Math.min(SIDE, width - left)), row * width + left);
    }
  }
  return field;
}

/** Values with noise: 1 - level parts of the one and level parts of the other. */
export function noised(values, noise, level) {
  const much = f32(level);
  const rest = f32(1 - much);
  return values.map((value, i) => f32(rest * value) + f32(much * noise[i]));
}

/** The form that the words of a drawing choose, (64, 64); of a blend, between those that either prompt chooses. */
async function chosenForm(runner, spec, { words, seed, options }) {
  const heat = f32(options.temperature);
  const noise = choiceNoise(seed, spec.forms).map((value) => value * heat);
  const chosen = (weights) => runner.forms(words.embedding, weights, noise, cropNumbers(seed));
  const form = await chosen(words.formWeights);
  return words.otherWeights ? formBetween(form, await chosen(words.otherWeights), words.share) : form;
}

async function newField(runner, spec, drawing, layout) {
  return drawing.form ?? stretched(await chosenForm(runner, spec, drawing), layout);
}

/** The form of a drawing as a field. */
async function drawnField(runner, spec, drawing, layout) {
  const { given } = drawing;
  if (!given) return newField(runner, spec, drawing, layout);
  if (!given.share) return given.form;
  return mixed(given.form, await newField(runner, spec, drawing, layout), given.share);
}

/** The form that each window of a drawing is painted with. */
export async function windowForms(runner, spec, drawing, layout) {
  let windows = windowFields(await drawnField(runner, spec, drawing, layout), layout);
  if (!isPlain(layout) || drawing.given?.share) windows = windows.map(evened);
  if (!drawing.formLevel) return windows;
  const noise = windowFields(noiseField(drawing.seed, layout), layout);
  return windows.map((window, i) => noised(window, noise[i], drawing.formLevel));
}
