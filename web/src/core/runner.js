// The six engines of a bundle, whichever onnxruntime runs them: t2a_edge/runner.py in JavaScript.
import { SIDE } from "./form.js";
import { positionsOf, sideOf } from "./layout.js";
import { each } from "./numbers.js";

export const ENGINES = ["text", "forms", "painter", "composer", "encoder", "decoder"];

/** Equal parts of what an engine gave, one for each window. */
const parted = (data, count) => {
  const size = data.length / count;
  return each(count, (i) => data.slice(i * size, (i + 1) * size));
};

function joined(parts) {
  const whole = new parts[0].constructor(parts.length * parts[0].length);
  parts.forEach((part, i) => whole.set(part, i * part.length));
  return whole;
}

export class Runner {
  #ort;
  #sessions;
  #latents; // shape of a window's
  #positions;

  /** `sessions` has one for each of `ENGINES`, of the onnxruntime that `ort` is; `spec` is the bundle's. */
  constructor(ort, sessions, spec) {
    this.#ort = ort;
    this.#sessions = sessions;
    this.#latents = [sideOf(spec) ** 2, spec.depth];
    this.#positions = positionsOf(spec);
  }

  #numbers(values, ...shape) {
    return new this.#ort.Tensor("float32", values, shape);
  }

  #integers(values, ...shape) {
    return new this.#ort.Tensor("int64", BigInt64Array.from(values, BigInt), shape);
  }

  #words({ embedding, weights }, count) {
    const words = weights.length;
    const repeated = (values) => joined(each(count, () => values));
    return {
      text_embedding: this.#numbers(repeated(embedding), count, words, embedding.length / words),
      word_weights: this.#numbers(repeated(weights), count, words),
    };
  }

  /** Text bytes of some words -> the embedding (words, T). */
  async text(textBytes, words) {
    const bytes = new this.#ort.Tensor("uint8", textBytes, [1, words, textBytes.length / words]);
    return (await this.#sessions.text.run({ text_bytes: bytes })).text_embedding.data;
  }

  /** Choose and cut a form: (64, 64). */
  async forms(embedding, weights, noise, crop) {
    const { form } = await this.#sessions.forms.run({
      ...this.#words({ embedding, weights }, 1),
      noise: this.#numbers(noise, 1, noise.length),
      crop: this.#integers(crop, 1, crop.length),
    });
    return form.data;
  }

  /** Predict the clean latents of some windows with forms of their own, all told the same. */
  async painter(latents, forms, { level, formLevel, guidance }, words) {
    const count = latents.length;
    const same = (value) => this.#numbers(new Float32Array(count).fill(value), count);
    const { clean } = await this.#sessions.painter.run({
      latents: this.#numbers(joined(latents), count, ...this.#latents),
      level: same(level),
      form: this.#numbers(joined(forms), count, SIDE, SIDE),
      form_level: same(formLevel),
      guidance: same(guidance),
      ...this.#words(words, count),
    });
    return parted(clean.data, count);
  }

  /** Latents of some windows -> the indices of each. */
  async composer(latents) {
    const told = { latents: this.#numbers(joined(latents), latents.length, ...this.#latents) };
    const { indices } = await this.#sessions.composer.run(told);
    return parted(Int32Array.from(indices.data, Number), latents.length);
  }

  /** Indices of some windows -> the latents of each. */
  async encoder(indices) {
    const told = { indices: this.#integers(joined(indices), indices.length, this.#positions) };
    return parted((await this.#sessions.encoder.run(told)).latents.data, indices.length);
  }

  /** Indices of some windows -> the pixels of each, (H, W, 3) bytes. */
  async decoder(indices) {
    const told = { indices: this.#integers(joined(indices), indices.length, this.#positions) };
    return parted((await this.#sessions.decoder.run(told)).pixels.data, indices.length);
  }
}
