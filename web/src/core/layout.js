// Pictures of any size out of windows that overlap by half: t2a_edge/layout.py in JavaScript.
//
// A layout is { rows, columns, wrap }: its size in half windows, and whether opposite edges meet.
import { PageError } from "./errors.js";
import { OF_LATENTS } from "./noise.js";
import { divided, each, f32 } from "./numbers.js";

export const MOST_HALVES = 16; // half windows along one side
export const CHUNK = 8; // windows that go through the engines at once
export const TILES = 64; // windows in a row, for numbers of positions that no two positions share
const BLOCK = 4; // side of the block of the finest grid that a position of the latents covers
const HALVES = 2; // of a window

export const PLAIN = Object.freeze({ rows: HALVES, columns: HALVES, wrap: false });

export const isPlain = ({ rows, columns, wrap }) => rows === HALVES && columns === HALVES && !wrap;

/** Row and column, in half windows, where each window starts. */
export function windowsOf({ rows, columns, wrap }) {
  const less = wrap ? 0 : 1;
  return each(rows - less).flatMap((row) => each(columns - less, (column) => [row, column]));
}

/** Rows and columns of a grid that has this side, an even number, in a window. */
export const gridOf = ({ rows, columns }, side) => [(rows * side) / 2, (columns * side) / 2];

/** Positions of the latents along each side of a window. */
export const sideOf = (spec) => spec.scales.at(-1) / BLOCK;

/** How many indices a window has. */
export const positionsOf = (spec) => spec.scales.reduce((sum, side) => sum + side * side, 0);

/** Pixels along one side of a cell of the finest grid. */
export const cellOf = (spec) => spec.image_size / spec.scales.at(-1);

/** Which positions of a grid a window has, row by row. */
export function windowCells(layout, side, [down, across]) {
  const [height, width] = gridOf(layout, side);
  const rows = each(side, (row) => ((down * side) / 2 + row) % height);
  const columns = each(side, (column) => ((across * side) / 2 + column) % width);
  return rows.flatMap((row) => columns.map((column) => row * width + column));
}

/** Numbers of the latents' positions for the noise, row by row. */
export function latentNumbers(layout, side) {
  const [height, width] = gridOf(layout, side);
  return each(height * width, (place) => {
    const [row, column] = divided(place, width);
    const tile = Math.floor(row / side) * TILES + Math.floor(column / side);
    return OF_LATENTS + tile * side * side + (row % side) * side + (column % side);
  });
}

/** How much each position of a window counts where windows overlap, (side * side). */
export function windowWeights(side) {
  const axis = each(side, (i) => Math.sin((Math.PI * (i + 0.5)) / side) ** 2);
  return Float32Array.from(axis.flatMap((down) => axis.map((across) => down * across)));
}

/**
 * Values of windows as those of a whole grid, averaged where windows overlap; 0 where none lies.
 *
 * `parts` are pairs of a window's number and its values, `side` * `side` times `depth`.
 */
export function averaged(layout, side, depth, parts) {
  const [height, width] = gridOf(layout, side);
  const total = new Float32Array(height * width * depth);
  const weight = new Float32Array(height * width);
  const [shares, windows] = [windowWeights(side), windowsOf(layout)];
  for (const [window, part] of parts) {
    windowCells(layout, side, windows[window]).forEach((cell, place) => {
      for (let d = 0; d < depth; d += 1) {
        total[cell * depth + d] += f32(shares[place] * part[place * depth + d]);
      }
      weight[cell] += shares[place];
    });
  }
  return total.map((sum, at) => sum / (weight[Math.floor(at / depth)] || 1));
}

/** Latents of windows as those of a whole layout; see `averaged`. */
export function merged(spec, layout, parts) {
  if (isPlain(layout) && parts.length) return parts[0][1];
  return averaged(layout, sideOf(spec), spec.depth, parts);
}

/** The windows for a picture of this size, and what is shown of them: left, top, width, height. */
export function layoutOfSize(spec, [width, height], wrap = false) {
  const half = spec.image_size / HALVES;
  const [step, most] = [wrap ? half : cellOf(spec), MOST_HALVES * half];
  for (const [name, side] of [["width", width], ["height", height]]) {
    if (!(Number.isInteger(side) && side >= 2 * half && side <= most && side % step === 0)) {
      throw new PageError(
        `The ${name} of the size is ${side}; expected a whole number from ${2 * half} to ${most}, a multiple of ${step}.`,
      );
    }
  }
  const layout = { rows: Math.ceil(height / half), columns: Math.ceil(width / half), wrap };
  return { layout, crop: [0, 0, width, height] };
}
