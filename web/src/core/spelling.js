// One spelling for all that looks alike: t2a_edge/spelling.py in JavaScript. docs/prompts.md lists the rules.
import { PageError } from "./errors.js";

const MARK = '"'; // what every quote and bracket is spelled as
const LONG_DASH = "—";
const INSIDE = "'·׳״་"; // belong to a word where it goes on at both sides
const NO_LETTERS = ` ,:.-${MARK}${LONG_DASH}`;
const UNSEEN =
  /[\p{Cf}\ufe00-\ufe0f\u{e0000}-\u{e0fff}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0]/gu;
export const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u;
const DIGIT = /^\p{Nd}$/u;
const CHARACTERS = [ // the first that fits says what a character is
  [/['`´‘’‛′ʹʻʼ՚]/u, "'"],
  [/[:∶꞉]/u, ":"],
  [/[.٫]/u, "."],
  [/[—―⸺⸻]/u, LONG_DASH],
  [/["*<>]/u, MARK],
  [/[,·׳״་]/u, null], // as it is
  [/[\p{Pd}\u2212]/u, "-"],
  [/[\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Pc}]/u, MARK],
  [/[\u{1f3fb}-\u{1f3ff}]/u, null], // tones of an emoji's skin; Unicode has them as Sk
  [SPACE, " "],
  [/[\p{P}\p{Sm}\p{Sc}\p{Sk}]/u, " "],
];
const GROUP =
  "The prompt has a minus or a weight at a quote or bracket that is around several adjectives; " +
  'expected one of its own for each, such as "-busy -dense" or "warm:1.4 dark:1.4".';

export const groupError = () => new PageError(GROUP);

/** Unicode case folding of one character, which JavaScript does not have. */
export function folded(character) {
  if (/[\u13a0-\u13fd\uab70-\uabbf]/u.test(character)) return character.toUpperCase(); // Cherokee
  if (character === "ı") return character;
  const capitals = [...character.toLowerCase()].flatMap((c) => [...c.toUpperCase()]); // ẞ, ß -> SS
  return capitals.map((c) => c.toLowerCase()).join("");
}

function characterOf(character) {
  const [, spelling] = CHARACTERS.find(([kind]) => kind.test(character)) ?? [null, null];
  return spelling ?? character;
}

/** Letters in NFKC and folded; one character each for spaces, marks, dashes and colons. */
export function spelled(text) {
  const seen = text.replace(UNSEEN, "").replaceAll("´", "'").normalize("NFKC"); // NFKC takes ´ apart
  const plain = [...seen].map(folded).join("").normalize("NFKC");
  return inPlace([...plain].map(characterOf));
}

/** What depends on the neighbours: apostrophes, long dashes, decimal commas. */
function inPlace(characters) {
  let number = false; // whether only digits stand behind a colon
  return characters
    .map((typed, place) => {
      let character = typed;
      const [before, after] = [characters[place - 1] ?? " ", characters[place + 1] ?? " "];
      const inside = [before, after].every((c) => !NO_LETTERS.includes(c) && !INSIDE.includes(c));
      if (INSIDE.includes(character) && !inside) character = character === "'" ? MARK : " ";
      else if (character === LONG_DASH) {
        character = NO_LETTERS.includes(before) || NO_LETTERS.includes(after) ? "-" : " ";
      } else if (character === "," && number && DIGIT.test(before) && DIGIT.test(after)) character = ".";
      number = character === ":" || (number && (DIGIT.test(character) || ' "'.includes(character)));
      return character;
    })
    .join("");
}

const strip = (text, start, end) => {
  let [from, to] = [0, text.length];
  while (start && text[from] === start) from += 1;
  while (end && to > from && text[to - 1] === end) to -= 1;
  return text.slice(from, to);
};

/** The parts of what `spelled` gave, and whether a mark opens before one that closes behind another. */
export function tokensOf(text) {
  const words = (t) => t.split(" ").filter(Boolean);
  const together = words(text.replaceAll(",", " ")).join(" ").replaceAll(" :", ":").replaceAll(": ", ":");
  return words(together).flatMap((part) => {
    const at = part.indexOf(":");
    const [word, number] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    if (at >= 0 && word.endsWith(MARK) && !strip(word, "", MARK).includes(MARK)) throw groupError();
    let opened = strip(word, MARK, "");
    if (opened.startsWith(`-${MARK}`)) {
      opened = `-${strip(opened.slice(1), MARK, "")}`;
      if (!(opened + number).includes(MARK)) throw groupError();
    }
    const pieces = opened.split(/"|(?<!\p{Nd})\.|\.(?!\p{Nd})|(?<=[^-])--+/u).filter(Boolean);
    if (at >= 0) pieces.push(`${pieces.pop() ?? ""}:${strip(strip(number, MARK, MARK), "", ".")}`);
    const opens = part.startsWith(MARK) && !strip(part, MARK, "").includes(MARK);
    return pieces.map((token, place) => ({ token, opens: opens && place === 0 }));
  });
}
