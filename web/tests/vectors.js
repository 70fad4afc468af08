// What Python made of the same input: written by vectors.py.
import { readFileSync } from "node:fs";

const file = new URL("../../tests/web/vectors.json", import.meta.url);
export const vectors = JSON.parse(readFileSync(file, "utf-8"));
export const { manifest } = vectors;
export const prompts = JSON.parse(readFileSync(new URL("../../tests/vectors/prompts.json", import.meta.url), "utf-8"));
