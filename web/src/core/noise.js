// The noise of t2a-edge, from its specification: docs/noise.md.
const P = 2n ** 31n - 1n;
const L = 32749;
const STEPS = 4096; // of a value, from one whole number to the next
const OF_CHOICE = 2 ** 21; // number of the position of the choice of a form
const OF_CROP = OF_CHOICE + 1; // of the window that the form is cut to
const CROPS = [16, 32]; // windows down and across
export const OF_LATENTS = 2 ** 20; // of the first position of a picture's latents
export const OF_FORM = 2 ** 22; // of the first row of a form

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
export const gumbel = (level) => Math.round(-Math.log(-Math.log((level + 0.5) / L)) * STEPS) / STEPS;

// Wichura 1988, AS 241, PPND16: the coefficients of three quotients of polynomials, from the highest power down
const MIDDLE = [
  [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.387132872796366608],
  [5.226495278852545925e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.394196021424751107e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1],
];
const OUTER = [
  [7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
  [1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
    6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1],
];

const quotient = ([above, below], x) => {
  const value = (coefficients) => coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
  return value(above) / value(below);
};

/** Inverse of the standard normal distribution function, for shares from 1e-11 to 1 - 1e-11. */
function probit(share) {
  const away = share - 0.5;
  if (Math.abs(away) <= 0.425) return away * quotient(MIDDLE, 0.180625 - away * away);
  const tail = Math.sqrt(-Math.log(Math.min(share, 1 - share)));
  return Math.sign(away) * quotient(OUTER, tail - 1.6);
}

/** The normal value of a level, a multiple of 1/4096. */
export function normal(level) {
  const size = Math.round(Math.abs(probit((level + 0.5) / L)) * STEPS) / STEPS;
  return 2 * level < L - 1 && size ? -size : size;
}

/** A function of levels that works each value out once: a picture needs a part of them. */
function remembered(value) {
  const known = new Float32Array(L).fill(NaN);
  return (level) => {
    if (Number.isNaN(known[level])) known[level] = value(level);
    return known[level];
  };
}
const gumbelOf = remembered(gumbel);
const normalOf = remembered(normal);

/** Standard normal noise of some positions, (positions, codes), row by row. */
export function normalNoise(seed, positions, codes) {
  const noise = new Float32Array(positions.length * codes);
  positions.forEach((position, row) => {
    noise.set(levels(seed, position, codes).map(normalOf), row * codes);
  });
  return noise;
}

/** Standard Gumbel noise on the score of each form of a bank. */
export const choiceNoise = (seed, forms) =>
  Float32Array.from(levels(seed, OF_CHOICE, forms), gumbelOf);

/** Which windows a form is cut to, down and across. */
export const cropNumbers = (seed) => levels(seed, OF_CROP, CROPS.length).map((level, axis) => level % CROPS[axis]);
