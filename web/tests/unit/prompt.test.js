import assert from "node:assert/strict";
import { test } from "node:test";
import { PageError } from "../../src/core/errors.js";
import { modelInputs, parsePrompt, promptText, readPrompt, withWeight } from "../../src/core/prompt.js";
import { folded } from "../../src/core/spelling.js";
import { manifest, prompts } from "../vectors.js";

const parse = (typed) => parsePrompt(typed, manifest);

for (const { typed, terms, others, text, error } of prompts) {
  test(`reads ${JSON.stringify(typed.slice(0, 40))} as Python does`, () => {
    if (error !== undefined) {
      assert.throws(() => parse(typed), (thrown) => thrown instanceof PageError && thrown.message === error);
      return;
    }
    const { terms: read, others: beside } = readPrompt(typed, manifest);
    assert.deepEqual(beside, others);
    assert.deepEqual(read.map(({ word, weight }) => [word, weight]), terms);
    assert.ok(read.every(({ weight }) => !Object.is(weight, -0)));
    assert.equal(promptText(read), text);
    assert.deepEqual(parse(promptText(read)), read);
  });
}

test("the vectors have both prompts that are read and prompts that are not", () => {
  assert.ok(prompts.filter(({ terms }) => terms).length > 50);
  assert.ok(prompts.filter(({ error }) => error).length > 40);
});

test("case folding is Unicode's, not lower case", () => {
  const pairs = { A: "a", a: "a", ß: "ss", ẞ: "ss", ς: "σ", Σ: "σ", ı: "ı", ſ: "s", µ: "μ", "ᾼ": "αι", Ꭰ: "Ꭰ", ꭰ: "Ꭰ", ᏸ: "Ᏸ" };
  for (const [typed, wanted] of Object.entries(pairs)) assert.equal(folded(typed), wanted, typed);
  assert.equal(folded("İ"), "i\u0307");
});

test("words become zero-padded bytes and weights", () => {
  const { textBytes, wordWeights } = modelInputs(parse("é -busy:0.5"), manifest.spec);
  assert.equal(textBytes.length, 8 * 32);
  assert.deepEqual([...textBytes.subarray(0, 3)], [0xc3, 0xa9, 0]);
  assert.deepEqual([...textBytes.subarray(32, 37)], [...Buffer.from("busy"), 0]);
  assert.deepEqual([...wordWeights], [1, -0.5, 0, 0, 0, 0, 0, 0]);
});

test("a weight is set in place, a new word goes to the end, none takes it out", () => {
  const terms = parse("warm dark");
  assert.equal(promptText(withWeight(terms, "warm", 2)), "warm:2 dark");
  assert.equal(promptText(withWeight(terms, "calm", 0.5)), "warm dark calm:0.5");
  assert.equal(promptText(withWeight(terms, "warm", 0)), "dark");
  assert.equal(promptText(withWeight(terms, "calm", 0)), "warm dark");
});
