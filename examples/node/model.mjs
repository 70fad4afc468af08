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
import { UsageError } from "./errors.mjs";
import { exactOptions } from "./exact.mjs";
import { metadataOf } from "./metadata.mjs";

const MOST = { seed: Number.MAX_SAFE_INTEGER, guidance: 8, temperature: 10, steps: 64, formStrength: 1 };
const WHOLE = { seed: 0, steps: 1 }; // the least of what has to be a whole number
const CALLED = { formStrength: "form strength" };

function checked(name, value) {
  const whole = name in WHOLE;
  const fits = whole ? Number.isSafeInteger(value) : typeof value === "number";
  if (!fits || !(value >= (WHOLE[name] ?? 0) && value <= MOST[name])) {
    const kind = whole ? "a whole number" : "a number";
    throw new UsageError(
      `The ${CALLED[name] ?? name} is ${value}; expected ${kind} from ${WHOLE[name] ?? 0} to ${MOST[name]}.`,
    );
  }
  return value;
}

/** What the graph is given for one picture; see docs/fused.md. */
function graphInputs(terms, spec, { seed, guidance, temperature, steps, formStrength, form }) {
  const { textBytes, wordWeights } = modelInputs(terms, spec);
  const words = spec.max_words;
  const one = (type, value) => new ort.Tensor(type, [value], [1]);
  const field = form ? fieldOf(form, PLAIN) : new Float32Array(SIDE * SIDE);
  return {
    text_bytes: new ort.Tensor("uint8", textBytes, [1, words, spec.max_bytes]),
    word_weights: new ort.Tensor("float32", wordWeights, [1, words]),
    seed: one("int64", BigInt(seed)),
    guidance_scale: one("float32", guidance),
    temperature: one("float32", temperature),
    steps: one("int64", BigInt(steps)),
    form: new ort.Tensor("float32", field, [1, SIDE, SIDE]),
    form_given: one("bool", Boolean(form)),
    form_level: one("float32", 1 - formStrength),
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
   * painted anew, { pixels, width, height }; without one the words choose. What else is left out is the model's own.
   * The description goes into a file; others are words that were typed beside the adjectives.
   */
  async draw(prompt, { seed, guidance, temperature, steps, formStrength, form = null }) {
    const { guidance_scale, form_strength, ...own } = this.spec;
    const options = {
      guidance: checked("guidance", guidance ?? guidance_scale),
      temperature: checked("temperature", temperature ?? own.temperature),
      steps: checked("steps", steps ?? own.steps),
      formStrength: checked("formStrength", formStrength ?? form_strength),
    };
    checked("seed", seed);
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
