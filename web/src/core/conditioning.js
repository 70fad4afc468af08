// What a prompt, or the way from one prompt to another, tells the engines: t2a_edge/conditioning.py in JavaScript.
import { modelInputs } from "./prompt.js";

const MIDDLE = 0.5; // of the way to the second prompt, beyond which it chooses the form

/**
 * { embedding (W, T), weights (W,), formWeights (W,) } of the terms of a prompt and perhaps of a second one.
 *
 * Words of the first prompt fade as those of the second one grow; the one with the larger share chooses the form.
 */
export async function conditioning(runner, spec, terms, blend = null) {
  const amount = blend?.amount ?? 0;
  const parts = [[terms, 1 - amount, amount <= MIDDLE], [blend?.terms ?? [], amount, amount > MIDDLE]];
  const typed = parts
    .filter(([, share]) => share > 0)
    .flatMap(([own, share, chooses]) =>
      own.map(({ word, weight }) => ({ word, weight: share * weight, formWeight: chooses ? weight : 0 })),
    );
  const size = Math.max(spec.max_words, typed.length);
  const { textBytes, wordWeights: weights } = modelInputs(typed, { ...spec, max_words: size });
  const formWeights = new Float32Array(size);
  typed.forEach(({ formWeight }, i) => (formWeights[i] = formWeight));
  return { embedding: await runner.text(textBytes, size), weights, formWeights };
}
