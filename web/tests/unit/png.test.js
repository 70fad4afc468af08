import assert from "node:assert/strict";
import { test } from "node:test";
import { descriptionOf, fileName } from "../../src/core/description.js";
import { PageError } from "../../src/core/errors.js";
import { descriptionIn, pixelsIn, pngFrom } from "../../src/core/png.js";
import { chunksOf, pixelsOf } from "../png-pixels.js";
import { checked, vectors } from "../vectors.js";

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

const OPTIONS = { guidance_scale: 2.5, steps: 8, form_strength: 1, temperature: 0.5 };

for (const { name, description } of vectors.names) {
  test(`a file is named ${name}, and says of itself what Python's says`, () => {
    const { prompt, blend, amount, changed = "", seed, form = "", size: [width, height], tile } = description;
    const story = { prompt, blend: blend === undefined ? null : [blend, amount], changed, seed, options: OPTIONS, form };
    const layout = { rows: height / 128, columns: width / 128, wrap: tile };
    assert.equal(fileName({ layout, width, height }, story), name);
    assert.deepEqual(descriptionOf({ layout, width, height }, story, "abc", "feed"), description);
  });
}

for (const { mode, file, pixels: wanted } of vectors.pngs) {
  test(`a PNG of Pillow's mode ${mode} has the pixels that Pillow reads`, async () => {
    const found = await pixelsIn(new Uint8Array(Buffer.from(file, "base64")));
    assert.deepEqual([found.width, found.height], [13, 9]);
    assert.equal(checked(found.pixels), wanted);
  });
}

test("the pixels of our own PNG come back; of another kind, or damaged, they are refused", async () => {
  const png = await pngFrom(pixels, WIDTH, HEIGHT, about);
  assert.deepEqual(await pixelsIn(png), { pixels, width: WIDTH, height: HEIGHT });
  const changed = (place, byte) => Uint8Array.from(png, (own, i) => (i === place ? byte : own));
  const data = Buffer.from(png).indexOf("IDAT");
  for (const [bytes, words] of [
    [new Uint8Array([1, 2, 3]), /not a PNG/u],
    [changed(24, 16), /not of a kind/u], // bits
    [changed(25, 3), /not of a kind/u], // a palette
    [changed(28, 1), /not of a kind/u], // interlaced
    [png.subarray(0, 8), /not of a kind/u],
    [changed(23, HEIGHT + 1), /damaged/u],
    [changed(data + 4, 0), /damaged/u],
  ]) {
    await assert.rejects(pixelsIn(bytes), (e) => e instanceof PageError && words.test(e.message), `${words}`);
  }
});
