// The model as the page uses it: questions to the worker, one at a time, answers as promises.
import { Dropped, PageError } from "./errors.js";
import { modelInputs } from "./prompt.js";

export class Engine {
  #worker;
  #told;
  #queue = []; // questions; the first one is with the worker

  /** `told` hears how many bytes of the models and their runtime have arrived. */
  constructor(manifest, told) {
    this.manifest = manifest;
    this.#told = told;
    this.offsets = [0];
    for (const side of manifest.spec.scales) this.offsets.push(this.offsets.at(-1) + side * side);
  }

  get positions() {
    return this.offsets.at(-1);
  }

  /** Start the worker and load the models from their folder. */
  async load(models) {
    let received = 0;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      if (data.received) this.#told((received += data.received));
      else this.#answered(data);
    };
    this.#worker.onerror = (event) => {
      const error = new PageError(`The model could not be started (${event.message}); load the page again.`);
      for (const { reject } of this.#queue.splice(0)) reject(error);
    };
    await this.#ask("load", { models });
  }

  #answered({ result, error }) {
    const { resolve, reject, kind } = this.#queue.shift();
    if (this.#queue.length) this.#worker.postMessage(this.#queue[0].message);
    if (error === undefined) resolve(result);
    else reject(new PageError(`The model could not be ${kind === "load" ? "loaded" : "run"} (${error}); load the page again.`));
  }

  #ask(kind, job) {
    return new Promise((resolve, reject) => {
      const message = { kind, job };
      this.#queue.push({ message, kind, resolve, reject });
      if (this.#queue.length === 1) this.#worker.postMessage(message);
    });
  }

  /** Forget the questions that the worker has not begun with: something newer is wanted. */
  drop() {
    for (const { reject } of this.#queue.splice(1)) reject(new Dropped());
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
