// The built page in a real browser: served from web/dist, opened in Chromium.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { preview } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const READY_MS = 240_000;

/** What the built page knows of its model. */
export const manifest = JSON.parse(readFileSync(join(ROOT, "dist", "models", "manifest.json"), "utf-8"));

function executable() {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing; install Chromium or set CHROMIUM to it.`);
  return { executablePath: CHROMIUM, args: QUIET };
}

/** Serve the built page, or that of another checkout's `web`. */
export async function startServer(root = ROOT) {
  const server = await preview({ root, preview: { host: "127.0.0.1", port: 0 }, logLevel: "warn" });
  return { origin: `http://127.0.0.1:${server.httpServer.address().port}`, close: () => server.close() };
}

/** Serve the built page and start the browser; `close` ends both. */
export async function start() {
  const launching = executable();
  const server = await startServer();
  const browser = await chromium.launch(launching);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { browser, origin: server.origin, close, stopServing: server.close };
}

/** A browser that keeps what it knows in a folder. */
export const openProfile = (folder) => chromium.launchPersistentContext(folder, executable());

/** A page that keeps what it asked for and what went wrong. */
export async function openPage({ browser, origin }, { fragment = "", ...options } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const seen = { requests: [], errors: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  await page.goto(`${origin}/${fragment && `#${fragment}`}`);
  await settled(page);
  return { page, context, seen };
}

/** Wait until nothing is being drawn, and the stages of the picture are there. */
export const settled = (page, states = ["ready"]) =>
  page.waitForFunction(
    (wanted) => wanted.includes(document.body.dataset.state) && document.getElementById("stages").ariaBusy !== "true",
    states,
    { timeout: READY_MS },
  );
