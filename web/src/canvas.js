// Pixels on canvases. A picture is { pixels (H, W, 3), width, height }.
import { stillness } from "./page.js";

const SIDE = 256; // of a canvas before it has a picture
const FADE_MS = 420;

/** Draw a picture onto a canvas, which gets its size. */
export function show(canvas, { pixels, width, height }) {
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data[to] = pixels[from];
    data[to + 1] = pixels[from + 1];
    data[to + 2] = pixels[from + 2];
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
}

/** A picture beside and above itself. */
export function fourTimes({ pixels, width, height }) {
  const row = 3 * width;
  const whole = new Uint8Array(4 * pixels.length);
  for (let y = 0; y < 2 * height; y += 1) {
    const from = pixels.subarray((y % height) * row, ((y % height) + 1) * row);
    whole.set(from, 2 * y * row);
    whole.set(from, (2 * y + 1) * row);
  }
  return { pixels: whole, width: 2 * width, height: 2 * height };
}

/** Draw a picture onto a canvas, while a veil with what was there before fades away. */
export function fadeTo(canvas, veil, picture) {
  const alike = canvas.width === picture.width && canvas.height === picture.height;
  if (alike && !stillness()) {
    Object.assign(veil, { width: canvas.width, height: canvas.height });
    veil.getContext("2d").drawImage(canvas, 0, 0);
    veil.animate([{ opacity: 1 }, { opacity: 0 }], { duration: FADE_MS, easing: "ease-out" });
  }
  show(canvas, picture);
}

/** A button with a small picture in it. */
export function thumbnail(label, pressed) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "thumb";
  button.ariaLabel = label;
  button.title = label;
  button.ariaPressed = "false";
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  button.append(canvas);
  button.addEventListener("click", pressed);
  return { button, canvas };
}

/** Mean colour of pixels as CSS. */
export function meanColour(pixels) {
  const sums = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 1) sums[i % 3] += pixels[i];
  return `rgb(${sums.map((sum) => Math.round((3 * sum) / pixels.length)).join(" ")})`;
}

/** The picture in a file of any kind that the browser reads, on white; null where it reads none. */
export async function pictureIn(file) {
  const image = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => null);
  if (!image) return null;
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { pixels: data.filter((_, i) => i % 4 !== 3), width, height };
}
