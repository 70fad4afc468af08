// The fused graph: words and a seed in, pixels out. docs/fused.md describes it.
import "./quiet.mjs";

import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-node";

// the page's own: prompts, recipes and PNG files are read and written the same here and there
import { modelInputs, promptText, readPrompt } from "../../web/src/prompt.js";
import { packRecipe } from "../../web/src/recipe.js";
import { UsageError } from "./errors.mjs";
import { exactOptions } from "./exact.mjs";
import { metadataOf } from "./metadata.mjs";

const MOST = { seed: Number.MAX_SAFE_INTEGER, guidance: 30, temperature: 10 };

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
    generator.about = JSON.parse(about);
    generator.spec = generator.about.spec;
    const options = await exactOptions({ intraOpNumThreads: 1, interOpNumThreads: 1 });
    try {
      generator.session = await ort.InferenceSession.create(bytes, options);
    } catch (error) {
      throw new UsageError(`${path} cannot be loaded (${error.message}); \`make export\` writes it again.`);
    }
    return generator;
  }

  /**
   * One picture: { pixels, indices, width, height, description, others }. The description goes into
   * a file; others are words that were typed beside the adjectives.
   */
  async draw(prompt, { seed, guidance = this.spec.guidance_scale, temperature = this.spec.temperature }) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UsageError(`The seed is ${seed}; expected a whole number from 0 to ${MOST.seed}.`);
    }
    const { max_words: W, max_bytes: bytes, scales } = this.spec;
    const { terms, others } = readPrompt(prompt, this);
    const { textBytes, wordWeights } = modelInputs(terms, this.spec);
    const positions = scales.reduce((sum, side) => sum + side * side, 0);
    const one = (type, value) => new ort.Tensor(type, [value], [1]);
    const { pixels, indices } = await this.session.run({
      text_bytes: new ort.Tensor("uint8", textBytes, [1, W, bytes]),
      word_weights: new ort.Tensor("float32", wordWeights, [1, W]),
      seed: one("int64", BigInt(seed)),
      guidance_scale: one("float32", inRange("guidance", guidance)),
      temperature: one("float32", inRange("temperature", temperature)),
      given: new ort.Tensor("int64", new BigInt64Array(positions).fill(-1n), [1, positions]),
    });
    const [, height, width] = pixels.dims;
    const codes = Array.from(indices.data, Number);
    const { bundle, checkpoint_sha256: checkpoint } = this.about;
    const description = {
      prompt: promptText(terms), seed, guidance_scale: guidance, temperature, top_k: 0,
      size: [width, height], tile: false, bundle, recipe: packRecipe(codes, { spec: this.spec, checkpoint }),
    };
    return { pixels: pixels.data, indices: codes, width, height, description, others };
  }
}
