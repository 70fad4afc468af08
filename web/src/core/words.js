// Which known adjective a word is nearest to: `TextToArt.nearest_words` in JavaScript.
import { each } from "./numbers.js";
import { modelInputs } from "./prompt.js";

export const LIKELY = 0.5; // cosine similarity from which a known word is named as near
const known = new WeakMap(); // runner -> unit vectors of the vocabulary

/** The embeddings of some words at length 1. */
async function unitVectors(runner, spec, words) {
  const terms = words.map((word) => ({ word, weight: 1 }));
  const { textBytes } = modelInputs(terms, { ...spec, max_words: words.length });
  const embedding = await runner.text(textBytes, words.length);
  const size = embedding.length / words.length;
  return each(words.length, (i) => {
    const vector = embedding.slice(i * size, (i + 1) * size);
    const length = Math.max(Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)), 1e-8);
    return vector.map((value) => value / length);
  });
}

/** For each word the nearest one of the vocabulary, { word, likeness }, or null where none is `LIKELY`. */
export async function nearestWords(runner, spec, words, vocabulary) {
  if (!known.has(runner)) known.set(runner, await unitVectors(runner, spec, vocabulary));
  const vectors = known.get(runner);
  const found = await unitVectors(runner, spec, words);
  return found.map((own) => {
    let best = { word: "", likeness: -1 };
    vectors.forEach((vector, i) => {
      const likeness = vector.reduce((sum, value, at) => sum + value * own[at], 0);
      if (likeness > best.likeness) best = { word: vocabulary[i], likeness };
    });
    return best.likeness >= LIKELY ? best : null;
  });
}
