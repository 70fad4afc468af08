// Animated GIFs (GIF89a): each frame with 256 colours of its own.
import { joined } from "./bytes.js";
import { clipped } from "./numbers.js";

const COLOURS = 256;
const BITS = 5; // of a channel, where colours are counted and looked up
const LOW = 8 - BITS;
const [CODE_BITS, MOST_CODES] = [8, 4096]; // of the first codes, and how many there may be
const BLOCK = 255; // bytes at most
const HUNDREDTHS = 10; // milliseconds in one

const cellOf = (r, g, b) => ((r >> LOW) << (2 * BITS)) | ((g >> LOW) << BITS) | (b >> LOW);

/** Colours with how many pixels have about that one, [red, green, blue, count]. */
function counted(pixels) {
  const sums = new Map();
  for (let i = 0; i < pixels.length; i += 3) {
    const cell = cellOf(pixels[i], pixels[i + 1], pixels[i + 2]);
    let sum = sums.get(cell);
    if (!sum) sums.set(cell, (sum = [0, 0, 0, 0]));
    for (let c = 0; c < 3; c += 1) sum[c] += pixels[i + c];
    sum[3] += 1;
  }
  return [...sums.values()].map(([r, g, b, n]) => [r / n, g / n, b / n, n]);
}

/** A box of colours with its widest channel and how far apart its pixels are along that. */
function boxOf(colours) {
  let [channel, spread] = [0, -1];
  for (let c = 0; c < 3; c += 1) {
    let [n, sum, squares] = [0, 0, 0];
    for (const colour of colours) {
      n += colour[3];
      sum += colour[c] * colour[3];
      squares += colour[c] ** 2 * colour[3];
    }
    const own = squares - sum ** 2 / n;
    if (own > spread) [channel, spread] = [c, own];
  }
  return { colours, channel, spread };
}

/** Up to 256 colours for some pixels: Heckbert's median cut, where pixels differ most. (256 * 3) bytes. */
export function paletteOf(pixels) {
  const boxes = [boxOf(counted(pixels))];
  while (boxes.length < COLOURS) {
    const widest = boxes.reduce((best, box) => (box.spread > best.spread ? box : best));
    if (!(widest.spread > 0) || widest.colours.length < 2) break;
    const sorted = widest.colours.toSorted((a, b) => a[widest.channel] - b[widest.channel]);
    const half = sorted.reduce((sum, colour) => sum + colour[3], 0) / 2;
    let [at, sum] = [0, 0];
    while (at < sorted.length - 1 && (at === 0 || sum + sorted[at][3] <= half)) sum += sorted[at++][3];
    boxes.splice(boxes.indexOf(widest), 1, boxOf(sorted.slice(0, at)), boxOf(sorted.slice(at)));
  }
  const palette = new Uint8Array(3 * COLOURS);
  boxes.forEach(({ colours }, i) => {
    const count = colours.reduce((sum, colour) => sum + colour[3], 0);
    for (let c = 0; c < 3; c += 1) {
      palette[3 * i + c] = Math.round(colours.reduce((sum, colour) => sum + colour[c] * colour[3], 0) / count);
    }
  });
  return palette;
}

/** What finds the nearest colour of a palette; it remembers. */
function finder(palette) {
  const known = new Int16Array(2 ** (3 * BITS)).fill(-1);
  return (r, g, b) => {
    const cell = cellOf(r, g, b);
    if (known[cell] >= 0) return known[cell];
    let [best, least] = [0, Infinity];
    for (let i = 0; i < COLOURS; i += 1) {
      const away = (palette[3 * i] - r) ** 2 + (palette[3 * i + 1] - g) ** 2 + (palette[3 * i + 2] - b) ** 2;
      if (away < least) [best, least] = [i, away];
    }
    return (known[cell] = best);
  };
}

/** The number of a palette's colour for each pixel; what is left over goes to the neighbours (Floyd, Steinberg). */
export function indexed(pixels, width, height, palette) {
  const nearest = finder(palette);
  const left = Int16Array.from(pixels);
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const own = [0, 1, 2].map((c) => clipped(left[3 * at + c], 0, 255));
      out[at] = nearest(...own);
      for (let c = 0; c < 3; c += 1) {
        const error = own[c] - palette[3 * out[at] + c];
        const give = (to, share) => (left[3 * to + c] += (error * share) >> 4);
        if (x + 1 < width) give(at + 1, 7);
        if (y + 1 === height) continue;
        if (x) give(at + width - 1, 3);
        give(at + width, 5);
        if (x + 1 < width) give(at + width + 1, 1);
      }
    }
  }
  return out;
}

/** LZW as GIF has it, in blocks. */
function compressed(values) {
  const [clear, end] = [COLOURS, COLOURS + 1];
  const bytes = [CODE_BITS];
  let [block, buffer, filled] = [[], 0, 0];
  const flush = () => {
    if (block.length) bytes.push(block.length, ...block);
    block = [];
  };
  let [codes, next, bits] = [new Map(), end + 1, CODE_BITS + 1];
  const put = (code) => {
    buffer |= code << filled;
    for (filled += bits; filled >= 8; filled -= 8) {
      block.push(buffer & 255);
      if (block.length === BLOCK) flush();
      buffer >>>= 8;
    }
  };
  put(clear);
  let prefix = values[0];
  for (let i = 1; i < values.length; i += 1) {
    const key = prefix * COLOURS + values[i];
    const known = codes.get(key);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    put(prefix);
    if (next === MOST_CODES) {
      put(clear);
      [codes, next, bits] = [new Map(), end + 1, CODE_BITS + 1];
    } else {
      if (next === 2 ** bits) bits += 1;
      codes.set(key, next++);
    }
    prefix = values[i];
  }
  put(prefix);
  put(end);
  if (filled) block.push(buffer & 255);
  flush();
  bytes.push(0);
  return Uint8Array.from(bytes);
}

const short = (number) => [number & 255, number >> 8];

function frameOf({ pixels, width, height }, hundredths) {
  const palette = paletteOf(pixels);
  return joined([
    Uint8Array.from([0x21, 0xf9, 4, 0, ...short(hundredths), 0, 0]), // how long
    Uint8Array.from([0x2c, 0, 0, 0, 0, ...short(width), ...short(height), 0x80 | (CODE_BITS - 1)]), // colours of its own
    palette,
    compressed(indexed(pixels, width, height, palette)),
  ]);
}

/**
 * Pictures of one size, each { pixels (H, W, 3), width, height }, as a GIF that goes on for ever; `frameMs` is
 * rounded to hundredths of a second, and `rest` is awaited before each frame.
 */
export async function gifFrom(pictures, frameMs, rest = async () => {}) {
  const [{ width, height }] = pictures;
  const known = new Map(); // one that is shown twice is worked out once
  const parts = [
    Uint8Array.from([...new TextEncoder().encode("GIF89a"), ...short(width), ...short(height), 0x70, 0, 0]),
    Uint8Array.from([0x21, 0xff, 11, ...new TextEncoder().encode("NETSCAPE2.0"), 3, 1, 0, 0, 0]), // for ever
  ];
  for (const picture of pictures) {
    if (!known.has(picture)) {
      await rest();
      known.set(picture, frameOf(picture, Math.round(frameMs / HUNDREDTHS)));
    }
    parts.push(known.get(picture));
  }
  return joined([...parts, Uint8Array.from([0x3b])]);
}
