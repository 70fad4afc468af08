// The noise of t2a-edge, from its specification: docs/noise.md.
const P = 2n ** 31n - 1n;
const L = 32749;
const STEPS = 4096; // of a Gumbel value, from one whole number to the next

const quintic = (x) => {
  const y = x % P;
  const square = (y * y) % P;
  return (((square * square) % P) * y) % P;
};

/** The three keys of a position; the seed is a whole number from 0 to 2^53 - 1. */
export function keys(seed, position) {
  const half = 2n ** 30n;
  let k = quintic((BigInt(seed) % half) + 0x1f123bb5n);
  k = quintic(k + BigInt(seed) / half + 0x05491333n);
  k = quintic(k + BigInt(position) * 0x2545f491n + 0x3c6ef372n);
  k = quintic(k + 0x1b873593n);
  return [1n, 2n, 3n].map((i) => Number(quintic(k + i * 0x27d4eb2fn) % BigInt(L)));
}

/** The point of a code, (code + 4099)^5 modulo L, and its square. */
function point(code) {
  const base = (code + 4099) % L;
  const square = (base * base) % L;
  const fifth = (((square * square) % L) * base) % L;
  return [fifth, (fifth * fifth) % L];
}

/** The levels of the first `codes` codes of a position, 0 to 32748. */
export function levels(seed, position, codes) {
  const [a, b, c] = keys(seed, position);
  return Array.from({ length: codes }, (_, code) => {
    const [x, square] = point(code);
    return (a * x + b * square + c) % L;
  });
}

/** The Gumbel value of a level, a multiple of 1/4096. */
export const gumbel = (level) =>
  Math.round(-Math.log(-Math.log((level + 0.5) / L)) * STEPS) / STEPS;
