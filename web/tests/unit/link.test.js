import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SEED, seedOf } from "../../src/core/seeds.js";
import { fragmentFrom, stateFrom } from "../../src/link.js";

const state = {
  prompt: "warm dark:1.4 -busy & тёплый #1 + %",
  seed: MAX_SEED,
  blend: "pale -busy",
  amount: 0.25,
  guidance_scale: 3.5,
  temperature: 0.8,
  steps: 12,
  form_strength: 0.75,
  size: "512x256",
  tile: true,
  changed: "vary",
  form: "0123456789abcdef",
  recipe: "AZ_-09",
};

test("a link says the same when it is read back", () => {
  assert.deepEqual(stateFrom(`#${fragmentFrom(state)}`), state);
});

test("a seed of 0 is a seed; what is not known is left out", () => {
  const bare = { ...state, seed: 0, changed: "", tile: false, recipe: null };
  assert.doesNotMatch(fragmentFrom(bare), /recipe|changed|tile/u);
  assert.deepEqual(stateFrom(fragmentFrom(bare)), { ...bare, changed: null });
});

test("numbers that are none are left out", () => {
  assert.equal(stateFrom("#seed=alice").seed, seedOf("alice"));
  for (const seed of ["", "-1", "1.5", "9007199254740993", "?", " "]) {
    assert.equal(stateFrom(`#seed=${seed}`).seed, null);
  }
  assert.equal(stateFrom("#guidance_scale=8.1").guidance_scale, null);
  assert.equal(stateFrom("#temperature=-0.1").temperature, null);
  for (const steps of ["0", "65", "2.5"]) assert.equal(stateFrom(`#steps=${steps}`).steps, null);
  for (const size of ["256", "256x", "-1x256", "25600x256"]) assert.equal(stateFrom(`#size=${size}`).size, null);
  assert.equal(stateFrom("#size=0512x256").size, "512x256");
  assert.deepEqual(new Set(Object.values(stateFrom(""))), new Set([null, false]));
});

test("a second prompt and its share are there together or not at all", () => {
  for (const fragment of ["blend=pale", "amount=0.5", "blend=pale&amount=2"]) {
    const { blend, amount } = stateFrom(fragment);
    assert.deepEqual([blend, amount], [null, null]);
  }
});
