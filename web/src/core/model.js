// Words to pictures, and pictures to others: t2a_edge/pipeline.py in JavaScript.
//
// A picture is { indices, layout, crop, pasted, pixels, width, height }: what its recipe says, and the pixels.
// A request is { terms, blend, seed, options, form }: blend is { terms, amount } or null, and form
// { pixels, width, height } or null; see sampler.js for the options.
import { conditioning } from "./conditioning.js";
import { sha256 } from "./digest.js";
import { blended, encoded, extended, extendedLayout, masked, varied } from "./edit.js";
import { PageError } from "./errors.js";
import { fieldOfForm } from "./fields.js";
import { formOf } from "./form.js";
import { cellOf, gridOf, layoutOfSize } from "./layout.js";
import { composed, decoded, paintSteps } from "./sampler.js";

const HASH_DIGITS = 16; // of a form's sha256, in a description
const COLOURS = 3;

/** The name of a form that was given, in a description; "" for none. */
export function formName(form) {
  if (!form) return "";
  const { buffer } = formOf(form.pixels, form.width, form.height);
  return sha256(new Uint8Array(buffer)).slice(0, HASH_DIGITS);
}

/** Pixels of what is shown of a layout. */
function cropped({ pixels, width }, [left, top, columns, rows]) {
  const part = new Uint8Array(columns * rows * COLOURS);
  for (let row = 0; row < rows; row += 1) {
    const from = ((top + row) * width + left) * COLOURS;
    part.set(pixels.subarray(from, from + columns * COLOURS), row * columns * COLOURS);
  }
  return part;
}

export class Model {
  /** `runner` has the engines of a bundle of this spec. */
  constructor(runner, spec) {
    this.runner = runner;
    this.spec = spec;
  }

  /** Draw a picture of a size, or a tile; `seen` gets { done, latents, drawing, layout, crop } after each step. */
  draw(request, { size = [this.spec.image_size, this.spec.image_size], tile = false } = {}, seen = null) {
    const { layout, crop } = layoutOfSize(this.spec, size, tile);
    return this.#drawn(request, layout, crop, null, seen);
  }

  /** Draw on from a picture: nearly the same (0), or hardly (1). */
  async vary(picture, strength, request, seen = null) {
    const { layout, crop } = picture;
    const given = varied(await this.#encoded(picture), layout, await this.#whole(picture), strength);
    if (request.form) {
      Object.assign(given, { form: fieldOfForm(this.spec, request.form, layout, crop), formLevel: null });
    }
    return this.#drawn(request, layout, crop, given, seen);
  }

  /** Draw a part of a picture anew; the mask is (height, width) of it. */
  async inpaint(picture, mask, request, { feather = cellOf(this.spec) } = {}, seen = null) {
    const { layout, crop } = picture;
    const most = cellOf(this.spec);
    if (!(Number.isInteger(feather) && feather >= 0 && feather <= most)) {
      throw new PageError(`The feather is ${feather}; expected a whole number from 0 to ${most}.`);
    }
    const given = masked(this.spec, await this.#encoded(picture), layout, await this.#whole(picture), crop, mask);
    const drawn = await this.#drawn(request, layout, crop, given, seen);
    if (mask.every(Boolean)) return drawn;
    const { indices, pasted } = picture;
    return this.#pasted(drawn, picture.pixels, { mask, feather, under: { indices, layout, crop, pasted } });
  }

  /** Draw on beyond a picture's edges; margins are pixels at the left, right, top and bottom. */
  async outpaint(picture, margins, request, seen = null) {
    const { layout, crop, at } = extendedLayout(this.spec, picture.layout, picture.crop, margins);
    const [own, whole] = [await this.#encoded(picture), await this.#whole(picture)];
    const given = extended(this.spec, own, picture.layout, whole, layout, at);
    return this.#drawn(request, layout, crop, given, seen);
  }

  /** The picture of what a recipe says. */
  async decode(recipe) {
    const picture = await this.#shown(recipe);
    if (!recipe.pasted) return picture;
    return this.#pasted(picture, (await this.decode(recipe.pasted.under)).pixels, recipe.pasted);
  }

  /** How the picture looks after a step, as `seen` got it. */
  async preview({ latents, drawing, layout, crop }) {
    return this.#shown({ indices: await composed(this.runner, this.spec, drawing, latents, layout), layout, crop });
  }

  async #drawn({ terms, blend, seed, options, form }, layout, crop, given, seen) {
    const words = await conditioning(this.runner, this.spec, terms, blend);
    const field = form ? fieldOfForm(this.spec, form, layout, crop) : null;
    const formLevel = given?.formLevel ?? 1 - options.form_strength;
    const drawing = { words, seed, options, form: field, formLevel, given };
    let [latents, done] = [null, 0];
    for await (latents of paintSteps(this.runner, this.spec, drawing, layout)) {
      done += 1;
      if (seen && done < options.steps) await seen({ done, latents, drawing, layout, crop });
    }
    return this.preview({ latents, drawing, layout, crop });
  }

  async #shown({ indices, layout, crop }) {
    const whole = await decoded(this.runner, this.spec, indices, layout);
    const [, , width, height] = crop;
    return { indices, layout, crop, pasted: null, pixels: cropped(whole, crop), width, height };
  }

  #pasted(picture, under, pasted) {
    const { pixels, width, height, layout } = picture;
    return { ...picture, pasted, pixels: blended(under, pixels, pasted, width, height, layout.wrap) };
  }

  #encoded({ indices, layout }) {
    return encoded(this.runner, this.spec, indices, layout);
  }

  /** A picture's pixels with what is not shown around them: { pixels, width, height } of the layout. */
  async #whole({ indices, layout, crop, pixels }) {
    const [left, top, columns, rows] = crop;
    const [height, width] = gridOf(layout, this.spec.image_size);
    if (width === columns && height === rows) return { pixels, width, height };
    const whole = await decoded(this.runner, this.spec, indices, layout);
    for (let row = 0; row < rows; row += 1) {
      const part = pixels.subarray(row * columns * COLOURS, (row + 1) * columns * COLOURS);
      whole.pixels.set(part, ((top + row) * width + left) * COLOURS);
    }
    return whole;
  }
}
