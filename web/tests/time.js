// How long a visitor waits for the first picture: `npm run time`, or `npm run time -- 5` for five rounds, and
// `npm run time -- 5 ../../other/web` to compare with the page that another checkout has built.
//
// A round is a browser that has never seen the page (cold) and then, twice, the same profile in a browser that is
// started anew: warm, and warm again. Seconds from the start of the navigation, and of the processors' time that
// Chromium took meanwhile, which says more on a machine that does other things too.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { argv, pid } from "node:process";
import { openProfile, settled, startServer } from "./chromium.js";

const TICKS = 100; // of a second, in /proc
const VISITS = ["cold", "warm", "again"];
const MARKS = { loaded: "engines loaded", formed: "first step shown", ready: "picture finished" };
const KEEPS_MS = 10_000; // until the browser has kept what it compiled

/** Parent and processor seconds, its own and those of children that ended, of every process. */
function processes() {
  const rows = new Map();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/u.test(name))) {
    let stat;
    try {
      stat = readFileSync(`/proc/${name}/stat`, "utf-8");
    } catch {
      continue; // it has ended meanwhile
    }
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    rows.set(Number(name), { parent: Number(fields[1]), seconds: ticks / TICKS });
  }
  return rows;
}

/** Processor seconds of all that this process has started. */
function secondsOfChildren() {
  const rows = processes();
  const ours = (one) => one === pid || (rows.has(one) && ours(rows.get(one).parent));
  return [...rows].filter(([one]) => one !== pid && ours(one)).reduce((sum, [, { seconds }]) => sum + seconds, 0);
}

/** One visit: { loaded, formed, ready } as [seconds, processor seconds]. */
async function visit(profile, origin) {
  const context = await openProfile(profile);
  const [page] = context.pages();
  const found = {};
  const before = secondsOfChildren();
  await page.exposeFunction("reached", (what, ms) => (found[what] = [ms / 1000, secondsOfChildren() - before]));
  await page.addInitScript(() => {
    const seen = new Set();
    const reach = (what, is) => {
      if (!is || seen.has(what)) return;
      seen.add(what);
      window.reached(what, performance.now());
    };
    new MutationObserver(() => {
      reach("loaded", document.querySelector("#draw:not([disabled])"));
      reach("formed", document.querySelector("#stages .thumb"));
      reach("ready", document.body?.dataset.state === "ready");
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await page.goto(`${origin}/#prompt=warm+dark+fluid&seed=7`);
  await settled(page);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await page.waitForTimeout(KEEPS_MS);
  await context.close();
  return found;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const [rounds, ...others] = [Number(argv[2] ?? 3), ...argv.slice(3)];
const pages = [".", ...others].map((folder) => ({ folder, found: Object.fromEntries(VISITS.map((name) => [name, []])) }));
for (let round = 0; round < rounds; round += 1) {
  for (const { folder, found } of pages) {
    const server = await startServer(resolve(folder));
    const profile = mkdtempSync(join(tmpdir(), "t2a-edge-page-"));
    for (const name of VISITS) found[name].push(await visit(profile, server.origin));
    rmSync(profile, { recursive: true });
    await server.close();
  }
}
console.log(`median of ${rounds}, in brackets the least: seconds, and processor seconds`);
for (const { folder, found } of pages) {
  console.log(folder);
  for (const name of VISITS) {
    for (const [mark, words] of Object.entries(MARKS)) {
      const told = [0, 1].map((i) => {
        const values = found[name].map((visited) => visited[mark][i]);
        return `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)})`.padStart(13);
      });
      console.log(name.padEnd(6), words.padEnd(17), ...told);
    }
  }
}
