// A bundle's engines in WebAssembly, as the page runs them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web/wasm";
import { Model } from "../../src/core/model.js";
import { ENGINES, Runner } from "../../src/core/runner.js";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };

/** The model of a bundle's folder. */
export async function loaded(folder, spec) {
  ort.env.wasm.numThreads = 1;
  const sessions = {};
  for (const name of ENGINES) {
    sessions[name] = await ort.InferenceSession.create(readFileSync(join(folder, `${name}.onnx`)), OPTIONS);
  }
  return new Model(new Runner(ort, sessions, spec), spec);
}
