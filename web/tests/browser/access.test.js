// The page for everybody: keyboard alone, screen reader, phone, dark and light.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPage, settled, start } from "../chromium.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const SHOTS = process.env.SHOTS; // folder for screenshots, where someone wants them
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const SMALLEST_TARGET = 24; // CSS pixels, WCAG 2.2 criterion 2.5.8
let chromium;

before(async () => {
  chromium = await start();
});
after(() => chromium?.close());

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** Everything on the page that can be: opened panels, a form, both strips, a problem. */
async function filled(page) {
  const act = async (selector) => {
    await page.evaluate(() => (document.body.dataset.state = "asked"));
    await page.click(selector);
    await settled(page);
  };
  await page.$$eval("details", (boxes) => boxes.forEach((box) => (box.open = true)));
  await page.click("#form-own");
  await act("#vary");
  await act("#interpolate");
  await page.click("#play");
  await page.fill("#prompt", "joyous");
  await act("#draw");
  await page.waitForSelector("#near .chip");
}

for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [kind, fragment] of [["pale", "prompt=pale+airy+calm&seed=5&steps=1"], ["dark", "prompt=nocturnal+dark+blue&seed=3&steps=1"]]) {
      test(`${device}, ${colorScheme}, a ${kind} picture: no violation of accessibility rules`, async () => {
        const { page, context } = await openPage(chromium, { ...size, colorScheme, fragment, bypassCSP: true });
        await shot(page, `${device}-${colorScheme}-${kind}`);
        await filled(page);
        await page.fill("#prompt", "warm:9");
        await page.press("#prompt", "Enter");
        await page.addScriptTag({ content: AXE });
        const { violations, passes } = await page.evaluate(() => axe.run());
        await shot(page, `${device}-${colorScheme}-${kind}-filled`);
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
        assert.deepEqual(told, []);
        assert.ok(passes.some(({ id }) => id === "color-contrast"));
        await context.close();
      });
    }
  }
}

for (const width of [2560, 768, 390, 320]) test(`fits ${width} pixels: nothing scrolls sideways, and what is touched is large enough`, async () => {
  const viewport = { width, height: 700 };
  const { page, context } = await openPage(chromium, { ...PHONE, viewport, fragment: "prompt=warm&seed=1&steps=2" });
  await shot(page, `phone-${width}`);
  await filled(page);
  await shot(page, `phone-${width}-filled`);
  const [wide, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.equal(client, width);
  assert.ok(wide <= client, `${wide} of ${client}`);
  const small = await page.$$eval(
    "button, input:not([type=file]), select, textarea, summary",
    (elements, least) =>
      elements
        .map((element) => ({ id: element.id || element.textContent, ...element.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => width && (width < least || height < least)),
    SMALLEST_TARGET,
  );
  assert.deepEqual(small, []);
  await context.close();
});

const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    const style = getComputedStyle(element);
    return {
      id: element.id || element.getAttribute("aria-label") || element.textContent.trim(),
      outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    };
  });

test("everything is reached by Tab, in the order of the page, and shows that it has the focus", async () => {
  const { page, context } = await openPage(chromium, { ...DESKTOP, fragment: "prompt=warm&seed=1&steps=2" });
  const reached = [];
  for (let step = 0; step < 90; step += 1) {
    await page.keyboard.press("Tab");
    const { id, outlined } = await focused(page);
    if (reached.includes(id) || id.startsWith("To the words\n")) break;
    assert.ok(outlined, `${id} does not show its focus`);
    reached.push(id);
  }
  const order = ["To the words", "Step 1 of 2", "The picture", "gallery-clear", "warm, seed 1", "prompt", "draw", "surprise",
    "calm minimal blue", "seed", "reseed", "size", "tile", "download", "copy-link", "open",
    "Axes", "axis-temperature", "axis-weight", "Hues and moods", "Form", "Strength and chance", "Recipe", "changed",
    "vary", "part", "redraw", "side", "margin", "extend", "second", "count", "interpolate"];
  const places = order.map((id) => reached.indexOf(id));
  assert.ok(places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1])), JSON.stringify({ reached, places }));
  await context.close();
});

test("words, a variation and a recipe by keyboard alone", async () => {
  const { page, context } = await openPage(chromium, { ...DESKTOP, fragment: "prompt=warm&seed=1&steps=2" });
  const drawn = async (act) => {
    await page.evaluate(() => (document.body.dataset.state = "asked"));
    await act();
    await settled(page);
  };
  const to = async (wanted) => {
    for (let step = 0; step < 120; step += 1) {
      if ((await focused(page)).id.startsWith(wanted)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab does not reach ${wanted}`);
  };
  const address = page.url();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter"); // the skip link
  assert.equal((await focused(page)).id, "prompt");
  assert.equal(page.url(), address);
  await to("prompt");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("pale blue");
  await drawn(() => page.keyboard.press("Enter"));
  assert.equal(await page.textContent("#caption"), "pale blue");
  await to("vary");
  await drawn(() => page.keyboard.press("Space"));
  await to("Variation 2");
  await drawn(() => page.keyboard.press("Enter"));
  assert.match(await page.textContent("#details"), /a variation/u);
  assert.match((await focused(page)).id, /^Variation 2/u); // the focus stays where it was
  await to("Recipe");
  await page.keyboard.press("Space");
  await to("recipe");
  assert.match(await page.inputValue("#recipe"), /^[\w-]{2000,}$/u);
  await context.close();
});

test("a screen reader hears of progress, problems and the picture", async () => {
  const { page, context } = await openPage(chromium, { ...DESKTOP, fragment: "prompt=warm&seed=1&steps=2" });
  const picture = page.getByRole("img", { name: "Abstract picture: warm, seed 1" });
  assert.equal(await picture.count(), 1);
  assert.match(await page.locator("#status[role=status]").textContent(), /^Drawn in /u);
  await page.fill("#prompt", "");
  await page.press("#prompt", "Enter");
  assert.match(await page.locator("#problem[role=alert]").textContent(), /no adjectives/u);
  assert.equal(await page.getAttribute("#prompt", "aria-describedby"), "hint problem");
  assert.equal(await page.getByRole("slider", { name: "temperature: cool to warm" }).count(), 1);
  assert.equal(await page.getByLabel("Adjectives", { exact: true }).getAttribute("id"), "prompt");
  await context.close();
});
