// The pixels of a PNG that the page wrote: 8 bits, RGB, every row with the Paeth filter.
import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { crc32 } from "../src/core/bytes.js";

export function chunksOf(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const found = [];
  for (let place = 8; place < png.length; ) {
    const length = view.getUint32(place);
    const named = png.subarray(place + 4, place + 8 + length);
    assert.equal(view.getUint32(place + 8 + length), crc32(named));
    found.push({ kind: String.fromCharCode(...named.subarray(0, 4)), content: named.subarray(4) });
    place += length + 12;
  }
  return found;
}

/** Undo the Paeth filter, as the PNG specification's section 9 writes it. */
function unfiltered(data, width, height) {
  const row = 3 * width;
  const out = new Uint8Array(row * height);
  for (let y = 0; y < height; y += 1) {
    assert.equal(data[y * (row + 1)], 4);
    for (let x = 0; x < row; x += 1) {
      const at = (dy, dx) => (y - dy < 0 || x - dx < 0 ? 0 : out[(y - dy) * row + x - dx]);
      const [a, b, c] = [at(0, 3), at(1, 0), at(1, 3)];
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      const predicted = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      out[y * row + x] = data[y * (row + 1) + 1 + x] + predicted;
    }
  }
  return out;
}

/** (H, W, 3) bytes of such a PNG. */
export function pixelsOf(png) {
  const chunks = chunksOf(png);
  const [header, data] = ["IHDR", "IDAT"].map((kind) => chunks.find((chunk) => chunk.kind === kind).content);
  const view = new DataView(header.buffer, header.byteOffset);
  return unfiltered(inflateSync(data), view.getUint32(0), view.getUint32(4));
}
