// The engines in the worker: downloaded all at once, each started as soon as it is there.
import * as ort from "onnxruntime-web/wasm";
import runtime from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { Runner } from "./core/runner.js";

export const RUNTIME = new URL(runtime, self.location.href).href;
// web/prepare.py has optimized the engines
const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" };
const AT_FIRST = ["text", "forms", "painter", "composer", "decoder"]; // what draws; the encoder only changes pictures
const TOLD_EVERY_MS = 100;

/** What hears of bytes; it tells of them now and then. */
function counter(tell) {
  let [bytes, told] = [0, 0];
  return (more) => {
    bytes += more;
    if (performance.now() - told < TOLD_EVERY_MS) return;
    told = performance.now();
    tell(bytes);
  };
}

async function answerFrom(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${new URL(url).pathname.split("/").at(-1)}: ${answer.status} ${answer.statusText}`);
  return answer;
}

/** The bytes of an answer, which should be this many; `count` hears of each part. */
async function bytesOf(answer, size, count) {
  let [whole, place] = [new Uint8Array(size), 0];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return whole.subarray(0, place);
    if (place + value.length > whole.length) throw new Error("an engine is larger than the manifest says");
    whole.set(value, place);
    place += value.length;
    count(value.length);
  }
}

/** Tells of the parts of an answer that something else reads. */
async function watch(answer, count) {
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    count(value.length);
  }
}

/**
 * ONNX Runtime asks for its WebAssembly itself, so that the browser compiles it while it arrives and keeps the code
 * for the next visit. It asks late; here that is done at once, and it gets what was asked for.
 */
function runtimeArrives(count) {
  const own = self.fetch.bind(self);
  const arriving = own(RUNTIME).then((answer) => {
    if (answer.ok) watch(answer.clone(), count).catch(() => {}); // whoever reads the other one tells
    return answer;
  });
  arriving.catch(() => {});
  self.fetch = (what, ...about) => (what === RUNTIME ? arriving : own(what, ...about));
  ort.env.wasm.numThreads = 1; // more need headers that a plain static server does not send
  ort.env.wasm.wasmPaths = { wasm: RUNTIME };
}

/**
 * The engines of a folder. `tell` hears of { manifest } once, of { bytes } that have arrived and of { started }, the
 * share of the engines that are ready; `ran` of each run later, with the engine's name and the number of windows.
 */
export async function loadedRunner(models, tell, ran) {
  const count = counter((bytes) => tell({ bytes }));
  runtimeArrives(count);
  const manifest = await (await answerFrom(`${models}manifest.json`)).json();
  tell({ manifest });
  const arriving = {};
  for (const [name, file] of Object.entries(manifest.files)) {
    arriving[name] = answerFrom(models + file).then((answer) => bytesOf(answer, manifest.bytes[name], count));
    arriving[name].catch(() => {}); // told where it is awaited
  }
  const started = async (name) => {
    const session = await ort.InferenceSession.create(await arriving[name], OPTIONS);
    return {
      run: async (told) => {
        const found = await session.run(told);
        ran(name, Object.values(told)[0].dims[0]);
        return found;
      },
    };
  };
  const sessions = {};
  for (const [i, name] of AT_FIRST.entries()) {
    sessions[name] = await started(name);
    tell({ started: (i + 1) / AT_FIRST.length });
  }
  let encoder = null;
  sessions.encoder = { run: async (told) => (await (encoder ??= started("encoder"))).run(told) };
  return { runner: new Runner(ort, sessions, manifest.spec), spec: manifest.spec };
}
