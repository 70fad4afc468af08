// The engines that web/prepare.py has written, in WebAssembly, as the page runs them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web/wasm";
import { Model } from "../../src/core/model.js";
import { Runner } from "../../src/core/runner.js";

const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" };

/** The model of a folder, and its manifest. */
export async function loaded(folder) {
  ort.env.wasm.numThreads = 1;
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf-8"));
  const sessions = {};
  for (const [name, file] of Object.entries(manifest.files)) {
    sessions[name] = await ort.InferenceSession.create(readFileSync(join(folder, file)), OPTIONS);
  }
  return { model: new Model(new Runner(ort, sessions, manifest.spec), manifest.spec), manifest };
}
