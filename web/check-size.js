// After the build: everything but the WebAssembly runtime is below 6 MB, and nothing is missing.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MOST_BYTES = 6_000_000;
const ENGINES = ["text", "forms", "painter", "composer", "encoder", "decoder"].map((name) => `models/${name}.onnx`);
const NEEDED = ["index.html", ...ENGINES, "models/manifest.json", "offline.js"];
const folder = process.argv[2] ?? fileURLToPath(new URL("dist", import.meta.url));

const files = readdirSync(folder, { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => statSync(join(folder, name)).isFile());
const missing = NEEDED.filter((name) => !files.includes(name));
if (missing.length) {
  console.error(`The built page lacks ${missing.join(", ")}; run \`make web-build\`.`);
  process.exit(2);
}
const size = (names) => names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
const runtime = files.filter((name) => name.endsWith(".wasm"));
const page = files.filter((name) => !name.endsWith(".wasm"));
const mb = (bytes) => (bytes / 1e6).toFixed(2);
const models = page.filter((name) => name.endsWith(".onnx"));
console.log(
  `page with models ${mb(size(page))} MB (models ${mb(size(models))} MB), runtime ${mb(size(runtime))} MB`,
);
if (runtime.length !== 1 || size(page) > MOST_BYTES) {
  console.error(
    `The page has ${mb(size(page))} MB and ${runtime.length} runtimes; expected at most ` +
      `${mb(MOST_BYTES)} MB and one runtime. Take out what is not needed.`,
  );
  process.exit(2);
}
