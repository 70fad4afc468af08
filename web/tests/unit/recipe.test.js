import assert from "node:assert/strict";
import { test } from "node:test";
import { base64FromBytes, bytesFromBase64, crc32 } from "../../src/bytes.js";
import { PageError } from "../../src/errors.js";
import { packRecipe, unpackRecipe } from "../../src/recipe.js";
import { manifest, vectors } from "../vectors.js";

const { spec } = manifest;
const COUNT = spec.scales.reduce((sum, side) => sum + side * side, 0);
const grid = ({ factor, step }) =>
  Int32Array.from({ length: COUNT }, (_, i) => (i * i * factor + step) % spec.codebook_size);
const refused = (text, words) =>
  assert.throws(() => unpackRecipe(text, manifest), (e) => e instanceof PageError && words.test(e.message));

/** A recipe with some bytes changed and its check sum made right again. */
function forged(recipe, change) {
  const bytes = bytesFromBase64(recipe);
  change(bytes);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)));
  return base64FromBytes(bytes);
}

for (const vector of vectors.recipes) {
  test(`a grid of rule ${vector.factor}, ${vector.step} has the recipe that Python gives it`, () => {
    assert.equal(packRecipe(grid(vector), manifest), vector.recipe);
    assert.deepEqual(unpackRecipe(`  ${vector.recipe}\n`, manifest), grid(vector));
  });
}

test("a thousand random grids come back", () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647);
  for (let round = 0; round < 1000; round += 1) {
    const indices = Int32Array.from({ length: COUNT }, () => random() % spec.codebook_size);
    assert.deepEqual(unpackRecipe(packRecipe(indices, manifest), manifest), indices);
  }
});

test("a damaged recipe is refused in a sentence", () => {
  const { recipe } = vectors.recipes[0];
  refused("", /damaged or cut short/u);
  refused("not a recipe!", /characters that no recipe has/u);
  refused(recipe.slice(0, -4), /damaged or cut short/u);
  for (let place = 0; place < recipe.length; place += 97) {
    const other = recipe[place] === "A" ? "B" : "A";
    refused(recipe.slice(0, place) + other + recipe.slice(place + 1), /damaged or cut short/u);
  }
});

test("a recipe of another version, model, layout or code is refused, each with its reason", () => {
  const { recipe } = vectors.recipes[0];
  refused(forged(recipe, (bytes) => (bytes[0] = 2)), /has version 2/u);
  refused(forged(recipe, (bytes) => (bytes[9] = 2)), /flags 2/u);
  refused(forged(recipe, (bytes) => (bytes[3] ^= 1)), /is of the model/u);
  refused(forged(recipe, (bytes) => (bytes[9] = 1)), /seamless/u);
  refused(forged(recipe, (bytes) => (bytes[10] = 3)), /larger/u);
  refused(forged(recipe, (bytes) => (bytes[13] = 8)), /cropped/u);
  refused(forged(recipe, (bytes) => (bytes[bytes.length - 5] |= 1)), /faulty program/u);
});

test("bytes go through base64 and back; other characters are none", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(bytesFromBase64(base64FromBytes(bytes)), bytes);
  assert.equal(base64FromBytes(bytes), Buffer.from(bytes).toString("base64url"));
  for (const text of ["a", "ab=", "a b", "a+b/", "é"]) assert.equal(bytesFromBase64(text), null);
});

test("the check sum is that of PNG and zlib", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});
