import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { defineConfig } from "vite";

// The browser itself refuses any request to another origin.
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "img-src 'self' blob: data:",
  "object-src 'none'",
  "form-action 'none'",
  "base-uri 'none'",
].join("; ");

const policy = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    {
      tag: "meta",
      attrs: { "http-equiv": "Content-Security-Policy", content: POLICY },
      injectTo: "head-prepend",
    },
  ],
};

// src/offline.js with the names of all files that it keeps, and a version that changes when one of them does.
const offline = {
  name: "offline",
  apply: "build",
  writeBundle({ dir }) {
    const files = readdirSync(dir, { recursive: true })
      .map((name) => name.replaceAll("\\", "/"))
      .filter((name) => statSync(join(dir, name)).isFile() && name !== "offline.js")
      .sort();
    const hash = createHash("sha256");
    for (const name of files) hash.update(name).update(readFileSync(join(dir, name)));
    const kept = ["./", ...files.filter((name) => name !== "index.html")];
    const code = readFileSync(new URL("src/offline.js", import.meta.url), "utf-8");
    const version = hash.digest("hex").slice(0, 16);
    writeFileSync(join(dir, "offline.js"), `const FILES = ${JSON.stringify(kept)};\nconst VERSION = "${version}";\n${code}`);
  },
};

const runtime = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");

export default defineConfig({
  base: "./", // the built folder works at any path
  plugins: [policy, offline],
  define: { __RUNTIME_BYTES__: statSync(runtime).size },
  worker: { format: "es" },
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 200 },
});
