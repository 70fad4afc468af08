// The description of a picture in its PNG, where the Python library looks for it.
import { crc32 } from "./bytes.js";

const KEY = "t2a-edge";
const HEADER = 33; // signature and IHDR

/** A PNG's bytes with an iTXt chunk behind its header. */
export function withDescription(png, description) {
  const sorted = Object.fromEntries(Object.entries(description).sort(([a], [b]) => (a < b ? -1 : 1)));
  const encoder = new TextEncoder();
  // keyword, NUL, not compressed (2 bytes), no language, no translated keyword, text
  const content = encoder.encode(`iTXt${KEY}\0\0\0\0\0${JSON.stringify(sorted)}`);
  const chunk = new Uint8Array(content.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, content.length - 4);
  chunk.set(content, 4);
  view.setUint32(chunk.length - 4, crc32(content));
  const whole = new Uint8Array(png.length + chunk.length);
  whole.set(png.subarray(0, HEADER));
  whole.set(chunk, HEADER);
  whole.set(png.subarray(HEADER), HEADER + chunk.length);
  return whole;
}

/** A file name of prompt and seed. */
export function fileName(prompt, seed) {
  const spelled = prompt.replace(/(^| )-/gu, "$1not ");
  const slug = spelled.replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^[-_]+|[-_]+$/gu, "");
  return `${slug.slice(0, 60) || "art"}${seed === null ? "" : `-${seed}`}.png`;
}
