// The fused graph: words and a seed in, pixels out. docs/fused.md describes it.
import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-node";

import { UsageError } from "./errors.mjs";
import { exactOptions } from "./exact.mjs";
import { metadataOf } from "./metadata.mjs";

const MOST = { weight: 4, seed: Number.MAX_SAFE_INTEGER, guidance: 30, temperature: 10 };

/** "warm dark:1.4 -busy" -> [["warm", 1], ["dark", 1.4], ["busy", -1]] */
export function parsePrompt(typed, { max_words: maxWords, max_bytes: maxBytes }) {
  const text = typed.normalize("NFC").toLowerCase().normalize("NFC");
  const terms = text.split(/[\s,;]+/u).filter(Boolean).map(parseTerm);
  if (!terms.length) throw new UsageError('The prompt has no adjectives; type some, such as "warm dark fluid".');
  if (terms.length > maxWords) {
    throw new UsageError(`The prompt has ${terms.length} adjectives; expected at most ${maxWords}. Leave some out.`);
  }
  const long = terms.find(([word]) => Buffer.byteLength(word) > maxBytes);
  if (long) throw new UsageError(`"${long[0]}" has more than ${maxBytes} bytes in UTF-8. Shorten it.`);
  return terms;
}

function parseTerm(token) {
  const found = /^(?<minus>[-\u2212]?)(?<word>[^-\u2212:][^:]*)(:(?<weight>[\d.]+))?$/u.exec(token);
  const weight = Number(found?.groups.weight ?? 1);
  if (!(weight <= MOST.weight)) {
    throw new UsageError(`The prompt has "${token}"; expected an adjective such as dark, dark:1.4 (0 to 4) or -dark.`);
  }
  return [found.groups.word, found.groups.minus ? -weight : weight];
}

function inRange(name, value) {
  if (!(typeof value === "number" && value >= 0 && value <= MOST[name])) {
    throw new UsageError(`The ${name} is ${value}; expected a number from 0 to ${MOST[name]}.`);
  }
  return value;
}

export class Generator {
  /** Loads a fused graph; a UsageError says what is wrong with the file. */
  static async load(path) {
    let bytes;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw new UsageError(`${path} cannot be read (${error.code}); \`make export\` writes dist/base-int8.onnx.`);
    }
    const about = metadataOf(bytes)?.t2a_edge; // JSON that `make export` wrote
    if (!about) throw new UsageError(`${path} is no fused graph of t2a-edge; \`make export\` writes dist/base-int8.onnx.`);
    const generator = new Generator();
    generator.spec = JSON.parse(about).spec;
    const options = await exactOptions({ intraOpNumThreads: 1, interOpNumThreads: 1 });
    try {
      generator.session = await ort.InferenceSession.create(bytes, options);
    } catch (error) {
      throw new UsageError(`${path} cannot be loaded (${error.message}); \`make export\` writes it again.`);
    }
    return generator;
  }

  /** One picture: { pixels, indices, width, height }. */
  async draw(prompt, { seed, guidance = this.spec.guidance_scale, temperature = this.spec.temperature }) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`The seed is ${seed}; expected a whole number from 0 to ${MOST.seed}.`);
    }
    const { max_words: W, max_bytes: bytes, scales } = this.spec;
    const text = new Uint8Array(W * bytes), weights = new Float32Array(W);
    parsePrompt(prompt, this.spec).forEach(([word, weight], row) => {
      text.set(Buffer.from(word), row * bytes);
      weights[row] = weight;
    });
    const positions = scales.reduce((sum, side) => sum + side * side, 0);
    const one = (type, value) => new ort.Tensor(type, [value], [1]);
    const { pixels, indices } = await this.session.run({
      text_bytes: new ort.Tensor("uint8", text, [1, W, bytes]),
      word_weights: new ort.Tensor("float32", weights, [1, W]),
      seed: one("int64", BigInt(seed)),
      guidance_scale: one("float32", inRange("guidance", guidance)),
      temperature: one("float32", inRange("temperature", temperature)),
      given: new ort.Tensor("int64", new BigInt64Array(positions).fill(-1n), [1, positions]),
    });
    const [, height, width] = pixels.dims;
    return { pixels: pixels.data, indices: Array.from(indices.data, Number), width, height };
  }
}
