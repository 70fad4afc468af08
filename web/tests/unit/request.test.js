// Options of a request, as t2a_edge/request.py declares them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PageError } from "../../src/core/errors.js";
import { OPTIONS, SAMPLING } from "../../src/core/options.js";
import { checked, optionIn, settled } from "../../src/core/request.js";

const spec = { guidance_scale: 2.5, temperature: 0.5, steps: 3, form_strength: 1 };

test("what is told is kept, and the rest is the model's", () => {
  assert.deepEqual(settled({ temperature: 0, steps: null, seed: 7 }, spec), { ...spec, temperature: 0 });
  assert.deepEqual(Object.keys(settled({}, spec)), SAMPLING);
});

test("each option has its range, in a link and in a call", () => {
  for (const [name, { called, least, most, whole }] of Object.entries(OPTIONS)) {
    for (const value of [least, most]) assert.equal(checked(name, value), value);
    for (const value of [least - 1, most + 1, NaN, String(least), null, ...(whole ? [least + 0.5] : [])]) {
      assert.throws(() => checked(name, value), (error) => error instanceof PageError && error.message.startsWith(called));
    }
    assert.equal(optionIn(name, String(least)), least);
    for (const text of [null, "", " ", "x", String(least - 1)]) assert.equal(optionIn(name, text), null);
  }
});
