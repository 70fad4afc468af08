// PNG files with a description inside, as t2a_edge/image.py writes and reads them.
//
// Written here and not by a canvas: some browsers change the pixels that are read from one.
import { crc32 } from "./bytes.js";
import { PageError } from "./errors.js";

const KEY = "t2a-edge";
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PAETH = 4; // number of the filter, which every row has
const MOST_SLUG_BYTES = 80;

async function piped(bytes, stream) {
  const through = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(through).arrayBuffer());
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

function chunk(kind, content) {
  const named = joined([new TextEncoder().encode(kind), content]);
  const whole = new Uint8Array(named.length + 8);
  const view = new DataView(whole.buffer);
  view.setUint32(0, content.length);
  whole.set(named, 4);
  view.setUint32(whole.length - 4, crc32(named));
  return whole;
}

/** Each byte less the one of the three around it that the PNG specification's Paeth picks. */
function filtered(pixels, width, height) {
  const row = 3 * width;
  const out = new Uint8Array((row + 1) * height);
  for (let y = 0, to = 0; y < height; y += 1) {
    out[to++] = PAETH;
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x < 3 ? 0 : pixels[at - 3];
      const above = y ? pixels[at - row] : 0;
      const corner = x < 3 || !y ? 0 : pixels[at - row - 3];
      const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
      out[to++] = pixels[at] - (a <= b && a <= c ? left : b <= c ? above : corner);
    }
  }
  return out;
}

/** (H, W, 3) sRGB bytes and a JSON description -> the bytes of a PNG. */
export async function pngFrom(pixels, width, height, description) {
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]); // 8 bits, RGB
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  const sorted = Object.fromEntries(Object.entries(description).sort(([a], [b]) => (a < b ? -1 : 1)));
  // keyword, NUL, not compressed (2 bytes), no language, no translated keyword, text
  const about = new TextEncoder().encode(`${KEY}\0\0\0\0\0${JSON.stringify(sorted)}`);
  const data = await piped(filtered(pixels, width, height), new CompressionStream("deflate"));
  return joined([
    new Uint8Array(SIGNATURE),
    chunk("IHDR", header),
    chunk("iTXt", about),
    chunk("IDAT", data),
    chunk("IEND", new Uint8Array(0)),
  ]);
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
  return new TextDecoder().decode(packed ? await piped(text, new DecompressionStream("deflate")) : text);
}

/** The description in a PNG's bytes. */
export async function descriptionIn(png) {
  if (!SIGNATURE.every((byte, i) => png[i] === byte)) {
    throw new PageError("The file is not a PNG; choose one that t2a-edge wrote.");
  }
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  try {
    for (let place = SIGNATURE.length; place + 8 <= png.length; ) {
      const length = view.getUint32(place);
      const kind = String.fromCharCode(...png.subarray(place + 4, place + 8));
      if (kind === "iTXt" || kind === "tEXt") {
        const text = await textOf(png.subarray(place + 8, place + 8 + length), kind);
        if (text !== null) return JSON.parse(text);
      }
      place += length + 12;
    }
  } catch {
    throw new PageError("The PNG's description is damaged; choose the file as it was saved.");
  }
  throw new PageError("The PNG has no description by t2a-edge; choose one that t2a-edge wrote.");
}

/** A file name of prompt and seed, as the Python library names it. */
export function fileName(prompt, changed, seed) {
  const spelled = `${prompt.replace(/(^| )-/gu, "$1not ")} ${changed}`;
  let slug = [...spelled.replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^[-_]+|[-_]+$/gu, "")];
  while (new TextEncoder().encode(slug.join("")).length > MOST_SLUG_BYTES) slug = slug.slice(0, -1);
  return `${slug.join("") || "art"}${seed === null ? "" : `-${seed}`}.png`;
}
