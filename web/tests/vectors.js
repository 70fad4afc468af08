// What Python made of the same input: written by vectors.py.
import { readFileSync } from "node:fs";
import { crc32 } from "../src/core/bytes.js";

const file = new URL("../../tests/web/vectors.json", import.meta.url);
export const vectors = JSON.parse(readFileSync(file, "utf-8"));
export const { manifest } = vectors;
export const prompts = JSON.parse(readFileSync(new URL("../../tests/vectors/prompts.json", import.meta.url), "utf-8"));

export const layoutOf = ({ layout: [rows, columns, wrap] }) => ({ rows, columns, wrap });

/** The CRC-32 of an array's bytes. */
export const checked = (values) => crc32(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

/** The picture that web/reference.py makes by a rule: { pixels, width, height }. */
export function picture(height, width) {
  const pixels = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const away = (y - Math.floor(height / 3)) ** 2 + (x - Math.floor(width / 2)) ** 2;
      const disc = away < Math.floor(height / 4) ** 2;
      pixels.set([y * 3 + x, disc ? 200 : 0, Math.floor((y * x) / 5)], 3 * (y * width + x)); // modulo 256
    }
  }
  return { pixels, width, height };
}
