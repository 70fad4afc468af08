// What Python made of the same input: written by vectors.py.
import { readFileSync } from "node:fs";
import { foldsFrom } from "../src/prompt.js";

const file = new URL("../../tests/web/vectors.json", import.meta.url);
export const vectors = JSON.parse(readFileSync(file, "utf-8"));
export const manifest = { ...vectors.manifest, folds: foldsFrom(vectors.manifest.folds) };
