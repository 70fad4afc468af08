// The form of a picture: t2a_edge/form.py in JavaScript, with the same bits.
import { clipped, divided, rounded } from "./numbers.js";

export const SIDE = 64; // of a form
export const CELLS = SIDE * SIDE;
export const SPREAD = 32; // of its numbers
export const LEAST_SPREAD = 0.25; // that is made another one: what is nearly plain stays so
const PARTS = 4096; // of a form's numbers, where mean and spread are measured
const MOST = 127; // their largest magnitude
const LUMA = [77, 150, 29]; // of red, green and blue, in 256ths
const STEPS = 256; // from one grey level to the next
const FAINTEST = 4; // spread of grey levels that counts as contrast

/** Sums of each line's values, in cells of equal length; lines lie `stride` apart from value to value. */
function byArea(values, { lines, lineStart, size, stride }, cells, put) {
  const sums = new Float64Array(size + 1);
  for (let line = 0; line < lines; line += 1) {
    const start = lineStart(line);
    for (let i = 0; i < size; i += 1) sums[i + 1] = sums[i] + values[start + i * stride];
    let before = 0;
    for (let cell = 1; cell <= cells; cell += 1) {
      const [low, part] = divided(cell * size, cells);
      const here = sums[low] * cells + (part ? values[start + low * stride] * part : 0);
      put(line, cell - 1, here - before);
      before = here;
    }
  }
}

/** (H, W, 3) bytes -> the form, (rows, columns) int8. Sums are of whole numbers below 2^53. */
export function formOf(pixels, width, height, [rows, columns] = [SIDE, SIDE]) {
  const grey = new Float64Array(width * height);
  for (let i = 0; i < grey.length; i += 1) {
    grey[i] = LUMA[0] * pixels[3 * i] + LUMA[1] * pixels[3 * i + 1] + LUMA[2] * pixels[3 * i + 2];
  }
  const [narrow, sums] = [new Float64Array(rows * width), new Float64Array(rows * columns)];
  const down = { lines: width, lineStart: (x) => x, size: height, stride: width };
  byArea(grey, down, rows, (x, row, sum) => (narrow[row * width + x] = sum));
  const across = { lines: rows, lineStart: (row) => row * width, size: width, stride: 1 };
  byArea(narrow, across, columns, (row, column, sum) => (sums[row * columns + column] = sum));
  return withoutMean(sums.map((sum) => rounded(sum / grey.length)));
}

/** Grey levels in 256ths without their mean and spread. */
function withoutMean(whole) {
  const mean = whole.reduce((sum, value) => sum + value, 0) / whole.length;
  const square = whole.reduce((sum, value) => sum + value * value, 0) / whole.length;
  const factor = SPREAD / Math.max(Math.sqrt(Math.max(square - mean * mean, 0)), FAINTEST * STEPS);
  return Int8Array.from(whole, (value) => clipped(rounded((value - mean) * factor), -MOST, MOST));
}

/** { mean, spread } of a form, measured in 4096ths. */
export function moments(form) {
  let [sum, squares] = [0, 0];
  for (const value of form) {
    const whole = rounded(value * PARTS);
    sum += whole;
    squares += whole * whole;
  }
  const mean = sum / CELLS;
  return { mean: mean / PARTS, spread: Math.sqrt(squares / CELLS - mean * mean) / PARTS };
}

/** A form with mean 0 and spread 1, in 4096ths of what it was. */
export function evened(form) {
  const { mean, spread } = moments(form);
  const divisor = Math.max(spread, LEAST_SPREAD) * PARTS;
  return form.map((value) => (rounded(value * PARTS) - mean * PARTS) / divisor);
}
