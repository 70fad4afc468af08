// What a person types, as bytes for the model: t2a_edge/prompt.py in JavaScript.
import { PageError } from "./errors.js";

const SHOWN_CHARACTERS = 40;
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const NUMBER = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/u;
const DIGIT = /\p{Nd}/u;

const shown = (text) => {
  const characters = [...text];
  const short = characters.length <= SHOWN_CHARACTERS;
  return `"${short ? text : `${characters.slice(0, SHOWN_CHARACTERS - 1).join("")}…`}"`;
};

/** The manifest's case folding as a map: each entry is a character and what becomes of it. */
export function foldsFrom(text) {
  return new Map(
    text.split(" ").map((entry) => {
      const [from, ...to] = entry;
      return [from, to.join("")];
    }),
  );
}

/** NFC, Unicode case folding, NFC. */
export function folded(text, folds) {
  const characters = [...text.normalize("NFC")];
  return characters.map((c) => folds.get(c) ?? c).join("").normalize("NFC");
}

/** Digits of any script as ASCII. Their blocks are runs of ten from the zero on. */
function asciiDigits(text) {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0);
    let zero = code;
    while (DIGIT.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String((code - zero) % 10);
  });
}

function checkCharacters(text) {
  if (!text.isWellFormed()) {
    throw new PageError("The prompt is not valid UTF-8; expected text. Type the adjectives again.");
  }
  const control = /(?![\t-\r\x1c-\x1f\x85])\p{Cc}/u.exec(text);
  if (control) {
    const code = control[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw new PageError(
      `The prompt has the control character U+${code}; expected adjectives. Type them again without it.`,
    );
  }
}

function termOf(token, { minus, max_weight: most }) {
  const at = token.indexOf(":");
  let word = at < 0 ? token : token.slice(0, at);
  const sign = word && minus.includes([...word][0]) ? -1 : 1;
  if (sign < 0) word = word.slice(1);
  if (!word || minus.includes([...word][0])) {
    throw new PageError(
      `The prompt has ${shown(token)}; expected an adjective, with one minus before it if it is to ` +
        'be avoided, such as "-busy".',
    );
  }
  if (at < 0) return { word, weight: sign };
  const number = asciiDigits(token.slice(at + 1));
  const weight = NUMBER.test(number) ? Number(number.replaceAll("_", "")) : NaN;
  if (!(weight >= 0 && weight <= most)) {
    throw new PageError(
      `The prompt has ${shown(token)}; expected a weight from 0 to ${most} behind the colon, such ` +
        'as "dark:1.4".',
    );
  }
  return { word, weight: sign * weight + 0 };
}

/** "warm dark:1.4 -busy" -> [{word, weight}]; the manifest says how much fits. */
export function parsePrompt(typed, manifest) {
  const { max_words: maxWords, max_bytes: maxBytes } = manifest.spec;
  checkCharacters(typed);
  let text = folded(typed, manifest.folds);
  for (const separator of manifest.prompt.separators) text = text.replaceAll(separator, " ");
  const terms = text
    .split(SPACE)
    .filter(Boolean)
    .map((token) => termOf(token, manifest.prompt));
  if (!terms.length) {
    throw new PageError('The prompt has no adjectives; type some, such as "warm dark fluid".');
  }
  if (terms.length > maxWords) {
    throw new PageError(
      `The prompt has ${terms.length} adjectives; expected at most ${maxWords}. Leave some out.`,
    );
  }
  for (const { word } of terms) {
    const size = new TextEncoder().encode(word).length;
    if (size > maxBytes) {
      throw new PageError(
        `The adjective ${shown(word)} has ${size} bytes; expected at most ${maxBytes}. Shorten it.`,
      );
    }
  }
  return terms;
}

/** A number as Python writes it. */
function digits(size) {
  if (size === 0 || size >= 1e-4) return String(size);
  return size.toExponential().replace(/e-(\d)$/u, "e-0$1");
}

/** One term as one would type it. */
export function termText({ word, weight }) {
  const size = digits(Math.abs(weight));
  return `${weight < 0 ? "-" : ""}${word}${size === "1" ? "" : `:${size}`}`;
}

/** The terms as one line. */
export const promptText = (terms) => terms.map(termText).join(" ");

/** Terms as the model takes them: text bytes (W, L) and word weights (W,). */
export function modelInputs(terms, { max_words: maxWords, max_bytes: maxBytes }) {
  const textBytes = new Uint8Array(maxWords * maxBytes);
  const wordWeights = new Float32Array(maxWords);
  terms.forEach(({ word, weight }, row) => {
    textBytes.set(new TextEncoder().encode(word), row * maxBytes);
    wordWeights[row] = weight;
  });
  return { textBytes, wordWeights };
}

/** The terms with the weight of one word set; 0 takes it out, a new word goes to the end. */
export function withWeight(terms, word, weight) {
  if (!weight) return terms.filter((term) => term.word !== word);
  if (terms.some((term) => term.word === word)) {
    return terms.map((term) => (term.word === word ? { word, weight } : term));
  }
  return [...terms, { word, weight }];
}

const mean = (weights) => weights.reduce((sum, weight) => sum + weight, 0) / (weights.length || 1);

/**
 * The words of two prompts with weights mixed: `share` 0 is the first, 1 the second.
 *
 * Wanted words keep the mean weight that lies between both prompts', so that a frame in the middle
 * pulls as much as its ends; so do avoided ones.
 */
export function mixedTerms(first, second, share) {
  if (share <= 0) return first;
  if (share >= 1) return second;
  const weights = new Map();
  for (const [terms, part] of [[first, 1 - share], [second, share]]) {
    for (const { word, weight } of terms) {
      weights.set(word, (weights.get(word) ?? 0) + part * weight);
    }
  }
  let terms = [...weights].map(([word, weight]) => ({ word, weight }));
  for (const sign of [1, -1]) {
    const those = (list) => list.filter((t) => sign * t.weight > 0).map((t) => t.weight);
    const wanted = (1 - share) * mean(those(first)) + share * mean(those(second));
    const factor = those(terms).length ? wanted / mean(those(terms)) : 1;
    terms = terms.map((t) => (sign * t.weight > 0 ? { ...t, weight: t.weight * factor } : t));
  }
  return terms.map((t) => ({ ...t, weight: Math.max(-4, Math.min(4, Number(t.weight.toFixed(3)))) }));
}
