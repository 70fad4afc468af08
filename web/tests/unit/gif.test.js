import assert from "node:assert/strict";
import { test } from "node:test";
import { gifFrom, indexed, paletteOf } from "../../src/core/gif.js";
import { picture } from "../vectors.js";

/** The values that GIF's LZW stands for, by the specification. */
function valuesOf(gif, place) {
  const least = gif[place++];
  const data = [];
  for (let size = gif[place]; size; size = gif[place]) {
    data.push(...gif.subarray(place + 1, place + 1 + size));
    place += size + 1;
  }
  const [clear, end] = [2 ** least, 2 ** least + 1];
  let [at, bits, table, last] = [0, least + 1, [], null];
  const out = [];
  for (;;) {
    let code = 0;
    for (let bit = 0; bit < bits; bit += 1, at += 1) code |= ((data[at >> 3] >> (at & 7)) & 1) << bit;
    if (code === end) return { values: out, place: place + 1 };
    if (code === clear) {
      [bits, table, last] = [least + 1, [], null];
      continue;
    }
    const of = (number) => (number < clear ? [number] : table[number - end - 1]);
    const entry = of(code) ?? [...last, last[0]];
    if (last && table.length + end + 1 < 4096) table.push([...last, entry[0]]);
    if (table.length + end + 1 === 2 ** bits && bits < 12) bits += 1;
    out.push(...entry);
    last = entry;
  }
}

test("a GIF says its size, its frames and how long they are shown, and goes on for ever", async () => {
  const frames = [picture(24, 40), picture(24, 40)];
  let rests = 0;
  const gif = await gifFrom([...frames, frames[0]], 83, async () => (rests += 1));
  assert.equal(rests, 2); // the third one is known
  assert.equal(Buffer.from(gif.subarray(0, 6)).toString(), "GIF89a");
  assert.deepEqual([...gif.subarray(6, 10)], [40, 0, 24, 0]);
  assert.match(Buffer.from(gif).toString("latin1"), /NETSCAPE2\.0/u);
  let place = 13 + 19;
  for (let frame = 0; frame < 3; frame += 1) {
    assert.deepEqual([...gif.subarray(place, place + 8)], [0x21, 0xf9, 4, 0, 8, 0, 0, 0]);
    const palette = gif.subarray(place + 18, place + 18 + 768);
    const { values, place: after } = valuesOf(gif, place + 18 + 768);
    assert.deepEqual(palette, paletteOf(frames[0].pixels));
    assert.deepEqual(Uint8Array.from(values), indexed(frames[0].pixels, 40, 24, palette));
    place = after;
  }
  assert.equal(gif[place], 0x3b);
  assert.equal(gif.length, place + 1);
});

test("a large frame fills the table of codes and begins it anew", async () => {
  const large = picture(200, 220);
  const gif = await gifFrom([large], 100);
  const palette = paletteOf(large.pixels);
  assert.deepEqual(Uint8Array.from(valuesOf(gif, 13 + 19 + 18 + 768).values), indexed(large.pixels, 220, 200, palette));
});

test("few colours are kept as they are, of many the nearest is on average near", () => {
  const few = Uint8Array.from({ length: 3 * 64 }, (_, i) => [10, 200, 90][i % 3] + (i < 96 ? 40 : 0));
  const own = paletteOf(few);
  assert.deepEqual([...indexed(few, 8, 8, own)].flatMap((at) => [...own.subarray(3 * at, 3 * at + 3)]), [...few]);
  const { pixels, width, height } = picture(64, 64);
  const palette = paletteOf(pixels);
  const away = [...indexed(pixels, width, height, palette)].map((at, i) =>
    Math.abs(palette[3 * at] - pixels[3 * i]) + Math.abs(palette[3 * at + 1] - pixels[3 * i + 1]));
  assert.ok(away.reduce((sum, one) => sum + one, 0) / away.length < 16);
});

test("one colour alone is a picture too", async () => {
  const gif = await gifFrom([{ pixels: new Uint8Array(3 * 9).fill(77), width: 3, height: 3 }], 100);
  assert.deepEqual(new Set(valuesOf(gif, 13 + 19 + 18 + 768).values).size, 1);
});
