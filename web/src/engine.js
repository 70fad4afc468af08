// The model as the page uses it: questions to the worker, one at a time, answers as promises.
import { Dropped, PageError } from "./core/errors.js";

export class Engine {
  #worker;
  #told;
  #queue = []; // questions; the first one is with the worker

  /** `told` hears how many bytes of the models and their runtime have arrived. */
  constructor(manifest, told) {
    this.manifest = manifest;
    this.#told = told;
  }

  /** Start the worker and load the engines from their folder. */
  async load(models) {
    let received = 0;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      if (data.received) this.#told((received += data.received));
      else if (data.preview) this.#queue[0].previewed(data.preview);
      else this.#answered(data);
    };
    this.#worker.onerror = (event) => {
      const error = new PageError(`The model could not be started (${event.message}); load the page again.`);
      for (const { reject } of this.#queue.splice(0)) reject(error);
    };
    await this.#ask("load", { models, spec: this.manifest.spec });
  }

  #answered({ result, error, dropped, told }) {
    const { resolve, reject, message } = this.#queue.shift();
    if (this.#queue.length) this.#worker.postMessage(this.#queue[0].message);
    const what = message.kind === "load" ? "loaded" : "run";
    if (error === undefined) resolve(result);
    else if (dropped) reject(new Dropped());
    else reject(new PageError(told ? error : `The model could not be ${what} (${error}); load the page again.`));
  }

  #ask(kind, job, previewed = () => {}) {
    return new Promise((resolve, reject) => {
      const message = { kind, job };
      this.#queue.push({ message, previewed, resolve, reject });
      if (this.#queue.length === 1) this.#worker.postMessage(message);
    });
  }

  /** Forget all questions, and have the worker leave off: something newer is wanted. */
  drop() {
    for (const { reject } of this.#queue.splice(1)) reject(new Dropped());
    if (this.#queue.length) this.#worker.postMessage({ kind: "stop" });
  }

  /**
   * A picture of a request, see core/model.js, and the name of its form. `how` is "draw" with { size, tile }, or
   * with a picture "vary" and { strength }, "inpaint" and { mask }, "outpaint" and { margins }; `previewed` hears of
   * pictures as they form.
   */
  draw(how, request, about, previewed = null) {
    return this.#ask("draw", { how, request, ...about, previews: previewed !== null }, previewed ?? undefined);
  }

  /** The picture of what a recipe says. */
  decode(recipe) {
    return this.#ask("decode", { recipe });
  }
}
