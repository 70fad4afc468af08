// Forms, fields and layouts, with the bits that Python's have.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { sha256 } from "../../src/core/digest.js";
import { PageError } from "../../src/core/errors.js";
import { fieldOfForm, noiseField, sharesBeyond, stretched, windowFields } from "../../src/core/fields.js";
import { SIDE, SPREAD, evened, formOf } from "../../src/core/form.js";
import {
  PLAIN, gridOf, latentNumbers, layoutOfSize, sideOf, windowCells, windowWeights, windowsOf,
} from "../../src/core/layout.js";
import { formBetween } from "../../src/core/morph.js";
import { rounded } from "../../src/core/numbers.js";
import { checked, layoutOf, manifest, picture, vectors } from "../vectors.js";

const { spec } = manifest;

for (const { shape, form, wide } of vectors.forms) {
  test(`the form of a picture of ${shape.join(" x ")}`, () => {
    const { pixels, width, height } = picture(...shape);
    assert.equal(checked(formOf(pixels, width, height)), form);
    assert.equal(checked(formOf(pixels, width, height, [SIDE, 160])), wide);
  });
}

for (const { shapes, forms } of vectors.between) {
  test(`forms between those of pictures of ${shapes.join(" and ")}`, () => {
    const ends = shapes.map(([height, width]) => {
      const { pixels } = picture(height, width);
      return Float32Array.from(formOf(pixels, width, height), (value) => value / SPREAD);
    });
    const found = vectors.shares.map((share) => checked(formBetween(...ends, share)));
    assert.deepEqual(found, forms);
  });
}

for (const vector of vectors.layouts) {
  const layout = layoutOf(vector);
  test(`a layout of ${vector.layout.join(", ")}`, () => {
    const found = {
      numbers: Int32Array.from(latentNumbers(layout, sideOf(spec))),
      last: Int32Array.from(windowCells(layout, 8, windowsOf(layout).at(-1))),
      field: fieldOfForm(spec, picture(90, 130), layout, vector.crop),
      stretched: stretched(noiseField(3, PLAIN), layout),
      noise: noiseField(Number.MAX_SAFE_INTEGER, layout),
    };
    for (const [name, values] of Object.entries(found)) assert.equal(checked(values), vector[name], name);
    const windows = windowFields(found.field, layout).map(evened);
    assert.equal(checked(Float32Array.from(windows.flatMap((window) => [...window]))), vector.evened);
    const [rows, columns] = gridOf(layout, SIDE);
    const kept = picture(rows, columns).pixels.filter((_, i) => i % 3 === 1).map((green) => Number(green > 0));
    assert.equal(checked(sharesBeyond(kept, [rows, columns], layout.wrap)), vector.shares);
  });
}

for (const [side, weights] of Object.entries(vectors.weights)) {
  test(`weights of windows of ${side} positions`, () => assert.equal(checked(windowWeights(Number(side))), weights));
}

test("a size is rounded up to half windows; what is out of range or between cells is refused", () => {
  assert.deepEqual(layoutOfSize(spec, [264, 512]), { layout: { rows: 4, columns: 3, wrap: false }, crop: [0, 0, 264, 512] });
  assert.deepEqual(layoutOfSize(spec, [256, 384], true).layout, { rows: 3, columns: 2, wrap: true });
  for (const [size, wrap] of [[[248, 256]], [[256, 2056]], [[260, 256]], [[256, NaN]], [[264, 256], true]]) {
    assert.throws(() => layoutOfSize(spec, size, wrap), PageError, `${size}`);
  }
});

test("halves are rounded to the even neighbour", () => {
  assert.deepEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.51, -2.51].map((x) => rounded(x) + 0), [-2, -2, 0, 0, 2, 2, 3, -3]);
});

test("SHA-256 is Node's", () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 4096]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * i);
    assert.equal(sha256(bytes), createHash("sha256").update(bytes).digest("hex"));
  }
});
