// Pixels on canvases.
import { stillness } from "./page.js";

const SIDE = 256;
const FADE_MS = 420;

/** Draw (H, W, 3) uint8 onto a canvas. */
export function show(canvas, pixels) {
  const data = new Uint8ClampedArray(SIDE * SIDE * 4).fill(255);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data[to] = pixels[from];
    data[to + 1] = pixels[from + 1];
    data[to + 2] = pixels[from + 2];
  }
  canvas.getContext("2d").putImageData(new ImageData(data, SIDE, SIDE), 0, 0);
}

/** The same, while a veil with what was there before fades away. */
export function fadeTo(canvas, veil, pixels) {
  if (!stillness()) {
    veil.getContext("2d").drawImage(canvas, 0, 0);
    veil.animate([{ opacity: 1 }, { opacity: 0 }], { duration: FADE_MS, easing: "ease-out" });
  }
  show(canvas, pixels);
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
