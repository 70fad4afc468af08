// The model as the page uses it: questions to the worker, answers as promises.
import { PageError } from "./errors.js";
import { modelInputs } from "./prompt.js";

export class Engine {
  #worker;
  #waiting = new Map();
  #count = 0;

  constructor(manifest) {
    this.manifest = manifest;
    this.offsets = [0];
    for (const side of manifest.spec.scales) this.offsets.push(this.offsets.at(-1) + side * side);
  }

  get positions() {
    return this.offsets.at(-1);
  }

  /** Start the worker and load the models. */
  async load(models) {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new PageError(`The model could not be run (${error}); load the page again.`));
    };
    this.#worker.onerror = (event) => {
      const error = new PageError(`The model could not be started (${event.message}); load the page again.`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    await this.#ask("load", { models });
  }

  #ask(kind, job) {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, job });
    });
  }

  /** Draw one picture; `given` are codes to keep and -1 elsewhere. */
  draw(terms, { seed, guidance, temperature, given }) {
    const inputs = modelInputs(terms, this.manifest.spec);
    const kept = given ?? new Int32Array(this.positions).fill(-1);
    return this.#ask("draw", { ...inputs, seed, guidance, temperature, given: kept });
  }

  /** Pixels of indices. */
  async decode(indices) {
    return (await this.#ask("decode", { indices })).pixels;
  }

  /** Pixels as they are after some scales; the quiet code stands for those to come. */
  decodeUpTo(indices, scales) {
    const partial = indices.slice();
    partial.fill(this.manifest.spec.quiet_code, this.offsets[scales]);
    return this.decode(partial);
  }

  /** Codes to keep for a variation: those of the first scales. */
  given(indices, scales) {
    return indices.map((index, place) => (place < this.offsets[scales] ? index : -1));
  }
}
