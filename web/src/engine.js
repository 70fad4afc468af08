// The model as the page uses it: questions to the worker, one at a time, answers as promises.
import { Dropped, PageError } from "./core/errors.js";

export class Engine {
  #worker;
  #heard;
  #queue = []; // questions; the first one is with the worker

  /**
   * Start the worker, which loads the engines of a folder. `heard` gets what it tells of that, see loading.js, and
   * { drawn }, the share of a drawing that is done. `loaded` is a promise.
   */
  constructor(models, heard) {
    this.#heard = heard;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => {
      if ("result" in data || "error" in data) this.#answered(data);
      else if (data.preview) this.#queue[0].previewed(data.preview);
      else {
        if (data.manifest) this.manifest = data.manifest;
        this.#heard(data);
      }
    };
    this.#worker.onerror = (event) => {
      const error = new PageError(`The model could not be started (${event.message}); load the page again.`);
      for (const { reject } of this.#queue.splice(0)) reject(error);
    };
    this.loaded = this.#ask("load", { models });
  }

  #answered({ result, error, dropped, told }) {
    const { resolve, reject, message } = this.#queue.shift();
    if (this.#queue.length) this.#worker.postMessage(this.#queue[0].message);
    const what = message.kind === "load" ? "loaded" : "run";
    if (error === undefined) resolve(result);
    else if (dropped) reject(new Dropped());
    else reject(new PageError(told ? error : `The model could not be ${what} (${error}); load the page again.`));
  }

  #ask(kind, job = {}, previewed = () => {}) {
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
   * pictures as they form. With `later` they are kept for `steps` instead, and the picture itself is there sooner.
   */
  draw(how, request, about, previewed = null, later = false) {
    const previews = later ? "later" : previewed ? "now" : "";
    return this.#ask("draw", { how, request, ...about, previews }, previewed ?? undefined);
  }

  /** The pictures of the steps that the newest drawing has kept. */
  steps() {
    return this.#ask("steps");
  }

  /** The known word nearest to each word, { word, likeness }, or null where it is too far. */
  nearest(words) {
    return this.#ask("nearest", { words, vocabulary: this.manifest.vocabulary });
  }

  /** The picture of what a recipe says. */
  decode(recipe) {
    return this.#ask("decode", { recipe });
  }
}
