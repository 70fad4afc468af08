// node generate.mjs "warm dark fluid" --seed 7 --out art.png
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { OPTIONS, SAMPLING } from "../../web/src/core/options.js";
import { pixelsIn, pngFrom } from "../../web/src/core/png.js";
import { checked, optionIn } from "../../web/src/core/request.js";
import { seedOf } from "../../web/src/core/seeds.js";
import { UsageError } from "./errors.mjs";

const HELP = `usage: node generate.mjs ADJECTIVES... [options]

  --seed SEED       whole number from 0 to 2^53 - 1, or a text such as alice (0)
  --out PATH        PNG to write (art.png)
${SAMPLING.map((name) => `  ${`${OPTIONS[name].flag} X`.padEnd(17)} ${OPTIONS[name].help}\n`).join("")}\
  --form PATH       a PNG whose composition is painted anew (the words choose one)
  --model PATH      fused graph (dist/base-int8.onnx of this checkout; \`make export\` writes it)
  --indices PATH    write the codebook indices too, as JSON
`;
const ARGUMENTS = {
  seed: { type: "string", default: "0" },
  out: { type: "string", default: "art.png" },
  ...Object.fromEntries(SAMPLING.map((name) => [OPTIONS[name].flag.slice(2), { type: "string" }])),
  form: { type: "string" },
  model: { type: "string", default: fileURLToPath(new URL("../../dist/base-int8.onnx", import.meta.url)) },
  indices: { type: "string" },
  help: { type: "boolean", short: "h" },
};

/** Words and options. What begins with a minus and is no option is a word to avoid. */
function commandLine(typed) {
  const words = [], rest = [];
  for (let i = 0; i < typed.length; i += 1) {
    if (/^-[^-]/u.test(typed[i]) && typed[i] !== "-h") words.push(typed[i]);
    else if (!typed[i].startsWith("-")) words.push(typed[i]);
    else {
      const takes = ARGUMENTS[typed[i].slice(2)]?.type === "string" && i + 1 < typed.length;
      rest.push(takes ? `${typed[i]}=${typed[++i]}` : typed[i]);
    }
  }
  try {
    return { prompt: words.join(" "), options: parseArgs({ args: rest, options: ARGUMENTS }).values };
  } catch (error) {
    throw new UsageError(`${error.message.split(". ")[0].replace(/\.$/u, "")}; \`node generate.mjs --help\` lists the options.`);
  }
}

/** The options of sampling that were typed; what is no number stays a text, and is refused as one. */
function samplingOf(options) {
  const typed = SAMPLING.map((name) => [name, options[OPTIONS[name].flag.slice(2)]]);
  return Object.fromEntries(typed.map(([name, text]) => [name, text && (optionIn(name, text) ?? checked(name, text))]));
}

/** The picture of a PNG; null where no file is named. */
async function formIn(path) {
  if (path === undefined) return null;
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${error.code}). Name a PNG.`);
  }
  return pixelsIn(bytes);
}

/** Whole or not at all. */
function write(path, content) {
  const unfinished = `${path}.${process.pid}.part`;
  try {
    writeFileSync(unfinished, content);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new UsageError(`${path} cannot be written (${error.code}). Name another path.`);
  }
}

async function main() {
  const { prompt, options } = commandLine(process.argv.slice(2));
  if (options.help) return process.stdout.write(HELP);
  const [seed, sampling] = [seedOf(options.seed), samplingOf(options)];
  const form = await formIn(options.form);
  const { Generator } = await import("./model.mjs").catch((error) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError("onnxruntime-node is not installed; run `npm ci` in this folder.");
  });
  const generator = await Generator.load(options.model);
  const art = await generator.draw(prompt, { seed, form, ...sampling });
  if (art.others.length) {
    process.stderr.write(`note: read as "${art.description.prompt}"; no adjectives: ${art.others.join(", ")}\n`);
  }
  write(options.out, await pngFrom(art.pixels, art.width, art.height, art.description));
  if (options.indices) write(options.indices, JSON.stringify(art.indices));
  process.stdout.write(`${options.out}\n`);
}

main().catch((error) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`generate: ${error.message}\n`);
  process.exitCode = 2;
});
