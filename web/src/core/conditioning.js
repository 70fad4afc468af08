// What a prompt, or the way from one prompt to another, tells the engines: t2a_edge/conditioning.py in JavaScript.
import { modelInputs } from "./prompt.js";

/**
 * { embedding (W, T), weights (W,), formWeights (W,), otherWeights, share } of a prompt's terms, perhaps of a second one's.
 *
 * Words of the first prompt fade as those of the second one grow. Each chooses a form, by formWeights and otherWeights
 * (null where one prompt chooses), and the picture's lies between them, at the share.
 */
export async function conditioning(runner, spec, terms, blend = null) {
  const amount = blend?.amount ?? 0;
  const parts = [[terms, 1 - amount], [blend?.terms ?? [], amount]].filter(([, share]) => share > 0);
  const typed = parts.flatMap(([own, share]) => own.map(({ word, weight }) => ({ word, weight: share * weight })));
  const size = Math.max(spec.max_words, typed.length);
  const { textBytes, wordWeights: weights } = modelInputs(typed, { ...spec, max_words: size });
  let start = 0;
  const [formWeights, otherWeights = null] = parts.map(([own]) => {
    const choosing = new Float32Array(size);
    own.forEach(({ weight }) => (choosing[start++] = weight));
    return choosing;
  });
  return { embedding: await runner.text(textBytes, size), weights, formWeights, otherWeights, share: amount };
}
