// The fused graph: words and a seed in, pixels out. docs/fused.md describes it.
import "./quiet.mjs";

import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-node";

// the page's own: prompts, forms, recipes and PNG files are read and written the same here and there
import { descriptionOf } from "../../web/src/core/description.js";
import { fieldOf } from "../../web/src/core/fields.js";
import { SIDE } from "../../web/src/core/form.js";
import { PLAIN } from "../../web/src/core/layout.js";
import { formName } from "../../web/src/core/model.js";
import { modelInputs, promptText, readPrompt } from "../../web/src/core/prompt.js";
import { packRecipe } from "../../web/src/core/recipe.js";
import { settled } from "../../web/src/core/request.js";
import { seedOf } from "../../web/src/core/seeds.js";
import { UsageError } from "./errors.mjs";
import { exactOptions } from "./exact.mjs";
import { metadataOf } from "./metadata.mjs";

/** What the graph is given for one picture; see docs/fused.md. */
function graphInputs(terms, spec, { seed, guidance_scale, temperature, steps, form_strength, form }) {
  const { textBytes, wordWeights } = modelInputs(terms, spec);
  const words = spec.max_words;
  const one = (type, value) => new ort.Tensor(type, [value], [1]);
  const field = form ? fieldOf(form, PLAIN) : new Float32Array(SIDE * SIDE);
  return {
    text_bytes: new ort.Tensor("uint8", textBytes, [1, words, spec.max_bytes]),
    word_weights: new ort.Tensor("float32", wordWeights, [1, words]),
    seed: one("int64", BigInt(seed)),
    guidance_scale: one("float32", guidance_scale),
    temperature: one("float32", temperature),
    steps: one("int64", BigInt(steps)),
    form: new ort.Tensor("float32", field, [1, SIDE, SIDE]),
    form_given: one("bool", Boolean(form)),
    form_level: one("float32", 1 - form_strength),
  };
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
   * One picture: { pixels, indices, width, height, description, others }. `form` is a picture whose composition is
   * painted anew, { pixels, width, height }; without one the words choose. `seed` is a whole number or a text; what
   * else is left out, guidance_scale, temperature, steps or form_strength, is the model's own. The description goes into a file; others are words that were typed beside the adjectives.
   */
  async draw(prompt, { seed: asked, form = null, ...told }) {
    const [seed, options] = [seedOf(String(asked)), settled(told, this.spec)];
    for (const name of Object.keys(told)) {
      if (!(name in this.spec) && told[name] !== undefined) throw new UsageError(`The fused graph has no ${name}; leave it out.`);
    }
    const { terms, others } = readPrompt(prompt, this);
    const { pixels, indices } = await this.session.run(graphInputs(terms, this.spec, { seed, form, ...options }));
    const [, height, width] = pixels.dims;
    const codes = Array.from(indices.data, Number);
    const { bundle, checkpoint_sha256: checkpoint } = this.about;
    const picture = { indices: codes, layout: PLAIN, crop: [0, 0, width, height], pasted: null, width, height };
    const recipe = await packRecipe(picture, { spec: this.spec, checkpoint });
    const story = { prompt: promptText(terms), blend: null, changed: "", seed, options, form: formName(form) };
    const description = descriptionOf(picture, story, recipe, bundle);
    return { pixels: pixels.data, indices: codes, width, height, description, others };
  }
}
