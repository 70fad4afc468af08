// Seeds: whole numbers that name a picture, and texts that stand for one; docs/noise.md. The one place for fresh ones.
import { sha256 } from "./digest.js";
import { PageError } from "./errors.js";

export const MAX_SEED = Number.MAX_SAFE_INTEGER;
const WHITE_SPACE = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/gu;
const HASHED_DIGITS = 16; // of a text's SHA-256, that its seed is made of

export const freshSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

/** The seed that a text stands for; a PageError if it is none. */
export function seedOf(text) {
  const own = text.replace(WHITE_SPACE, "");
  const number = /^[0-9]+$/u.test(own);
  if (number && Number(own) <= MAX_SEED) return Number(own);
  if (number || /\p{Cs}/u.test(own) || !/[A-Za-z]|[^\x00-\x7f]/u.test(own)) {
    const expected = `a whole number from 0 to ${MAX_SEED}, or a text that has a letter, such as alice`;
    throw new PageError(`The seed is "${text}"; expected ${expected}.`);
  }
  const start = sha256(new TextEncoder().encode(own)).slice(0, HASHED_DIGITS);
  return Number(BigInt(`0x${start}`) & BigInt(MAX_SEED));
}
