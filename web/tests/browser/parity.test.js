// The same picture in Chromium as in Python, for the same words, seed and options.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { descriptionIn } from "../../src/core/png.js";
import { unpackRecipe } from "../../src/core/recipe.js";
import { fragmentFrom } from "../../src/link.js";
import { manifest, openPage, settled, start } from "../chromium.js";
import { pixelsOf } from "../png-pixels.js";

const REFERENCE = process.env.REFERENCE ?? "/nowhere";
const SAVED = process.env.SAVED; // folder for the page's PNGs, where someone wants them
const MOST_GREY_LEVELS = 1;
if (!existsSync(join(REFERENCE, "cases.json"))) {
  throw new Error("REFERENCE names no folder with cases.json; run `make web-test`, which draws it with Python.");
}
const cases = JSON.parse(readFileSync(join(REFERENCE, "cases.json"), "utf-8"));
let chromium;

before(async () => {
  chromium = await start();
});
after(() => chromium?.close());

async function downloaded(page, number) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  if (SAVED) mkdirSync(SAVED, { recursive: true });
  if (SAVED) await download.saveAs(join(SAVED, `page-${number}.png`));
  return { name: download.suggestedFilename(), png: new Uint8Array(readFileSync(await download.path())) };
}

function mostApart(first, second) {
  assert.equal(first.length, second.length);
  let most = 0;
  for (let i = 0; i < first.length; i += 1) most = Math.max(most, Math.abs(first[i] - second[i]));
  return most;
}

for (const [number, { link, name, indices, recipe, pixels, file }] of cases.entries()) {
  const expected = Buffer.from(pixels, "hex");
  const what = `"${link.prompt}", seed ${link.seed}`;
  test(`${what}: the page draws every index and pixel that Python draws`, async (t) => {
    const { page, context } = await openPage(chromium, { fragment: fragmentFrom(link) });
    const saved = await downloaded(page, number);
    const about = await descriptionIn(saved.png);
    const { indices: own } = await unpackRecipe(about.recipe, manifest);
    const same = own.filter((code, i) => code === indices[i]).length;
    const apart = mostApart(pixelsOf(saved.png), expected);
    t.diagnostic(`${same} of ${indices.length} indices the same, pixels at most ${apart} grey levels apart`);
    assert.equal(same, indices.length);
    assert.equal(about.recipe, recipe);
    assert.ok(apart <= MOST_GREY_LEVELS);
    assert.equal(saved.name, name);
    assert.equal(about.seed, link.seed);
    await context.close();
  });

  test(`${what}: the page opens Python's PNG`, async (t) => {
    const { page, context } = await openPage(chromium, { fragment: "prompt=pale&seed=1&steps=1" });
    await page.setInputFiles("#file", join(REFERENCE, file));
    await page.waitForFunction((wanted) => document.getElementById("recipe").value === wanted, recipe);
    await settled(page);
    assert.equal(await page.inputValue("#prompt"), link.prompt);
    assert.equal(await page.inputValue("#seed"), String(link.seed));
    const opened = pixelsOf((await downloaded(page, `opened-${number}`)).png);
    const apart = mostApart(opened, expected);
    t.diagnostic(`pixels at most ${apart} grey levels apart`);
    assert.ok(apart <= MOST_GREY_LEVELS);
    await context.close();
  });
}
