// Pixels on canvases.

const SIDE = 256;

/** Draw (H, W, 3) uint8 onto a canvas, which takes their size. */
export function show(canvas, pixels) {
  const data = new Uint8ClampedArray(SIDE * SIDE * 4).fill(255);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data[to] = pixels[from];
    data[to + 1] = pixels[from + 1];
    data[to + 2] = pixels[from + 2];
  }
  canvas.width = SIDE;
  canvas.height = SIDE;
  canvas.getContext("2d").putImageData(new ImageData(data, SIDE, SIDE), 0, 0);
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

/** PNG bytes of a canvas. */
export async function pngOf(canvas) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}
