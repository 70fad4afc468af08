// PNG files with a description inside, as t2a_edge/image.py writes and reads them.
//
// Written here and not by a canvas: some browsers change the pixels that are read from one.
import { crc32, deflated, inflated, joined } from "./bytes.js";
import { PageError } from "./errors.js";

const KEY = "t2a-edge";
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const [RGB, PAETH] = [2, 4]; // kind of pixels, and number of the filter that every row has
const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 }; // by kind of pixels: grey, colour, and both with alpha
const MOST_TEXT = 4 * 2 ** 20; // bytes of a description
const MOST_PIXELS = 2 ** 26;

function chunk(kind, content) {
  const named = joined([new TextEncoder().encode(kind), content]);
  const whole = new Uint8Array(named.length + 8);
  const view = new DataView(whole.buffer);
  view.setUint32(0, content.length);
  whole.set(named, 4);
  view.setUint32(whole.length - 4, crc32(named));
  return whole;
}

/** The one of three neighbours that the PNG specification's Paeth picks. */
function nearest(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** Each byte less the one of the three around it that `nearest` picks. */
function filtered(pixels, width, height) {
  const row = 3 * width;
  const out = new Uint8Array((row + 1) * height);
  for (let y = 0, to = 0; y < height; y += 1) {
    out[to++] = PAETH;
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x < 3 ? 0 : pixels[at - 3];
      out[to++] = pixels[at] - nearest(left, y ? pixels[at - row] : 0, x < 3 || !y ? 0 : pixels[at - row - 3]);
    }
  }
  return out;
}

/** (H, W, 3) sRGB bytes and a JSON description -> the bytes of a PNG. */
export async function pngFrom(pixels, width, height, description) {
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8, RGB, 0, 0, 0]);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  const sorted = Object.fromEntries(Object.entries(description).sort(([a], [b]) => (a < b ? -1 : 1)));
  // keyword, NUL, not compressed (2 bytes), no language, no translated keyword, text
  const about = new TextEncoder().encode(`${KEY}\0\0\0\0\0${JSON.stringify(sorted)}`);
  return joined([
    new Uint8Array(SIGNATURE),
    chunk("IHDR", header),
    chunk("iTXt", about),
    chunk("IDAT", await deflated(filtered(pixels, width, height))),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** Kind and content of each chunk. */
function* chunksOf(png) {
  if (!SIGNATURE.every((byte, i) => png[i] === byte)) {
    throw new PageError("The file is not a PNG; choose one.");
  }
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let place = SIGNATURE.length; place + 8 <= png.length; ) {
    const length = view.getUint32(place);
    const kind = String.fromCharCode(...png.subarray(place + 4, place + 8));
    yield [kind, png.subarray(place + 8, place + 8 + length)];
    place += length + 12;
  }
}

/** The text of a tEXt or iTXt chunk with our keyword; null for another chunk. */
async function textOf(content, kind) {
  const start = new TextEncoder().encode(`${KEY}\0`);
  if (!start.every((byte, i) => content[i] === byte)) return null;
  if (kind === "tEXt") return new TextDecoder().decode(content.subarray(start.length)); // ASCII
  const packed = content[start.length];
  let place = start.length + 2;
  for (let skipped = 0; skipped < 2 && place > 0; skipped += 1) place = content.indexOf(0, place) + 1;
  const text = content.subarray(place);
  return new TextDecoder().decode(packed ? await inflated(text, MOST_TEXT) : text);
}

/** The description in a PNG's bytes. */
export async function descriptionIn(png) {
  const chunks = [...chunksOf(png)];
  try {
    for (const [kind, content] of chunks) {
      if (kind !== "iTXt" && kind !== "tEXt") continue;
      const text = await textOf(content, kind);
      if (text !== null) return JSON.parse(text);
    }
  } catch {
    throw new PageError("The PNG's description is damaged; choose the file as it was saved.");
  }
  throw new PageError("The PNG has no description by t2a-edge; choose one that t2a-edge wrote.");
}

/** What the filter of a row adds to each byte; see the PNG specification, section 9. */
const ADDED = [
  () => 0,
  (left) => left,
  (left, above) => above,
  (left, above) => (left + above) >> 1,
  nearest,
];

/** Undo the filters; the bytes of the rows. */
function unfiltered(data, row, step, height) {
  const out = new Uint8Array(row * height);
  for (let y = 0; y < height; y += 1) {
    const added = ADDED[data[y * (row + 1)]];
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x < step ? 0 : out[at - step];
      const corner = x < step || !y ? 0 : out[at - row - step];
      out[at] = data[y * (row + 1) + 1 + x] + added(left, y ? out[at - row] : 0, corner);
    }
  }
  return out;
}

/** A colour on white, as Pillow rounds it. */
function onWhite(value, alpha) {
  const sum = value * alpha + 255 * (255 - alpha) + 128;
  return ((sum >> 8) + sum) >> 8;
}

/** { pixels (H, W, 3), width, height } of a PNG of 8 bits, grey or colour, on white where it is transparent. */
export async function pixelsIn(png) {
  const chunks = [...chunksOf(png)];
  const [, header] = chunks.find(([kind]) => kind === "IHDR") ?? [null, new Uint8Array(13)];
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height, channels] = [view.getUint32(0), view.getUint32(4), CHANNELS[header[9]]];
  if (header[8] !== 8 || !channels || header[12] || !(width * height > 0 && width * height <= MOST_PIXELS)) {
    throw new PageError("The PNG is not of a kind that is read here; save it with 8 bits, without interlacing.");
  }
  const row = width * channels;
  const data = joined(chunks.filter(([kind]) => kind === "IDAT").map(([, content]) => content));
  const bytes = await inflated(data, (row + 1) * height).catch(() => null);
  const filters = bytes?.length === (row + 1) * height && bytes.filter((_, i) => i % (row + 1) === 0);
  if (!filters || filters.some((filter) => filter >= ADDED.length)) {
    throw new PageError("The PNG is damaged; choose another picture.");
  }
  const values = unfiltered(bytes, row, channels, height);
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i += 1) {
    const alpha = channels % 2 ? 255 : values[(i + 1) * channels - 1];
    for (let c = 0; c < 3; c += 1) {
      pixels[3 * i + c] = onWhite(values[i * channels + (channels > 2 ? c : 0)], alpha);
    }
  }
  return { pixels, width, height };
}
