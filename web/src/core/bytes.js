// CRC-32, zlib and URL-safe base64.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
const AT_ONCE = 4096; // bytes that become characters in one call

/** CRC-32 as in PNG and zlib. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** One after another. */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Bytes through a stream; what it gives beyond `most` bytes is left off. */
async function piped(bytes, stream, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  for (let size = 0; size < most; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  await reader.cancel();
  const whole = joined(parts);
  return whole.length > most ? whole.subarray(0, most) : whole;
}

/** zlib's format. */
export const deflated = (bytes) => piped(bytes, new CompressionStream("deflate"));

/** The other way, no further than `most` bytes; what is damaged is an error of the stream's. */
export const inflated = (bytes, most) => piped(bytes, new DecompressionStream("deflate"), most);

/** Without padding. */
export function base64FromBytes(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += AT_ONCE) {
    text += String.fromCharCode(...bytes.subarray(start, start + AT_ONCE));
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "");
}

/** null where the text is no base64. */
export function bytesFromBase64(text) {
  if (!/^[\w-]*$/u.test(text) || text.length % 4 === 1) return null;
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}
