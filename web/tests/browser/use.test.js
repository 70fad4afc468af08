// The page as someone uses it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { pngFrom } from "../../src/core/png.js";
import { unpackRecipe } from "../../src/core/recipe.js";
import { manifest, openPage, settled, start } from "../chromium.js";
import { picture } from "../vectors.js";

const STEPS = 3;
const START = `prompt=warm+dark+fluid&seed=7&steps=${STEPS}`;
let chromium;

before(async () => {
  chromium = await start();
});
after(() => chromium?.close());

/** A test with a page of its own; at its end nothing has gone wrong and nothing was asked elsewhere. */
function withPage(name, work, options = {}) {
  test(name, async () => {
    const { page, context, seen } = await openPage(chromium, { fragment: START, ...options });
    await work(page, context, seen);
    assert.deepEqual(seen.errors, []);
    const elsewhere = seen.requests.filter((url) => !url.startsWith(chromium.origin) && !url.startsWith("blob:"));
    assert.deepEqual(elsewhere, []);
    await context.close();
  });
}

const recipeOn = (page) => page.inputValue("#recipe");
const saidOn = async (page) => unpackRecipe(await recipeOn(page), manifest);
const indicesOn = async (page) => [...(await saidOn(page)).indices];
const pixelsOn = (page, selector) =>
  page.$eval(selector, (canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]);
const sizeOn = (page) => page.$eval("#picture", ({ width, height }) => [width, height]);
const problemOn = (page) => page.textContent("#problem");

/** Do something that draws, and wait until that is done. */
async function drawn(page, act) {
  await page.evaluate(() => (document.body.dataset.state = "asked"));
  await act();
  await settled(page);
}

withPage("types and draws; the same words and seed are the same picture again", async (page) => {
  const before = await indicesOn(page);
  await page.fill("#prompt", "Icy, geometric -busy");
  await drawn(page, () => page.press("#prompt", "Enter"));
  const after = await indicesOn(page);
  assert.notDeepEqual(after, before);
  assert.equal(await page.textContent("#caption"), "icy geometric -busy");
  assert.match(await page.getAttribute("#picture", "aria-label"), /icy geometric -busy, seed 7$/u);
  assert.match(await page.textContent("#status"), /^Drawn in \d+\.\d s\.$/u);
  await drawn(page, () => page.click("#reseed"));
  assert.notDeepEqual(await indicesOn(page), after);
  await page.fill("#seed", "7");
  await drawn(page, () => page.click("#draw"));
  assert.deepEqual(await indicesOn(page), after);
});

withPage("shows how the picture formed: a stage for each step, nearer and nearer to it", async (page) => {
  const final = await pixelsOn(page, "#picture");
  const distances = [];
  for (let stage = 1; stage <= STEPS; stage += 1) {
    const pixels = await pixelsOn(page, `#stages .thumb:nth-child(${stage}) canvas`);
    distances.push(pixels.reduce((sum, value, i) => sum + Math.abs(value - final[i]), 0));
  }
  assert.equal(await page.locator("#stages .thumb").count(), STEPS);
  assert.equal(distances.at(-1), 0);
  for (let i = 1; i < distances.length; i += 1) assert.ok(distances[i] < distances[i - 1], `${distances}`);
  assert.equal(await page.getAttribute("#stages .thumb:last-child", "aria-pressed"), "true");
  await page.click("#stages .thumb:nth-child(2)");
  assert.deepEqual(await pixelsOn(page, "#picture"), await pixelsOn(page, "#stages .thumb:nth-child(2) canvas"));
  assert.equal(await page.getAttribute("#stages .thumb:nth-child(2)", "aria-pressed"), "true");
  assert.match(await page.textContent("#status"), /Step 2 of 3/u);
});

withPage(
  "lets the picture form where motion is welcome",
  async (page) => {
    await page.evaluate(() => {
      window.shown = [];
      const canvas = document.getElementById("picture");
      const put = CanvasRenderingContext2D.prototype.putImageData;
      CanvasRenderingContext2D.prototype.putImageData = function (data, ...place) {
        if (this.canvas === canvas) window.shown.push(data.data.reduce((sum, value) => sum + value, 0));
        return put.call(this, data, ...place);
      };
    });
    await drawn(page, () => page.click("#reseed"));
    assert.equal(new Set(await page.evaluate(() => window.shown)).size, STEPS);
  },
  { reducedMotion: "no-preference" },
);

withPage("sliders write words into the prompt and follow it", async (page) => {
  assert.equal(await page.inputValue("#axis-temperature"), "1");
  assert.equal(await page.inputValue("#axis-lightness"), "-1");
  assert.equal(await page.getAttribute("#axis-lightness", "aria-valuetext"), "dark, weight 1");
  await page.focus("#axis-temperature");
  await drawn(page, () => page.keyboard.press("ArrowRight"));
  assert.equal(await page.inputValue("#prompt"), "warm:1.25 dark fluid");
  await drawn(page, () => page.keyboard.press("Home"));
  assert.equal(await page.inputValue("#prompt"), "dark fluid cool:2");
  assert.equal(await page.textContent("#caption"), "dark fluid cool:2");
  await page.fill("#prompt", "bright:2 calm -warm");
  assert.equal(await page.inputValue("#axis-lightness"), "2");
  assert.equal(await page.inputValue("#axis-energy"), "-1");
  assert.equal(await page.inputValue("#axis-temperature"), "0");
  assert.equal(await page.locator("#axes input").count(), 12);
});

withPage("hues and moods are put in and taken out", async (page) => {
  await page.click("#words-box summary");
  const teal = page.getByRole("button", { name: "teal", exact: true });
  await drawn(page, () => teal.click());
  assert.equal(await page.inputValue("#prompt"), "warm dark fluid teal");
  assert.equal(await teal.getAttribute("aria-pressed"), "true");
  await drawn(page, () => teal.click());
  assert.equal(await page.inputValue("#prompt"), "warm dark fluid");
});

withPage("a ninth word is refused, and what was typed stays", async (page) => {
  const eight = "b c d e f g h i";
  await page.fill("#prompt", eight);
  await page.focus("#axis-temperature");
  await page.keyboard.press("ArrowRight");
  assert.match(await problemOn(page), /has 8 adjectives already; take one out/u);
  await page.fill("#prompt", "warm dark:x");
  await page.keyboard.press("ArrowRight");
  await page.focus("#axis-energy");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.inputValue("#prompt"), "warm dark:x");
  assert.match(await problemOn(page), /expected a weight from 0 to 4/u);
});

/** How far two pictures are apart, in grey levels. */
const apart = (first, second) => first.reduce((sum, value, i) => sum + Math.abs(value - second[i]), 0) / first.length;

withPage("variations are nearer to the picture the less changes", async (page) => {
  const [before, own] = [await indicesOn(page), await pixelsOn(page, "#picture")];
  const thumbs = page.locator("#variations .thumb");
  const away = [];
  for (const strength of ["0.2", "1"]) {
    await page.fill("#changed", strength);
    await drawn(page, () => page.click("#vary"));
    assert.equal(await thumbs.count(), 4);
    const found = [];
    for (let i = 1; i <= 4; i += 1) found.push(await pixelsOn(page, `#variations .thumb:nth-child(${i}) canvas`));
    away.push(found.reduce((sum, pixels) => sum + apart(pixels, own), 0));
  }
  assert.ok(away[0] < away[1], `${away}`);
  const found = [before];
  for (let i = 0; i < 4; i += 1) {
    await drawn(page, () => thumbs.nth(i).click());
    const indices = await indicesOn(page);
    for (const other of found) assert.notDeepEqual(indices, other);
    found.push(indices);
    assert.equal(await thumbs.nth(i).getAttribute("aria-pressed"), "true");
  }
  assert.match(await page.textContent("#details"), /^seed \d+, a variation$/u);
  assert.match(await page.url(), /changed=vary/u);
});

withPage("a variation's own seed stays out of the field: with the words it would draw another picture", async (page) => {
  await drawn(page, () => page.click("#vary"));
  await drawn(page, () => page.locator("#variations .thumb").first().click());
  assert.match(await page.textContent("#details"), /^seed \d+, a variation$/u);
  assert.equal(await page.inputValue("#seed"), "7");
  const { page: other, context } = await openPage(chromium, { fragment: (await page.url()).split("#")[1] });
  assert.equal(await other.inputValue("#seed"), "7");
  assert.equal(await other.textContent("#details"), await page.textContent("#details"));
  await context.close();
});

withPage("an interrupted strip keeps what is drawn and nothing blank", async (page) => {
  await page.evaluate(() => (document.body.dataset.state = "asked"));
  await page.click("#interpolate");
  await page.waitForFunction(() => document.querySelector("#frames .thumb:not([disabled])"));
  await page.click("#draw");
  await settled(page);
  const thumbs = page.locator("#frames .thumb");
  const count = await thumbs.count();
  assert.ok(count >= 1 && count < 7, `${count}`);
  assert.equal(await page.locator("#frames .thumb[disabled]").count(), 0);
  assert.equal(await page.textContent("#details"), "seed 7");
});

withPage(
  "a picture that a strip interrupts while it forms leaves the one before it whole",
  async (page) => {
    const shownOf = async () => [await pixelsOn(page, "#picture"), await pixelsOn(page, "#stages .thumb:last-child canvas")];
    const before = [await shownOf(), await recipeOn(page)];
    await page.evaluate(() => (document.body.dataset.state = "asked"));
    await page.fill("#seed", "8");
    await page.press("#seed", "Enter");
    await page.waitForFunction(() => document.querySelector("#stages .thumb:only-child"));
    await page.click("#vary");
    await page.waitForFunction(() => document.querySelector("#variations .thumb:not([disabled])"));
    assert.deepEqual([await shownOf(), await recipeOn(page)], before);
    await settled(page);
  },
  { reducedMotion: "no-preference" },
);

withPage("a changed address is drawn; what it leaves out is as it is at first", async (page) => {
  const go = (change) => drawn(page, () => page.evaluate(change));
  const first = await recipeOn(page);
  await go(() => (location.hash = location.hash.replace("seed=7", "seed=8"))); // its recipe is still the old one
  assert.equal(await page.inputValue("#seed"), "8");
  assert.equal(await page.textContent("#details"), "seed 8");
  assert.notEqual(await recipeOn(page), first);
  await go(() => (location.hash = "#prompt=calm+blue&guidance_scale=5&steps=2"));
  assert.equal(await page.textContent("#caption"), "calm blue");
  assert.equal(await page.inputValue("#seed"), "7");
  assert.equal(await page.inputValue("#guidance_scale"), "5");
  await go(() => (location.hash = "#seed=9"));
  assert.equal(await page.textContent("#caption"), "warm dark fluid");
  assert.equal(await page.inputValue("#guidance_scale"), String(manifest.spec.guidance_scale));
  assert.equal(await page.inputValue("#steps"), String(manifest.spec.steps));
  await drawn(page, () => page.goBack());
  assert.equal(await page.textContent("#caption"), "calm blue");
});

withPage("a text is a seed, and the picture names the number that it stands for", async (page) => {
  await page.fill("#seed", "alice");
  await drawn(page, () => page.press("#seed", "Enter"));
  assert.equal(await page.textContent("#details"), "seed 6762861930873007");
  const named = await recipeOn(page);
  await page.fill("#seed", "6762861930873007");
  await drawn(page, () => page.press("#seed", "Enter"));
  assert.equal(await recipeOn(page), named);
});

withPage("words beside the adjectives are understood, and it is said", async (page) => {
  await page.fill("#prompt", "a warm, not busy picture");
  await drawn(page, () => page.press("#prompt", "Enter"));
  assert.match(await page.textContent("#status"), /^Drawn in \d+\.\d s\. Read as "warm -busy"\.$/u);
  assert.equal(await page.textContent("#caption"), "warm -busy");
});

withPage("the way to other words begins and ends with both prompts' own pictures", async (page) => {
  const first = await indicesOn(page);
  await drawn(page, () => page.click("#interpolate"));
  const thumbs = page.locator("#frames .thumb");
  assert.equal(await thumbs.count(), 7);
  await drawn(page, () => thumbs.nth(0).click());
  assert.deepEqual(await indicesOn(page), first);
  await drawn(page, () => thumbs.nth(3).click());
  assert.equal(await page.textContent("#caption"), "warm dark fluid to icy geometric, 50 %");
  const half = await recipeOn(page);
  const link = (await page.url()).split("#")[1].replace(/&recipe=.*/u, "");
  await drawn(page, () => page.evaluate((words) => (location.hash = words), link));
  assert.equal(await recipeOn(page), half); // a link draws a blend too
  await drawn(page, () => thumbs.nth(6).click());
  const last = await indicesOn(page);
  await page.fill("#prompt", "icy geometric");
  await drawn(page, () => page.click("#draw"));
  assert.deepEqual(await indicesOn(page), last);
});

withPage("a picture lends its form until the words choose again", async (page) => {
  const first = await recipeOn(page);
  const { pixels, width, height } = picture(90, 130);
  const buffer = Buffer.from(await pngFrom(pixels, width, height, {}));
  await page.click("summary:text('Form')");
  await drawn(page, () => page.setInputFiles("#form-file", { name: "disc.png", mimeType: "image/png", buffer }));
  assert.match(await page.textContent("#form-name"), /^That of disc\.png\.$/u);
  assert.equal(await page.textContent("#details"), "seed 7, of a given form");
  assert.ok(await page.isVisible("#form-shown"));
  const formed = await recipeOn(page);
  assert.notEqual(formed, first);
  await page.focus("#form_strength");
  await drawn(page, () => page.keyboard.press("Home")); // the form counts for nothing
  assert.notEqual(await recipeOn(page), formed);
  await drawn(page, () => page.keyboard.press("End"));
  assert.equal(await recipeOn(page), formed);
  await page.click("#form-own");
  assert.match(await page.textContent("#form-name"), /^That of “warm dark fluid”\.$/u);
  await drawn(page, () => page.click("#form-none"));
  assert.equal(await recipeOn(page), first);
  assert.ok(!(await page.isVisible("#form-shown")));
});

withPage("sizes and tiles: wide, and with edges that meet; each opens from its link", async (page) => {
  await drawn(page, () => page.selectOption("#size", "512x256"));
  assert.deepEqual(await sizeOn(page), [512, 256]);
  assert.equal(await page.textContent("#details"), "seed 7, 512 × 256");
  await drawn(page, () => page.check("#tile"));
  assert.equal(await page.textContent("#details"), "seed 7, 512 × 256, a tile");
  assert.equal((await saidOn(page)).layout.wrap, true);
  const once = await pixelsOn(page, "#picture");
  await page.click("#repeat");
  assert.deepEqual(await sizeOn(page), [1024, 512]);
  const repeated = await pixelsOn(page, "#picture");
  const at = (x, y, width) => 4 * (y * width + x);
  for (const [x, y] of [[3, 5], [500, 200]]) {
    const own = once.slice(at(x, y, 512), at(x, y, 512) + 4);
    for (const [right, down] of [[0, 0], [512, 0], [0, 256], [512, 256]]) {
      const place = at(x + right, y + down, 1024);
      assert.deepEqual(repeated.slice(place, place + 4), own);
    }
  }
  await page.click("#repeat");
  assert.deepEqual(await pixelsOn(page, "#picture"), once);
  const other = await openPage(chromium, { fragment: (await page.url()).split("#")[1] });
  assert.equal(await recipeOn(other.page), await recipeOn(page));
  assert.equal(await other.page.inputValue("#size"), "512x256");
  assert.ok(await other.page.isChecked("#tile"));
  await other.context.close();
});

withPage("another size is typed; one that cannot be drawn is told in a sentence", async (page) => {
  await page.selectOption("#size", "other");
  assert.ok(await page.isVisible("#width"));
  await drawn(page, async () => {
    await page.fill("#width", "264");
    await page.press("#width", "Tab");
  });
  assert.deepEqual(await sizeOn(page), [264, 256]);
  await page.fill("#height", "100");
  await page.press("#height", "Tab");
  await settled(page, ["error"]);
  assert.match(await problemOn(page), /The height of the size is 100; expected a whole number from 256 to 2048/u);
  assert.deepEqual(await sizeOn(page), [264, 256]);
});

withPage("ideas: an example with the seed that is there, a surprise with a new one", async (page) => {
  const example = page.getByRole("button", { name: "calm minimal blue" });
  await drawn(page, () => example.click());
  assert.equal(await page.textContent("#caption"), "calm minimal blue");
  assert.equal(await page.textContent("#details"), "seed 7");
  await drawn(page, () => page.click("#surprise"));
  assert.equal((await page.textContent("#caption")).split(" ").length, 3);
  assert.notEqual(await page.textContent("#details"), "seed 7");
});

withPage("an unknown word is named with the known one that it is nearest to, which can take its place", async (page) => {
  await page.fill("#prompt", "joyous:1.5 warm");
  await page.press("#prompt", "Enter");
  const near = page.getByRole("button", { name: "Use “joyful” for “joyous”" });
  await near.waitFor();
  assert.match(await page.textContent("#status"), / Not among the known adjectives, drawn all the same: joyous \(near joyful\)\.$/u);
  await settled(page);
  await drawn(page, () => near.click());
  assert.equal(await page.textContent("#caption"), "joyful:1.5 warm");
  assert.equal(await near.count(), 0);
});

withPage("the pictures of the session stay, also after the page is loaded again", async (page) => {
  const first = await recipeOn(page);
  await drawn(page, () => page.click("#reseed"));
  const thumbs = page.locator("#gallery .thumb");
  assert.equal(await thumbs.count(), 2);
  assert.equal(await thumbs.first().getAttribute("aria-pressed"), "true");
  await drawn(page, () => thumbs.nth(1).click());
  assert.equal(await recipeOn(page), first);
  assert.equal(await page.textContent("#details"), "seed 7");
  assert.equal(await thumbs.count(), 2);
  await drawn(page, () => page.reload());
  assert.equal(await thumbs.count(), 2);
  assert.equal(await thumbs.nth(1).getAttribute("aria-label"), "warm dark fluid, seed 7");
  await page.click("#gallery-clear");
  assert.ok(!(await page.isVisible("#gallery-box")));
});

withPage("the steps to other words are played and saved as a GIF", async (page) => {
  assert.ok(!(await page.isVisible("#save-gif")));
  await drawn(page, () => page.click("#interpolate"));
  await page.click("#play");
  assert.ok(await page.isVisible("#film"));
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-gif")]);
  assert.equal(download.suggestedFilename(), "warm-dark-fluid-to-icy-geometric-7.gif");
  const gif = readFileSync(await download.path());
  assert.equal(gif.toString("latin1", 0, 6), "GIF89a");
  assert.equal(gif.toString("latin1").split("\x21\xf9\x04").length - 1, 12); // there and back
  await page.click("#play");
  assert.ok(!(await page.isVisible("#film")));
});

test("can be installed: a manifest, its icons, and a worker that opens it without a server", async () => {
  const { page, context } = await openPage(chromium, { fragment: START });
  const session = await context.newCDPSession(page);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  const { url, errors } = await session.send("Page.getAppManifest");
  assert.equal(url, `${chromium.origin}/app.webmanifest`);
  assert.deepEqual(errors, []);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
  await context.close();
});

test("works below a prefix, and a bar moves while it loads", async () => {
  const context = await chromium.browser.newContext({ reducedMotion: "reduce" });
  const page = await context.newPage();
  const asked = [];
  await context.route(`${chromium.origin}/**`, async (route) => {
    const url = new URL(route.request().url());
    asked.push(url.pathname);
    if (!url.pathname.startsWith("/art/")) return route.fulfill({ status: 404, body: "" });
    return route.fulfill({ response: await route.fetch({ url: `${url.origin}${url.pathname.slice(4)}` }) });
  });
  await page.addInitScript(() => {
    window.values = [];
    new MutationObserver(() => {
      const bar = document.getElementById("arriving");
      if (bar && document.body.dataset.state !== "ready") window.values.push(bar.value);
    }).observe(document, { subtree: true, attributes: true });
  });
  await page.goto(`${chromium.origin}/art/#${START}`);
  await settled(page);
  assert.deepEqual(asked.filter((path) => !path.startsWith("/art/")), []);
  const values = await page.evaluate(() => window.values);
  const moved = new Set(values);
  assert.ok(moved.size >= 5, `${[...moved]}`);
  assert.deepEqual(values, values.toSorted((a, b) => a - b));
  await context.close();
});

withPage("a part is drawn anew, and the rest stays", async (page) => {
  const before = await pixelsOn(page, "#picture");
  const changed = (after, x, y) => [0, 1, 2].some((c) => after[4 * (256 * y + x) + c] !== before[4 * (256 * y + x) + c]);
  const count = (after, left, right) => {
    let sum = 0;
    for (let y = 0; y < 256; y += 1) for (let x = left; x < right; x += 1) sum += changed(after, x, y);
    return sum;
  };
  await page.selectOption("#part", "left");
  await drawn(page, () => page.click("#redraw"));
  const after = await pixelsOn(page, "#picture");
  assert.equal(count(after, 128 + 8 + 1, 256), 0);
  assert.ok(count(after, 0, 128) > 1000);
  assert.match(await page.textContent("#details"), /^seed \d+, a part anew$/u);
  const recipe = await recipeOn(page);
  const other = await openPage(chromium, { fragment: (await page.url()).split("#")[1] });
  assert.equal((await unpackRecipe(await recipeOn(other.page), manifest)).pasted.feather, 8);
  assert.deepEqual(await pixelsOn(other.page, "#picture"), after);
  await other.context.close();
  await drawn(page, () => page.goBack());
  assert.notEqual(await recipeOn(page), recipe);
});

withPage("a mouse marks the part on the picture", async (page) => {
  const { x, y, width, height } = await page.locator("#print").boundingBox();
  await page.mouse.move(x + width / 4, y + height / 4);
  await page.mouse.down();
  await page.mouse.move(x + width / 2, y + height / 2, { steps: 3 });
  await page.mouse.up();
  assert.equal(await page.inputValue("#part"), "marked");
  await drawn(page, () => page.click("#redraw"));
  const { mask } = (await saidOn(page)).pasted;
  const covered = mask.reduce((sum, here) => sum + here, 0) / mask.length;
  assert.ok(covered > 0.055 && covered < 0.07, `${covered}`);
  assert.equal(await page.inputValue("#part"), "middle"); // the mark is gone
  assert.ok(!(await page.isVisible("#mark")));
});

withPage("a picture goes on beyond its edges, and a saved one opens again", async (page) => {
  await page.selectOption("#side", "top");
  await drawn(page, () => page.click("#extend"));
  assert.deepEqual(await sizeOn(page), [256, 320]);
  assert.match(await page.textContent("#details"), /^seed \d+, 256 × 320, drawn on$/u);
  const recipe = await recipeOn(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  assert.match(download.suggestedFilename(), /^warm-dark-fluid-outpaint-256x320-\d+\.png$/u);
  const png = readFileSync(await download.path());
  await drawn(page, () => page.click("#draw"));
  await drawn(page, () => page.setInputFiles("#file", { name: "a.png", mimeType: "image/png", buffer: png }));
  assert.equal(await recipeOn(page), recipe);
});

withPage("a link holds the picture: elsewhere it opens with the same pixels", async (page, context) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await drawn(page, () => page.click("#vary"));
  await drawn(page, () => page.locator("#variations .thumb").nth(1).click());
  await page.click("#copy-link");
  await page.waitForFunction(() => document.querySelector("#status").textContent === "Copied the link.");
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await openPage(chromium, { fragment: link.split("#")[1] });
  for (const field of ["#recipe", "#prompt", "#seed"]) {
    assert.equal(await other.page.inputValue(field), await page.inputValue(field));
  }
  assert.equal(await other.page.textContent("#details"), await page.textContent("#details"));
  const [here, there] = [await pixelsOn(page, "#picture"), await pixelsOn(other.page, "#picture")];
  assert.ok(here.every((value, i) => Math.abs(value - there[i]) <= 1));
  await other.context.close();
});

withPage("a saved PNG opens again, and Back goes to the picture before", async (page) => {
  const first = await recipeOn(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  assert.equal(download.suggestedFilename(), "warm-dark-fluid-7.png");
  const png = readFileSync(await download.path());
  await drawn(page, () => page.click("#reseed"));
  const second = await recipeOn(page);
  await drawn(page, () => page.setInputFiles("#file", { name: "a.png", mimeType: "image/png", buffer: png }));
  assert.equal(await recipeOn(page), first);
  assert.equal(await page.inputValue("#seed"), "7");
  await drawn(page, () => page.goBack());
  assert.equal(await recipeOn(page), second);
});

withPage("a pasted recipe opens", async (page) => {
  const first = await recipeOn(page);
  await drawn(page, () => page.click("#reseed"));
  await page.click("summary:text('Recipe')");
  await page.fill("#recipe", `  ${first}\n`);
  await drawn(page, () => page.click("#open-recipe"));
  assert.equal(await recipeOn(page), first);
  assert.equal(await page.textContent("#caption"), "From a recipe");
});

withPage("what cannot be used is told in a sentence, and the picture stays", async (page) => {
  const before = await recipeOn(page);
  const cases = [
    ["#prompt", "", /no adjectives; type some/u],
    ["#prompt", "warm:9", /expected a weight from 0 to 4/u],
    ["#seed", "1.5", /The seed is "1\.5"; expected a whole number from 0 to 9007199254740991/u],
  ];
  for (const [field, typed, words] of cases) {
    const kept = await page.inputValue(field);
    await page.fill(field, typed);
    await page.press(field, "Enter");
    assert.match(await problemOn(page), words);
    assert.equal(await page.getAttribute(field, "aria-invalid"), "true");
    await page.fill(field, kept);
  }
  await page.click("summary:text('Recipe')");
  await page.fill("#recipe", before.slice(0, -1));
  await page.click("#open-recipe");
  assert.match(await problemOn(page), /damaged or cut short; copy it whole/u);
  await page.setInputFiles("#file", { name: "a.png", mimeType: "image/png", buffer: Buffer.from("GIF89a") });
  await page.waitForFunction(() => /not a PNG/u.test(document.getElementById("problem").textContent));
  await page.fill("#second", "b c d e f g h i j");
  await page.click("#interpolate");
  assert.match(await page.textContent("#between-problem"), /9 adjectives; expected at most 8/u);
  await page.setInputFiles("#form-file", { name: "a.png", mimeType: "image/png", buffer: Buffer.from("GIF89a") });
  await page.waitForFunction(() => /a\.png is no picture/u.test(document.getElementById("problem").textContent));
  await drawn(page, () => page.click("#draw"));
  assert.equal(await problemOn(page), "");
  assert.equal(await recipeOn(page), before);
});

withPage("only the newest of many requests is shown", async (page) => {
  await page.evaluate(() => (document.body.dataset.state = "asked"));
  for (const seed of ["1", "2", "3", "4"]) {
    await page.fill("#seed", seed);
    await page.press("#seed", "Enter");
  }
  await settled(page);
  assert.equal(await page.textContent("#details"), "seed 4");
});

withPage("draws without a network once it is loaded", async (page, context, seen) => {
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {})); // or its own fetch would fail
  const asked = seen.requests.length;
  await context.setOffline(true);
  await drawn(page, () => page.click("#reseed"));
  await drawn(page, () => page.click("#vary"));
  assert.equal(seen.requests.length, asked);
});

test("opens and draws after a reload when its server is gone", async () => {
  const own = await start();
  const { page, context, seen } = await openPage(own, { fragment: START });
  const first = await recipeOn(page);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await own.stopServing();
  await assert.rejects(fetch(own.origin));
  await page.evaluate(() => (document.body.dataset.state = "asked"));
  await page.reload();
  await settled(page);
  assert.equal(await recipeOn(page), first);
  await drawn(page, () => page.click("#reseed"));
  assert.notEqual(await recipeOn(page), first);
  assert.deepEqual(seen.errors, []);
  await context.close();
  await own.close();
});

test("the page's own policy refuses a request to another origin", async () => {
  const { page, context } = await openPage(chromium, { fragment: START });
  const answer = await page.evaluate(() => fetch("https://example.invalid/").catch((error) => error.message));
  assert.equal(answer, "Failed to fetch");
  const told = await page.evaluate(
    () =>
      new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => resolve(event.blockedURI));
        fetch("https://example.invalid/").catch(() => {});
      }),
  );
  assert.match(told, /example\.invalid/u);
  await context.close();
});

for (const [what, pattern, words] of [
  ["manifest", "**/manifest.json", /The model could not be loaded \(.+\); load the page again/u],
  ["model", "**/painter-*.ort", /The model could not be loaded \(painter-\w+\.ort: 404 .*\); load the page again/u],
  ["runtime", "**/*.wasm", /The model could not be loaded \(.+\); load the page again/u],
]) {
  test(`a missing ${what} is told in a sentence`, async () => {
    const context = await chromium.browser.newContext();
    const page = await context.newPage();
    await context.route(pattern, (route) => route.fulfill({ status: 404, body: "" }));
    await page.goto(chromium.origin);
    await settled(page, ["error"]);
    assert.match(await problemOn(page), words);
    await context.close();
  });
}

test("a damaged link is told in a sentence, and words can still be drawn", async () => {
  const context = await chromium.browser.newContext();
  const page = await context.newPage();
  await page.goto(`${chromium.origin}/#prompt=pale&seed=3&steps=1&recipe=AAAA`);
  await settled(page, ["error"]);
  assert.match(await problemOn(page), /The recipe, 4 characters, is damaged or cut short; copy it whole/u);
  await drawn(page, () => page.click("#draw"));
  assert.equal(await page.textContent("#caption"), "pale");
  await context.close();
});
