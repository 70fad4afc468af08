// Runs the engines beside the page, so that it stays responsive.
import * as ort from "onnxruntime-web/wasm";
import runtime from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { PageError } from "./core/errors.js";
import { windowsOf } from "./core/layout.js";
import { Model, formName } from "./core/model.js";
import { ENGINES, Runner } from "./core/runner.js";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
const MOST_DECODED = 8; // windows that are decoded for one picture, all its previews together
let model = null;
let stopped = false;

class Stopped extends Error {}

/** Bytes of a file; `told` hears of each part that arrives. */
async function bytesOf(url, told) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname.split("/").at(-1)}: ${answer.status} ${answer.statusText}`);
  const parts = [];
  for (let reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    told(value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function load({ models, spec }) {
  const told = (received) => self.postMessage({ received });
  const files = [runtime, ...ENGINES.map((name) => `${models}${name}.onnx`)];
  const [wasm, ...engines] = await Promise.all(files.map((file) => bytesOf(new URL(file, self.location.href), told)));
  ort.env.wasm.numThreads = 1; // more need headers that a plain static server does not send
  ort.env.wasm.wasmBinary = wasm.buffer;
  const sessions = {};
  for (const [i, name] of ENGINES.entries()) sessions[name] = await ort.InferenceSession.create(engines[i], OPTIONS);
  model = new Model(new Runner(ort, sessions, spec), spec);
  return {};
}

/** The steps of a drawing that are shown: all of a small picture, fewer of a larger one. */
function isShown(done, steps, layout) {
  const count = Math.min(steps, Math.floor(MOST_DECODED / windowsOf(layout).length));
  return Math.floor((done * count) / steps) > Math.floor(((done - 1) * count) / steps);
}

/** What hears of each step: it lets the page speak, and shows it how the picture looks so far. */
const listener = (previews) => async (step) => {
  await new Promise((resolve) => setTimeout(resolve));
  if (stopped) throw new Stopped();
  const { done, drawing, layout } = step;
  const { steps } = drawing.options;
  if (previews && isShown(done, steps, layout)) {
    self.postMessage({ preview: { ...(await model.preview(step)), done, steps } });
  }
};

const ACTS = {
  draw: ({ size, tile, request }, told) => model.draw(request, { size, tile }, told),
  vary: ({ picture, strength, request }, told) => model.vary(picture, strength, request, told),
  inpaint: ({ picture, mask, request }, told) => model.inpaint(picture, mask, request, {}, told),
  outpaint: ({ picture, margins, request }, told) => model.outpaint(picture, margins, request, told),
};

async function draw({ how, previews, ...job }) {
  const picture = await ACTS[how](job, listener(previews));
  return { ...picture, form: formName(job.request.form) };
}

const JOBS = { load, draw, decode: ({ recipe }) => model.decode(recipe) };

self.onmessage = async ({ data: { kind, job } }) => {
  if (kind === "stop") {
    stopped = true;
    return;
  }
  stopped = false;
  try {
    self.postMessage({ result: await JOBS[kind](job) });
  } catch (error) {
    const [dropped, told] = [error instanceof Stopped, error instanceof PageError];
    self.postMessage({ error: String(error?.message ?? error), dropped, told });
  }
};
