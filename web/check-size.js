// After the build: everything but the WebAssembly runtime is below 6 MB, and nothing is missing.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MOST_BYTES = 6_000_000;
const MODELS = "models/manifest.json";
const folder = process.argv[2] ?? fileURLToPath(new URL("dist", import.meta.url));

const files = readdirSync(folder, { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => statSync(join(folder, name)).isFile());
const engines = existsSync(join(folder, MODELS)) ? JSON.parse(readFileSync(join(folder, MODELS), "utf-8")).files : {};
const needed = ["index.html", "offline.js", MODELS, ...Object.values(engines).map((file) => `models/${file}`)];
const missing = needed.filter((name) => !files.includes(name));
if (missing.length) {
  console.error(`The built page lacks ${missing.join(", ")}; run \`make web-build\`.`);
  process.exit(2);
}
const size = (names) => names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
const runtime = files.filter((name) => name.endsWith(".wasm"));
const page = files.filter((name) => !name.endsWith(".wasm"));
const mb = (bytes) => (bytes / 1e6).toFixed(2);
const models = page.filter((name) => name.endsWith(".ort"));
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
