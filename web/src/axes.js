// A slider for each axis. The prompt is what counts: sliders write into it and follow it.

const MOST = 2; // weight at either end
const STEP = 0.25;

/** Build the sliders into a box; `changed(slider, weight)` hears of each move, `settled` of its end. */
export function axisSliders(box, axes, changed, settled) {
  return axes.map((axis) => {
    const [negative, positive] = [axis.negative[0] ?? "", axis.positive[0]];
    const row = document.createElement("div");
    row.className = "axis";
    const input = document.createElement("input");
    Object.assign(input, {
      type: "range", id: `axis-${axis.name}`, min: negative ? -MOST : 0, max: MOST, step: STEP, value: 0,
    });
    input.setAttribute("aria-label", `${axis.name}: ${negative ? `${negative} to ` : ""}${positive}`);
    const poles = [negative, positive].map((word) => {
      const pole = document.createElement("span");
      pole.textContent = word;
      pole.ariaHidden = "true";
      return pole;
    });
    row.append(poles[0], input, poles[1]);
    const slider = { negative, positive, input, poles };
    input.addEventListener("input", () => changed(slider, Number(input.value)));
    input.addEventListener("change", settled);
    box.append(row);
    return slider;
  });
}

function tell({ negative, positive, input, poles }, weight) {
  const word = weight < 0 ? negative : positive;
  input.setAttribute("aria-valuetext", weight ? `${word}, weight ${Math.abs(weight)}` : "not used");
  poles[0].classList.toggle("on", weight < 0);
  poles[1].classList.toggle("on", weight > 0);
  const value = Number(input.value);
  const place = (at) => `${(100 * (at - input.min)) / (input.max - input.min)}%`;
  input.style.setProperty("--from", place(Math.min(value, 0)));
  input.style.setProperty("--to", place(Math.max(value, 0)));
}

/** Move the sliders to where the terms of a prompt have their words. */
export function follow(sliders, terms) {
  for (const slider of sliders) {
    const of = (word) => terms.find((term) => term.word === word && term.weight > 0)?.weight ?? 0;
    const weight = of(slider.positive) || -of(slider.negative);
    slider.input.value = weight;
    tell(slider, weight);
  }
}
