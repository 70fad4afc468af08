// The specification's test vectors of seeds that are texts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PageError } from "../../src/core/errors.js";
import { MAX_SEED, freshSeed, seedOf } from "../../src/core/seeds.js";

const rows = JSON.parse(readFileSync(new URL("../../../tests/vectors/seeds.json", import.meta.url)));

for (const { text, seed } of rows) {
  test(`the seed of ${JSON.stringify(text)}`, () => {
    if (seed === null) assert.throws(() => seedOf(text), PageError);
    else assert.equal(seedOf(text), seed);
  });
}

test("fresh seeds are seeds, and differ", () => {
  const fresh = Array.from({ length: 20 }, freshSeed);
  assert.ok(fresh.every((seed) => Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED));
  assert.ok(new Set(fresh).size > 1);
});
