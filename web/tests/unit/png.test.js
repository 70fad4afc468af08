import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { crc32 } from "../../src/bytes.js";
import { PageError } from "../../src/errors.js";
import { descriptionIn, fileName, pngFrom } from "../../src/png.js";
import { vectors } from "../vectors.js";

const [WIDTH, HEIGHT] = [19, 11];
const pixels = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => (i * i * 31 + i * 7) % 256);
const about = { seed: 7, prompt: "warm “тёплый” 🔥", recipe: "abc", blend: null };

function chunksOf(png) {
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

test("the PNG holds exactly the pixels, in whole chunks with right check sums", async () => {
  const chunks = chunksOf(await pngFrom(pixels, WIDTH, HEIGHT, about));
  assert.deepEqual(chunks.map(({ kind }) => kind), ["IHDR", "iTXt", "IDAT", "IEND"]);
  assert.deepEqual([...chunks[0].content], [0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0]);
  assert.deepEqual(unfiltered(inflateSync(chunks[2].content), WIDTH, HEIGHT), pixels);
});

test("the description comes back", async () => {
  assert.deepEqual(await descriptionIn(await pngFrom(pixels, WIDTH, HEIGHT, about)), about);
});

test("what is no PNG, has no description or a damaged one is refused in a sentence", async () => {
  const png = await pngFrom(pixels, WIDTH, HEIGHT, about);
  const text = Buffer.from(png).indexOf("iTXt");
  const cases = [
    [new Uint8Array([1, 2, 3]), /not a PNG/u],
    [png.subarray(0, 8), /no description/u],
    [png.subarray(0, text + 40), /damaged/u],
    [Uint8Array.from(png, (byte, i) => (i === text + 5 ? 65 : byte)), /no description/u],
  ];
  for (const [bytes, words] of cases) {
    await assert.rejects(descriptionIn(bytes), (e) => e instanceof PageError && words.test(e.message));
  }
});

for (const { prompt, changed, seed, name } of vectors.names) {
  test(`a file is named ${name}, as in Python`, () => assert.equal(fileName(prompt, changed, seed), name));
}
