// From noise to a picture, step by step: t2a_edge/sampler.py in JavaScript, each float32 operation rounded by itself.
//
// A drawing is { words, seed, options, form, formLevel, given }:
//   words      { embedding, weights, formWeights, otherWeights, share }, see conditioning.js
//   options    { guidance_scale, temperature, steps, form_strength }
//   form       a field, see fields.js; null lets the words choose
//   formLevel  share of noise on the form
//   given      what it takes from another picture, see edit.js, or null
import { noised, windowForms } from "./fields.js";
import {
  CHUNK, averaged, gridOf, isPlain, latentNumbers, merged, positionsOf, sideOf, windowCells, windowsOf,
} from "./layout.js";
import { normalNoise } from "./noise.js";
import { clipped, each, f32, rounded } from "./numbers.js";

const COLOURS = 3;

/** Numbers of the windows of a drawing of which not everything stays. */
function drawnWindows(cells, given) {
  return each(cells.length).filter((window) => !given || !cells[window].every((cell) => given.stays[cell]));
}

const cellsOf = (spec, layout) => windowsOf(layout).map((window) => windowCells(layout, sideOf(spec), window));

/** Rows of latents that lie at some cells. */
function cut(latents, cells, depth) {
  const part = new Float32Array(cells.length * depth);
  cells.forEach((cell, place) => part.set(latents.subarray(cell * depth, (cell + 1) * depth), place * depth));
  return part;
}

const chunksOf = (list) => each(Math.ceil(list.length / CHUNK), (i) => list.slice(CHUNK * i, CHUNK * (i + 1)));

/** Latents with those that stay. */
function putBack(given, latents, depth) {
  if (!given) return latents;
  return latents.map((value, i) => (given.stays[Math.floor(i / depth)] ? given.latents[i] : value));
}

/** Draw: the latents after each step, as the picture looks so far; the last ones are the finished ones. */
export async function* paintSteps(runner, spec, drawing, layout) {
  const { given, seed, words, options, formLevel } = drawing;
  const { depth } = spec;
  const cells = cellsOf(spec, layout);
  const drawn = drawnWindows(cells, given);
  let x = normalNoise(seed, latentNumbers(layout, sideOf(spec)), depth);
  if (given) x = noised(given.latents, x, given.level);
  const forms = await windowForms(runner, spec, drawing, layout);
  for (let left = options.steps; left > 0; left -= 1) {
    const level = ((given?.level ?? 1) * left) / options.steps;
    const parts = [];
    for (const chunk of chunksOf(drawn)) {
      const latents = chunk.map((window) => cut(x, cells[window], depth));
      const told = { level, formLevel, guidance: options.guidance_scale };
      const clean = await runner.painter(latents, chunk.map((window) => forms[window]), told, words);
      parts.push(...chunk.map((window, i) => [window, clean[i]]));
    }
    const clean = putBack(given, merged(spec, layout, parts), depth);
    const share = f32(1 / left);
    x = x.map((here, i) => here + f32(f32(clean[i] - here) * share));
    yield left === 1 ? putBack(given, x, depth) : clean;
  }
}

/** The indices of a picture: those of each window, one after another. */
export async function composed(runner, spec, { given }, latents, layout) {
  const cells = cellsOf(spec, layout);
  const count = positionsOf(spec);
  const indices = given ? Int32Array.from(given.indices) : new Int32Array(cells.length * count);
  for (const chunk of chunksOf(drawnWindows(cells, given))) {
    const found = await runner.composer(chunk.map((window) => cut(latents, cells[window], spec.depth)));
    chunk.forEach((window, i) => indices.set(found[i], window * count));
  }
  return indices;
}

/** Indices of each window -> { pixels (H, W, 3), width, height } of the whole layout; windows are blended. */
export async function decoded(runner, spec, indices, layout) {
  const [height, width] = gridOf(layout, spec.image_size);
  const count = positionsOf(spec);
  const parts = [];
  for (const chunk of chunksOf(each(windowsOf(layout).length))) {
    parts.push(...(await runner.decoder(chunk.map((window) => indices.slice(window * count, (window + 1) * count)))));
  }
  if (isPlain(layout)) return { pixels: parts[0], width, height };
  const sums = averaged(layout, spec.image_size, COLOURS, parts.entries());
  return { pixels: Uint8Array.from(sums, (value) => clipped(rounded(value), 0, 255)), width, height };
}
