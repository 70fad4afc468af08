// The same pictures as Python draws, with the engines in WebAssembly: every index, pixel and recipe.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { crc32 } from "../../src/core/bytes.js";
import { formName } from "../../src/core/model.js";
import { parsePrompt } from "../../src/core/prompt.js";
import { packRecipe, unpackRecipe } from "../../src/core/recipe.js";
import { LIKELY, nearestWords } from "../../src/core/words.js";
import { loaded } from "./wasm.js";

const FOLDER = process.env.REFERENCE ?? "/nowhere";
const FILE = join(FOLDER, "drawn.json");
if (!existsSync(FILE)) throw new Error("REFERENCE names no folder with drawn.json; `python -m web.reference` writes one.");
const { rows, nearest } = JSON.parse(readFileSync(FILE, "utf-8"));
const MOST_APART = 1e-5; // of a cosine similarity
let model, manifest;

before(async () => {
  ({ model, manifest } = await loaded(join(FOLDER, "models")));
});

const bytesOf = (told) => told && new Uint8Array(Buffer.from(told.bytes, "hex"));
const termsOf = (text) => parsePrompt(text, manifest);

function requestOf({ told, options }) {
  const [height, width] = told.form?.shape ?? [];
  return {
    terms: termsOf(told.prompt),
    blend: told.blend && { terms: termsOf(told.blend[0]), amount: told.blend[1] },
    seed: told.seed,
    options,
    form: told.form ? { pixels: bytesOf(told.form), width, height } : null,
  };
}

const ACTS = {
  draw: (row, request) => model.draw(request, { size: row.told.tile ?? row.size, tile: Boolean(row.told.tile) }),
  vary: ({ told }, request, picture) => model.vary(picture, told.strength, request),
  inpaint: ({ told }, request, picture) => model.inpaint(picture, bytesOf(told.mask), request, told),
  outpaint: ({ told }, request, picture) => model.outpaint(picture, told.margins, request),
};

const opened = async (recipe) => model.decode(await unpackRecipe(recipe, manifest));

for (const row of rows) {
  test(`${row.name}: the picture that Python draws`, async () => {
    const request = requestOf(row);
    const found = await ACTS[row.how](row, request, row.told.of && (await opened(row.told.of)));
    assert.deepEqual([found.width, found.height], row.size);
    assert.equal(crc32(new Uint8Array(found.indices.buffer)), row.indices);
    assert.equal(crc32(found.pixels), row.pixels);
    assert.equal(formName(request.form), row.form);
    const recipe = await packRecipe(found, manifest);
    if (!found.pasted) assert.equal(recipe, row.recipe); // masks are compressed otherwise
    for (const text of [recipe, row.recipe]) assert.equal(crc32((await opened(text)).pixels), row.pixels);
  });
}

test("each step but the last is shown, nearer and nearer to the picture", async () => {
  const row = rows.find(({ name }) => name === "other options");
  const previews = [];
  const found = await model.draw(requestOf(row), {}, async (step) => previews.push(await model.preview(step)));
  assert.equal(previews.length, row.options.steps - 1);
  const away = (pixels) => pixels.reduce((sum, value, i) => sum + Math.abs(value - found.pixels[i]), 0);
  assert.ok(away(previews.at(-1).pixels) < away(previews[0].pixels));
});

test("unknown words are near to the words that Python says", async () => {
  const found = await nearestWords(model.runner, model.spec, Object.keys(nearest), manifest.vocabulary);
  for (const [i, [word, likeness]] of Object.values(nearest).entries()) {
    if (likeness < LIKELY) assert.equal(found[i], null);
    else {
      assert.equal(found[i].word, word);
      assert.ok(Math.abs(found[i].likeness - likeness) < MOST_APART);
    }
  }
});
