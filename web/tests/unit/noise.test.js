// The specification's test vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { choiceNoise, cropNumbers, gumbel, keys, levels, normal, normalNoise } from "../../src/core/noise.js";

const read = (name) => JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url)));
const { keys: ofKeys, levels: ofLevels } = read("noise");
const { table, latents, forms, choices, crops } = read("normals");

for (const row of ofKeys) {
  test(`keys of seed ${row.seed}, position ${row.position}`, () => {
    assert.deepEqual(keys(row.seed, row.position), row.keys);
  });
}

for (const row of ofLevels) {
  test(`level of seed ${row.seed}, position ${row.position}, code ${row.code}`, () => {
    const level = levels(row.seed, row.position, row.code + 1)[row.code];
    assert.equal(level, row.level);
    assert.equal(gumbel(level), row.gumbel);
  });
}

for (const row of table) {
  test(`normal value of level ${row.level}`, () => assert.equal(normal(row.level), row.normal));
}

for (const row of [...latents, ...forms]) {
  test(`normal noise of seed ${row.seed}, position ${row.position}, code ${row.code}`, () => {
    assert.equal(levels(row.seed, row.position, row.code + 1)[row.code], row.level);
    assert.equal(normalNoise(row.seed, [row.position], row.code + 1)[row.code], row.normal);
  });
}

for (const row of choices) {
  test(`noise of the choice of seed ${row.seed}, form ${row.code}`, () => {
    assert.equal(choiceNoise(row.seed, row.code + 1)[row.code], row.gumbel);
  });
}

for (const row of crops) {
  test(`window of seed ${row.seed}`, () => assert.deepEqual(cropNumbers(row.seed), [row.down, row.across]));
}

test("the table of normal values is odd and never falls", () => {
  const values = Array.from({ length: 32749 }, (_, level) => normal(level));
  assert.ok(values.every((value, level) => level === 0 || value >= values[level - 1]));
  assert.ok(values.every((value, level) => value === 0 - values[32748 - level]));
  assert.ok(values.every((value) => !Object.is(value, -0)));
});
