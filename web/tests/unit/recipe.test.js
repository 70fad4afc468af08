import assert from "node:assert/strict";
import { test } from "node:test";
import { base64FromBytes, bytesFromBase64, crc32, deflated, inflated } from "../../src/core/bytes.js";
import { PageError } from "../../src/core/errors.js";
import { PLAIN, positionsOf, windowsOf } from "../../src/core/layout.js";
import { packRecipe, unpackRecipe } from "../../src/core/recipe.js";
import { layoutOf, manifest, vectors } from "../vectors.js";

const { spec } = manifest;
const SHOWN = [0, 0, 256, 256];
const [RULE] = vectors.recipes;

const indicesOf = ({ factor, step }, layout) =>
  Int32Array.from(
    { length: windowsOf(layout).length * positionsOf(spec) },
    (_, i) => (i * i * factor + step) % spec.codebook_size,
  );
const plain = (indices) => ({ indices, layout: PLAIN, crop: SHOWN, pasted: null });
const refused = (text, words) =>
  assert.rejects(unpackRecipe(text, manifest), (e) => e instanceof PageError && words.test(e.message));

/** A recipe with some bytes changed and its check sum made right again. */
function forged(recipe, change) {
  const bytes = bytesFromBase64(recipe);
  change(bytes);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)));
  return base64FromBytes(bytes);
}

for (const vector of vectors.recipes) {
  test(`indices of rule ${vector.factor}, ${vector.step} have the recipe that Python gives them`, async () => {
    const layout = layoutOf(vector);
    const recipe = { indices: indicesOf(vector, layout), layout, crop: vector.crop, pasted: null };
    assert.equal(await packRecipe(recipe, manifest), vector.recipe);
    assert.deepEqual(await unpackRecipe(`  ${vector.recipe}\n`, manifest), recipe);
  });
}

test("the recipe of an inpainted picture is read as Python wrote it, and comes back", async () => {
  const first = await unpackRecipe(vectors.pasted.recipe, manifest);
  assert.equal(first.pasted.feather, 7);
  assert.equal(first.pasted.under.pasted.feather, 8);
  assert.equal(crc32(first.pasted.under.pasted.mask), vectors.pasted.mask);
  assert.deepEqual(first.pasted.under.pasted.under, plain(indicesOf(RULE, PLAIN)));
  assert.deepEqual(await unpackRecipe(await packRecipe(first, manifest), manifest), first);
});

test("a hundred random pictures come back", async () => {
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647);
  for (let round = 0; round < 100; round += 1) {
    const recipe = plain(Int32Array.from({ length: positionsOf(spec) }, () => random() % spec.codebook_size));
    assert.deepEqual(await unpackRecipe(await packRecipe(recipe, manifest), manifest), recipe);
  }
});

test("a picture that was inpainted too often is refused", async () => {
  let recipe = plain(indicesOf(RULE, PLAIN));
  const mask = new Uint8Array(256 * 256).fill(1, 0, 999);
  for (let times = 0; times < 16; times += 1) recipe = { ...recipe, pasted: { mask, feather: 8, under: recipe } };
  const text = await packRecipe(recipe, manifest);
  assert.deepEqual(await unpackRecipe(text, manifest), recipe);
  const once_more = { ...recipe, pasted: { mask, feather: 8, under: recipe } };
  await assert.rejects(packRecipe(once_more, manifest), /inpainted 17 times over/u);
});

test("a damaged recipe is refused in a sentence", async () => {
  const { recipe } = RULE;
  await refused("", /damaged or cut short/u);
  await refused("not a recipe!", /characters that no recipe has/u);
  await refused(recipe.slice(0, -4), /damaged or cut short/u);
  for (let place = 0; place < recipe.length; place += 97) {
    const other = recipe[place] === "A" ? "B" : "A";
    await refused(recipe.slice(0, place) + other + recipe.slice(place + 1), /damaged or cut short/u);
  }
});

test("a recipe of another version, model, layout or code is refused, each with its reason", async () => {
  const { recipe } = RULE;
  await refused(forged(recipe, (bytes) => (bytes[0] = 1)), /version 1: a model that drew scale by scale made it/u);
  await refused(forged(recipe, (bytes) => (bytes[0] = 5)), /has version 5/u);
  await refused(forged(recipe, (bytes) => (bytes[9] = 2)), /flags 2/u);
  await refused(forged(recipe, (bytes) => (bytes[3] ^= 1)), /is of the model/u);
  await refused(forged(recipe, (bytes) => (bytes[10] = 3)), /do not fit together/u);
  await refused(forged(recipe, (bytes) => (bytes[10] = 0)), /do not fit together/u);
  await refused(forged(recipe, (bytes) => (bytes[16] = 2)), /do not fit together/u);
  await refused(forged(recipe, (bytes) => (bytes[bytes.length - 5] |= 1)), /do not fit together/u);
  const pasted = bytesFromBase64(vectors.pasted.recipe);
  const place = 20 + Math.ceil((positionsOf(spec) * 9) / 8); // of the feather
  assert.equal(pasted[place], 7);
  await refused(forged(vectors.pasted.recipe, (bytes) => (bytes[place] = 9)), /mask does not fit/u);
  await refused(forged(vectors.pasted.recipe, (bytes) => (bytes[place + 9] ^= 255)), /mask does not fit/u);
});

test("bytes go through base64 and back; other characters are none", () => {
  const bytes = Uint8Array.from({ length: 70000 }, (_, i) => (i * i) >> 3);
  assert.deepEqual(bytesFromBase64(base64FromBytes(bytes)), bytes);
  assert.equal(base64FromBytes(bytes), Buffer.from(bytes).toString("base64url"));
  for (const text of ["a", "ab=", "a b", "a+b/", "é"]) assert.equal(bytesFromBase64(text), null);
});

test("what is unpacked ends where it should", async () => {
  const zeros = await deflated(new Uint8Array(1_000_000));
  assert.deepEqual(await inflated(zeros, 2_000_000), new Uint8Array(1_000_000));
  assert.deepEqual(await inflated(zeros, 10), new Uint8Array(10));
  await assert.rejects(inflated(new Uint8Array([1, 2, 3]), 10));
});

test("the check sum is that of PNG and zlib", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});
