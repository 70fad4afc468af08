// The way from one form to another: t2a_edge/morph.py in JavaScript, with the same bits.
//
// A form is 64 x 64 float32, row by row. Layers, distances and areas lie one after another.
import { CELLS, LEAST_SPREAD, SIDE, moments } from "./form.js";
import { clipped, each, f32, rounded } from "./numbers.js";

const LAYERS = 16;
const PARTS = 8; // of the way, whose lengths are measured to walk it at an even pace
const CELL = 64; // in what distances are measured in
const FARTHEST = 2 ** 13; // an edge is nearer to every cell, in 64ths

/** Squared distance of each cell of a layer from the nearest goal. */
function squares(goals) {
  const far = Int16Array.from(goals, (goal) => (goal ? 0 : SIDE)); // in the cell's own column
  for (let i = SIDE; i < CELLS; i += 1) far[i] = Math.min(far[i], far[i - SIDE] + 1);
  for (let i = CELLS - SIDE - 1; i >= 0; i -= 1) far[i] = Math.min(far[i], far[i + SIDE] + 1);
  const found = far.map((cells) => cells * cells);
  for (let place = 0; place < CELLS; place += 1) {
    const start = place - (place % SIDE);
    for (let away = 1; away * away < found[place]; away += 1) {
      for (const other of [place - away, place + away]) {
        if (other < start || other >= start + SIDE) continue;
        const square = far[other] * far[other] + away * away;
        if (square < found[place]) found[place] = square;
      }
    }
  }
  return found;
}

/** How far each cell's middle is from the edge of its layer, in 64ths, below 0 outside. */
function signedDistances(layer) {
  const [inside, outside] = [layer.map((here) => 1 - here), layer].map(squares);
  const away = (square) => rounded(CELL * Math.sqrt(square)) - CELL / 2;
  return Int16Array.from(layer, (here, i) => (here ? away(inside[i]) : -away(outside[i])));
}

const partOf = (distance, edge) => clipped(distance - edge + CELL / 2, 0, CELL);

/** How much of each cell is in a layer whose edge is where it has the area, in 64ths. */
function covered(distances, area) {
  if (area <= 0) return new Int16Array(CELLS);
  let edge = -FARTHEST;
  for (let step = FARTHEST; step >= 1; step /= 2) {
    let sum = 0;
    for (let i = 0; i < CELLS; i += 1) sum += partOf(distances[i], edge + step);
    if (sum >= area) edge += step;
  }
  return distances.map((distance) => partOf(distance, edge));
}

/** What is known of the way between two forms. */
function wayBetween(first, second) {
  const ends = [first, second];
  const least = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
  const low = Math.min(...ends.map(least));
  const high = -Math.min(...ends.map((end) => least(end.map((value) => -value))));
  const step = f32(f32(high - low) / LAYERS);
  const layersOf = (end) =>
    each(LAYERS, (number) => {
      const level = f32(low + f32(step * (number + 0.5)));
      return Uint8Array.from(end, (value) => (value > level ? 1 : 0));
    });
  const layers = ends.map(layersOf);
  const areas = layers.map((own) => own.map((layer) => layer.reduce((sum, here) => sum + here, 0)));
  const distances = layers.map((own) => own.map(signedDistances));
  each(LAYERS, (number) => {
    const [one, other] = distances.map((own) => own[number]);
    const [plain, plainToo] = areas.map((own) => own[number] % CELLS === 0);
    if (plain) distances[0][number] = other; // it has no edge there: it takes the other's shapes
    if (plainToo) distances[1][number] = one;
  });

  function piled(share) {
    const total = new Int32Array(CELLS);
    each(LAYERS, (number) => {
      const [one, other] = distances.map((own) => own[number]);
      const [area, otherArea] = areas.map((own) => own[number]);
      const between = one.map((here, i) => rounded(here + (other[i] - here) * share));
      covered(between, Math.floor((area + (otherArea - area) * share) * CELL)).forEach((part, i) => (total[i] += part));
    });
    return Float32Array.from(total, (sum) => low + f32(step * (sum / CELL)));
  }

  const left = ends.map((end, number) => {
    const form = piled(number);
    return end.map((value, i) => value - form[i]);
  });
  const told = ends.map(moments);

  function uneven(share) {
    const much = f32(share);
    const form = piled(share).map((here, i) => here + f32(left[0][i] + f32(f32(left[1][i] - left[0][i]) * much)));
    const own = moments(form);
    const [mean, spread] = ["mean", "spread"].map((name) => told[0][name] + (told[1][name] - told[0][name]) * share);
    const factor = spread / Math.max(own.spread, LEAST_SPREAD);
    return form.map((value) => (value - own.mean) * factor + mean);
  }

  const walked = [0];
  let last = first;
  for (let number = 1; number <= PARTS; number += 1) {
    const here = number === PARTS ? second : uneven(number / PARTS);
    const { mean, spread } = moments(here.map((value, i) => value - last[i]));
    walked.push(walked[number - 1] + Math.sqrt(mean * mean + spread * spread));
    last = here;
  }

  return function at(share) {
    const goal = share * walked[PARTS];
    const part = Math.max(...each(PARTS).filter((number) => walked[number] <= goal));
    const length = walked[part + 1] - walked[part];
    return uneven(Math.min((part + (length ? (goal - walked[part]) / length : 0)) / PARTS, 1));
  };
}

let kept = null; // the way of the last frame: the next one is mostly of it

/** A form on the way from one to another, of the mean and spread that lie between; the share is 0 to 1. */
export function formBetween(first, second, share) {
  const same = (one, other) => one.every((value, i) => value === other[i]);
  if (share === 0 || share === 1 || same(first, second)) return share === 1 ? second : first;
  if (!kept || !same(kept.first, first) || !same(kept.second, second)) {
    kept = { first, second, at: wayBetween(first, second) };
  }
  return kept.at(share);
}
