// The specification's test vectors: node --test
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { gumbel, keys, levels } from "./noise.mjs";

const VECTORS = JSON.parse(readFileSync(new URL("../../tests/vectors/noise.json", import.meta.url)));

for (const row of VECTORS.keys) {
  test(`keys of seed ${row.seed}, position ${row.position}`, () => {
    assert.deepEqual(keys(row.seed, row.position), row.keys);
  });
}

for (const row of VECTORS.levels) {
  test(`level of seed ${row.seed}, position ${row.position}, code ${row.code}`, () => {
    const level = levels(row.seed, row.position, row.code + 1)[row.code];
    assert.equal(level, row.level);
    assert.equal(gumbel(level), row.gumbel);
  });
}
