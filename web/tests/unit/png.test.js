import assert from "node:assert/strict";
import { test } from "node:test";
import { PageError } from "../../src/errors.js";
import { descriptionIn, fileName, pngFrom } from "../../src/png.js";
import { chunksOf, pixelsOf } from "../png-pixels.js";
import { vectors } from "../vectors.js";

const [WIDTH, HEIGHT] = [19, 11];
const pixels = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => (i * i * 31 + i * 7) % 256);
const about = { seed: 7, prompt: "warm “тёплый” 🔥", recipe: "abc", blend: null };

test("the PNG holds exactly the pixels, in whole chunks with right check sums", async () => {
  const png = await pngFrom(pixels, WIDTH, HEIGHT, about);
  const chunks = chunksOf(png);
  assert.deepEqual(chunks.map(({ kind }) => kind), ["IHDR", "iTXt", "IDAT", "IEND"]);
  assert.deepEqual([...chunks[0].content], [0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0]);
  assert.deepEqual(pixelsOf(png), pixels);
});

test("the description comes back", async () => {
  assert.deepEqual(await descriptionIn(await pngFrom(pixels, WIDTH, HEIGHT, about)), about);
});

test("a description in a tEXt chunk is read, as Python writes it", async () => {
  const png = Buffer.from(await pngFrom(pixels, WIDTH, HEIGHT, about));
  const text = Buffer.from("t2a-edge\0" + JSON.stringify({ seed: 7, prompt: "\u6696" }));
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from("tEXt"), text, Buffer.alloc(4)]);
  chunk.writeUInt32BE(text.length);
  const place = 8 + 25; // after the signature and IHDR
  const written = Buffer.concat([png.subarray(0, place), chunk, png.subarray(place)]);
  assert.deepEqual(await descriptionIn(new Uint8Array(written)), { seed: 7, prompt: "\u6696" });
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
