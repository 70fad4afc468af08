// Runs the models beside the page, so that it stays responsive.
import * as ort from "onnxruntime-web/wasm";
import runtime from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
let sessions = null;

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

async function load({ models }, told) {
  const files = [runtime, `${models}generator.onnx`, `${models}decoder.onnx`];
  const [wasm, ...onnx] = await Promise.all(files.map((file) => bytesOf(new URL(file, self.location.href), told)));
  ort.env.wasm.numThreads = 1; // more need headers that a plain static server does not send
  ort.env.wasm.wasmBinary = wasm.buffer;
  const [generator, decoder] = [
    await ort.InferenceSession.create(onnx[0], OPTIONS),
    await ort.InferenceSession.create(onnx[1], OPTIONS),
  ];
  sessions = { generator, decoder };
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

self.onmessage = async ({ data: { kind, job } }) => {
  try {
    const result = await JOBS[kind](job, (received) => self.postMessage({ received }));
    self.postMessage({ result });
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};
