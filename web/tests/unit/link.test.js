import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SEED, fragmentFrom, stateFrom } from "../../src/link.js";

const state = {
  prompt: "warm dark:1.4 -busy & тёплый #1 + %",
  seed: MAX_SEED,
  guidance: 3.5,
  temperature: 0.8,
  changed: "vary",
  recipe: "AZ_-09",
};

test("a link says the same when it is read back", () => {
  assert.deepEqual(stateFrom(`#${fragmentFrom(state)}`), state);
});

test("a seed of 0 is a seed; what is not known is left out", () => {
  const bare = { ...state, seed: 0, changed: "", recipe: null };
  assert.equal(fragmentFrom(bare).includes("recipe"), false);
  assert.equal(stateFrom(fragmentFrom(bare)).seed, 0);
  assert.equal(stateFrom(fragmentFrom(bare)).changed, null);
});

test("numbers that are none are left out", () => {
  for (const seed of ["", "-1", "1.5", "x", "9007199254740993", "1e99", " "]) {
    assert.equal(stateFrom(`#seed=${seed}`).seed, null);
  }
  assert.equal(stateFrom("#guidance=31").guidance, null);
  assert.equal(stateFrom("#temperature=-0.1").temperature, null);
  assert.deepEqual(new Set(Object.values(stateFrom(""))), new Set([null]));
});
