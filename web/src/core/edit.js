// What stays of a picture when it is changed: t2a_edge/edit.py in JavaScript.
//
// What a drawing takes from a picture is { indices, latents, stays, level, form, share, formLevel }; see
// t2a_edge.drawing.Given.
import { PageError } from "./errors.js";
import { fieldOf, padded, sharesBeyond } from "./fields.js";
import { SIDE } from "./form.js";
import {
  CHUNK, MOST_HALVES, cellOf, gridOf, merged, positionsOf, sideOf, windowsOf,
} from "./layout.js";
import { divided, each, f32, rounded } from "./numbers.js";

const MOST_OF_A_CELL = 0.5; // of the finest grid, from which on it is drawn anew
const COLOURS = 3;

/** The latents of a picture, with nothing said yet of what is drawn anew. */
export async function encoded(runner, spec, indices, layout) {
  const count = positionsOf(spec);
  const windows = each(windowsOf(layout).length, (i) => indices.slice(i * count, (i + 1) * count));
  const parts = [];
  for (let start = 0; start < windows.length; start += CHUNK) {
    parts.push(...(await runner.encoder(windows.slice(start, start + CHUNK))));
  }
  const latents = merged(spec, layout, [...parts.entries()]);
  const stays = new Uint8Array(latents.length / spec.depth).fill(1);
  return { indices, latents, stays, level: 1, form: null, share: null, formLevel: null };
}

/** A picture, { pixels, width, height } of its whole layout, to be drawn on from a share of noise. */
export function varied(given, layout, picture, strength) {
  if (!(strength >= 0 && strength <= 1)) {
    throw new PageError(`The strength is ${strength}; expected a number from 0 to 1.`);
  }
  const stays = given.stays.map(() => Number(strength === 0));
  return { ...given, stays, level: strength, form: fieldOf(picture, layout), formLevel: Math.max(0, 2 * strength - 1) };
}

/** Cells of the finest grid that a mask over what is shown covers, (rows, columns). */
function coveredCells(spec, layout, [left, top, width, height], mask) {
  const [rows, columns] = gridOf(layout, spec.scales.at(-1));
  const side = cellOf(spec);
  const sums = new Uint32Array(rows * columns);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (mask[y * width + x]) sums[Math.floor((top + y) / side) * columns + Math.floor((left + x) / side)] += 1;
    }
  }
  return sums.map((sum) => Number(sum >= MOST_OF_A_CELL * side * side));
}

/** A picture of which a part is drawn anew; where the mask (height, width) of what is shown is not 0. */
export function masked(spec, given, layout, picture, crop, mask) {
  const cells = coveredCells(spec, layout, crop, mask);
  const side = cellOf(spec);
  if (!cells.some(Boolean)) {
    throw new PageError(`The part covers no cell of ${side} x ${side} pixels; mark a larger one.`);
  }
  const [rows, columns] = gridOf(layout, spec.scales.at(-1));
  const block = spec.scales.at(-1) / sideOf(spec);
  const stays = given.stays.slice();
  cells.forEach((drawn, place) => {
    const [row, column] = divided(place, columns);
    if (drawn) stays[Math.floor(row / block) * (columns / block) + Math.floor(column / block)] = 0;
  });
  const repeats = SIDE / spec.scales.at(-1);
  const kept = each(rows * repeats * columns * repeats, (place) => {
    const [row, column] = divided(place, columns * repeats);
    return Number(!cells[Math.floor(row / repeats) * columns + Math.floor(column / repeats)]);
  });
  const share = sharesBeyond(kept, gridOf(layout, SIDE), layout.wrap);
  return { ...given, stays, form: fieldOf(picture, layout), share };
}

/**
 * Room around a picture: the larger layout, what is shown of it, and at which row and column of it, in half
 * windows, the old one lies. Margins are pixels at the left, right, top and bottom.
 */
export function extendedLayout(spec, layout, [x, y, width, height], margins) {
  const [half, cell] = [spec.image_size / 2, cellOf(spec)];
  if (layout.wrap) throw new PageError("The picture's edges meet; draw one that is no tile to draw on beyond it.");
  if (!margins.some(Boolean) || margins.some((margin) => !Number.isInteger(margin) || margin < 0 || margin % cell)) {
    throw new PageError(`The margins are ${margins.join(", ")}; expected multiples of ${cell}, and one above 0.`);
  }
  const [left, right, top, bottom] = margins;
  const room = [layout.columns * half - x - width, layout.rows * half - y - height];
  const halves = (margin, own) => Math.ceil(Math.max(0, margin - own) / half);
  const before = [halves(left, x), halves(top, y)];
  const after = [halves(right, room[0]), halves(bottom, room[1])];
  const larger = {
    rows: layout.rows + before[1] + after[1], columns: layout.columns + before[0] + after[0], wrap: false,
  };
  const size = [width + left + right, height + top + bottom];
  if (Math.max(larger.rows, larger.columns) > MOST_HALVES) {
    throw new PageError(
      `The picture would have ${size.join(" x ")} pixels; expected at most ${MOST_HALVES * half} a side. Add less.`,
    );
  }
  const crop = [before[0] * half + x - left, before[1] * half + y - top, ...size];
  return { layout: larger, crop, at: [before[1], before[0]] };
}

/** A picture in a larger layout, of which all that is new is drawn. */
export function extended(spec, given, layout, picture, larger, [down, across]) {
  const count = positionsOf(spec);
  const places = new Map(windowsOf(larger).map(([row, column], i) => [`${row} ${column}`, i]));
  const indices = new Int32Array(places.size * count);
  windowsOf(layout).forEach(([row, column], i) => {
    const place = places.get(`${row + down} ${column + across}`);
    indices.set(given.indices.subarray(i * count, (i + 1) * count), place * count);
  });
  /** Each cell of the old grid, with its place in the larger one. */
  const inside = (side, put) => {
    const [[rows, columns], [, width]] = [gridOf(layout, side), gridOf(larger, side)];
    const [top, left] = [(down * side) / 2, (across * side) / 2];
    for (let place = 0; place < rows * columns; place += 1) {
      const [row, column] = divided(place, columns);
      put(place, (top + row) * width + left + column);
    }
    return [top, left];
  };
  const area = (side) => gridOf(larger, side).reduce((rows, columns) => rows * columns);
  const [latents, stays] = [new Float32Array(area(sideOf(spec)) * spec.depth), new Uint8Array(area(sideOf(spec)))];
  inside(sideOf(spec), (from, to) => {
    latents.set(given.latents.subarray(from * spec.depth, (from + 1) * spec.depth), to * spec.depth);
    stays[to] = 1;
  });
  const kept = new Uint8Array(area(SIDE));
  const corner = inside(SIDE, (_, to) => (kept[to] = 1));
  const form = padded(fieldOf(picture, layout), gridOf(layout, SIDE), corner, gridOf(larger, SIDE));
  const share = sharesBeyond(kept, gridOf(larger, SIDE), false);
  return { ...given, indices, latents, stays, form, share };
}

/** Squared distances in pixels to the nearest of a mask; more than `reach` squared where it is further. */
function squaredDistances(mask, width, height, reach, wrap) {
  const far = (reach + 1) ** 2;
  const here = (y, x) => {
    if (wrap) return mask[((y + height) % height) * width + ((x + width) % width)];
    return y >= 0 && y < height && x >= 0 && x < width ? mask[y * width + x] : 0;
  };
  const across = each(height + 2 * reach, (row) =>
    each(width, (x) => {
      let least = far;
      for (let step = -reach; step <= reach; step += 1) {
        if (here(row - reach, x + step)) least = Math.min(least, step * step);
      }
      return least;
    }),
  );
  return Int32Array.from({ length: width * height }, (_, place) => {
    const [y, x] = divided(place, width);
    let least = far;
    for (let step = -reach; step <= reach; step += 1) {
      least = Math.min(least, across[y + reach + step][x] + step * step);
    }
    return least;
  });
}

/** Pixels with others in their masked part, and a soft edge of `feather` pixels around it. */
export function blended(under, over, { mask, feather }, width, height, wrap) {
  const squared = squaredDistances(mask, width, height, feather, wrap);
  return under.map((old, i) => {
    const distance = squared[Math.floor(i / COLOURS)];
    if (distance > feather * feather) return old;
    const share = Math.max(0, f32(1 - f32(f32(Math.sqrt(distance)) / (feather + 1))));
    return share > 0 ? rounded(f32(old + f32((over[i] - old) * share))) : old;
  });
}
