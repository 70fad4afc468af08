// What a person types, as bytes for the model: t2a_edge/prompt.py in JavaScript.
import { PageError } from "./errors.js";
import { groupError, spelled, tokensOf } from "./spelling.js";

const SHOWN_CHARACTERS = 40;
const MOST_WEIGHT = 4;
const NEGATIONS = new Set("not no without never neither nor".split(" "));
const DEGREES = new Map(Object.entries({ // words that change the weight of the adjective behind them
  slightly: 0.5, somewhat: 0.5, bit: 0.5, less: 0.5,
  very: 1.5, really: 1.5, highly: 1.5, more: 1.5, extremely: 2,
  quite: 1, rather: 1, fairly: 1, too: 1, so: 1,
}));
const ALTERNATIVE = "or"; // goes on with a negation: "not busy or dense" avoids both
const LEFT_OUT = new Set(
  ("a an the this that which it is as in of with and or but also both plus please picture pictures image images " +
    "photo photos photograph photographs painting paintings drawing drawings illustration illustrations " +
    "artwork artworks art colour colours color colors").split(" "),
);
const NUMBER = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/u;
const SIGNED = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/u;
const NO_START = /^[\p{M}'·׳״་]+/u; // accents and the like that have no letter before them
const DIGIT = /\p{Nd}/u;

const shown = (text) => {
  const characters = [...text];
  const short = characters.length <= SHOWN_CHARACTERS;
  return `"${short ? text : `${characters.slice(0, SHOWN_CHARACTERS - 1).join("")}…`}"`;
};

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

const noAdjective = (token) =>
  new PageError(
    `The prompt has ${shown(token)}; expected an adjective, with one minus before it if it is to be ` +
      'avoided, such as "-busy".',
  );

const twiceAvoided = (text) =>
  new PageError(`The prompt has ${shown(text)}; expected one "not" or one minus, such as "-busy".`);

/** A token as a term; null where nothing is left of it. */
function termOf(token) {
  const at = token.indexOf(":");
  let word = (at < 0 ? token : token.slice(0, at)).replace(NO_START, "");
  if (!word && at < 0) return null;
  const sign = word.startsWith("-") ? -1 : 1;
  word = word.replace(/^-/u, "").replace(NO_START, "");
  while (word.endsWith("-")) word = word.slice(0, -1);
  if (!word || word.startsWith("-")) throw noAdjective(token);
  let weight = 1;
  if (at >= 0) {
    const number = asciiDigits(token.slice(at + 1));
    weight = SIGNED.test(number) ? Number(number) : NaN;
    if (!(weight >= 0 && weight <= MOST_WEIGHT)) {
      throw new PageError(
        `The prompt has ${shown(token)}; expected a weight from 0 to ${MOST_WEIGHT} behind the colon, such ` +
          'as "dark:1.4".',
      );
    }
  }
  if (!/[\p{L}\p{S}\p{C}]/u.test(word) || NUMBER.test(asciiDigits(word))) {
    throw new PageError(
      `The prompt has the number ${shown(word)}; expected adjectives, and a number only as a weight behind ` +
        'a colon, such as "dark:1.4".',
    );
  }
  return { word, weight: sign * weight + 0 };
}

/** What is no adjective changes how the next one is read, or is left out. */
function read(tokens) {
  const [terms, others] = [[], new Set()];
  let [negation, degree, goesOn] = ["", 1, false];
  for (const { token, opens } of tokens) {
    if (opens && (negation || degree !== 1)) throw groupError();
    const term = termOf(token);
    if (!term) continue;
    const { word } = term;
    if (!NEGATIONS.has(word) && !DEGREES.has(word) && !LEFT_OUT.has(word)) {
      if (negation && term.weight < 0) throw twiceAvoided(`${negation} -${word}`);
      if (negation) term.weight = -term.weight + 0;
      else if (degree !== 1) {
        term.weight = Math.sign(term.weight) * Math.min(Math.abs(term.weight) * degree, MOST_WEIGHT) + 0;
      }
      [goesOn, negation, degree] = [Boolean(negation), "", 1];
      terms.push(term);
      continue;
    }
    if (token.startsWith("-") || token.includes(":")) throw noAdjective(token);
    if (NEGATIONS.has(word)) {
      if (negation) throw twiceAvoided(`${negation} ${word}`);
      negation = word;
    } else if (DEGREES.has(word)) degree *= DEGREES.get(word);
    else if (word === ALTERNATIVE && goesOn && !negation) negation = word;
    others.add(word);
  }
  if (negation) {
    throw new PageError(
      `The prompt ends with "${negation}"; expected an adjective behind it, such as "not busy".`,
    );
  }
  return { terms, others: [...others] };
}

/** "a warm, not busy picture" -> terms [{word, weight}] and the other words; the manifest says how much fits. */
export function readPrompt(typed, { spec: { max_words: maxWords, max_bytes: maxBytes } }) {
  checkCharacters(typed);
  const { terms, others } = read(tokensOf(spelled(typed)));
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
  return { terms, others };
}

/** The terms alone. */
export const parsePrompt = (typed, manifest) => readPrompt(typed, manifest).terms;

/** A number as Python writes it. */
export function digits(size) {
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
