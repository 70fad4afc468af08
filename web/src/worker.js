// Runs the models beside the page, so that it stays responsive.
import * as ort from "onnxruntime-web/wasm";
import runtime from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

ort.env.wasm.numThreads = 1; // more need headers that a plain static server does not send
ort.env.wasm.wasmPaths = { wasm: new URL(runtime, self.location.href).href };
const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "extended" };

let sessions = null;

async function load({ models }) {
  const open = async (name) => {
    const answer = await fetch(new URL(`${name}.onnx`, models));
    if (!answer.ok) throw new Error(`${name}.onnx: ${answer.status} ${answer.statusText}`);
    return ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), OPTIONS);
  };
  sessions = { generator: await open("generator"), decoder: await open("decoder") };
  return {};
}

const integers = (values, shape) =>
  new ort.Tensor("int64", BigInt64Array.from(values, (value) => BigInt(value)), shape);
const plain = (indices) => Int32Array.from(indices.data, Number);

async function draw({ textBytes, wordWeights, seed, guidance, temperature, given }) {
  const words = wordWeights.length;
  const { pixels, indices } = await sessions.generator.run({
    text_bytes: new ort.Tensor("uint8", textBytes, [1, words, textBytes.length / words]),
    word_weights: new ort.Tensor("float32", wordWeights, [1, words]),
    seed: integers([seed], [1]),
    guidance_scale: new ort.Tensor("float32", [guidance], [1]),
    temperature: new ort.Tensor("float32", [temperature], [1]),
    given: integers(given, [1, given.length]),
  });
  return { pixels: pixels.data, indices: plain(indices) };
}

async function decode({ indices }) {
  const input = { indices: integers(indices, [1, indices.length]) };
  const { [sessions.decoder.outputNames[0]]: pixels } = await sessions.decoder.run(input);
  return { pixels: pixels.data };
}

const JOBS = { load, draw, decode };
let queue = Promise.resolve();

self.onmessage = ({ data: { id, kind, job } }) => {
  queue = queue.then(async () => {
    try {
      self.postMessage({ id, result: await JOBS[kind](job) });
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
