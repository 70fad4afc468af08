// Numbers as numpy has them: float32 operations rounded one by one, halves to the even neighbour.
export const f32 = Math.fround;

/** The nearest whole number; the even one of two that are as near. */
export function rounded(value) {
  const below = Math.floor(value);
  const part = value - below;
  if (part !== 0.5) return part < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

export const clipped = (value, least, most) => Math.min(Math.max(value, least), most);

/** Whole quotient and remainder of numbers of 0 or more. */
export const divided = (number, by) => [Math.floor(number / by), number % by];

/** The numbers from 0 on, as many as asked for, each through a function. */
export const each = (count, of = (i) => i) => Array.from({ length: count }, (_, i) => of(i));
