// Changing the picture on show: a part of it drawn anew, more of it beyond its edges; and taking a picture's form.
import { pictureIn, show } from "./canvas.js";
import { formOf, SIDE } from "./core/form.js";
import { PageError } from "./core/errors.js";
import { freshSeed } from "./core/seeds.js";
import { $, guarded, state } from "./page.js";
import { blendOf, captionOf, drawAndShow, pictureOf } from "./picture.js";
import { promptTyped, requestFor } from "./request.js";

const PARTS = { // left, top, width and height, as shares of the picture
  middle: [0.25, 0.25, 0.5, 0.5],
  left: [0, 0, 0.5, 1],
  right: [0.5, 0, 0.5, 1],
  top: [0, 0, 1, 0.5],
  bottom: [0, 0.5, 1, 0.5],
};
const MARKED = "marked"; // the part that was dragged over the picture
const SIDES = { left: [1, 0, 0, 0], right: [0, 1, 0, 0], top: [0, 0, 1, 0], bottom: [0, 0, 0, 1], around: [1, 1, 1, 1] };
const [MIDDLE_GREY, GREY_OF_A_FORM] = [128, 2]; // grey levels to one of a form's numbers
let marked = null;

/** The words that are typed, or the picture's own where they are the same, with a fresh seed. */
function requestChanged() {
  const { current } = state;
  const { terms, others } = promptTyped();
  const blend = $("prompt").value.trim() === current.prompt ? blendOf(current) : null;
  return { request: requestFor(terms, { blend, seed: freshSeed() }), others };
}

/** 1 in a rectangle of shares of the picture, else 0: (height, width). */
function maskOf({ width, height }, [left, top, across, down]) {
  const mask = new Uint8Array(width * height);
  const [x, end] = [Math.round(left * width), Math.round((left + across) * width)];
  for (let y = Math.round(top * height); y < Math.round((top + down) * height); y += 1) {
    mask.fill(1, y * width + x, y * width + end);
  }
  return mask;
}

const change = (how, about) =>
  guarded(async () => {
    const { request, others } = requestChanged();
    await drawAndShow(request, { how, about: { picture: pictureOf(state.current), ...about() }, others });
    unmark();
  }, "change-problem");

export const drawPart = () =>
  change("inpaint", () => ({ mask: maskOf(state.current, PARTS[$("part").value] ?? marked) }));

export const drawBeyond = () =>
  change("outpaint", () => ({ margins: SIDES[$("side").value].map((own) => own * Number($("margin").value)) }));

function unmark() {
  marked = null;
  $("mark").hidden = true;
  [...$("part").options].find(({ value }) => value === MARKED)?.remove();
}

/** Drag a rectangle over the picture with a mouse or a pen: it becomes the part to be drawn anew. */
export function listenForMarks() {
  const print = $("print");
  let start = null;
  const placeOf = ({ clientX, clientY }) => {
    const { left, top, width, height } = print.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height].map((share) => Math.min(Math.max(share, 0), 1));
  };
  print.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || !state.current) return; // a finger scrolls
    start = placeOf(event);
    print.setPointerCapture(event.pointerId);
  });
  print.addEventListener("pointermove", (event) => {
    if (!start) return;
    const end = placeOf(event);
    const [left, top] = [0, 1].map((axis) => Math.min(start[axis], end[axis]));
    const [width, height] = [0, 1].map((axis) => Math.abs(start[axis] - end[axis]));
    marked = [left, top, width, height];
    Object.assign($("mark").style, Object.fromEntries(["left", "top", "width", "height"].map((name, i) => [name, `${100 * marked[i]}%`])));
    $("mark").hidden = false;
  });
  print.addEventListener("pointerup", () => {
    start = null;
    if (!marked) return;
    if (!$("part").querySelector(`[value=${MARKED}]`)) $("part").add(new Option("what is marked on it", MARKED));
    $("part").value = MARKED;
  });
  $("part").addEventListener("change", () => $("part").value === MARKED || unmark());
}

/** Take the form of a picture from now on; null lets the words choose. */
export function takeForm(picture, name = "") {
  state.form = picture;
  $("form-name").textContent = picture ? name : "The words choose it.";
  $("form-shown").hidden = !picture;
  $("form-none").disabled = !picture;
  if (!picture) return;
  const form = formOf(picture.pixels, picture.width, picture.height);
  const grey = Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) =>
    Math.min(Math.max(MIDDLE_GREY + GREY_OF_A_FORM * form[Math.floor(i / 3)], 0), 255),
  );
  show($("form-shown"), { pixels: grey, width: SIDE, height: SIDE });
}

/** Take the form of a picture in a file. */
export async function takeFormOf(file) {
  const picture = await pictureIn(file);
  if (!picture) throw new PageError(`${file.name} is no picture that this browser reads; choose a PNG or a JPEG.`);
  takeForm(picture, `That of ${file.name}.`);
}

/** Take the form of the picture on show. */
export const takeFormShown = () => takeForm(pictureOf(state.current), `That of “${captionOf(state.current)}”.`);
