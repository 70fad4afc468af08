"""Does an exported bundle compute what the model computes? An object, not a print.

The way from the model to a deployment is a chain of links: torch in float, torch with
fake-quantisation, ONNX Runtime, TensorRT. The two sides of a link are compared twice. First both
are handed the same inputs, those of real prompts on their way through the sampler, so that a
difference in one call does not spread into the next. Then each draws alone, with the same seeds.

Where a form is chosen, and between latents and indices, an engine works in whole numbers
(`export.fixed`), which torch does not: there a link says how often both choose alike.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge.attributes import attribute_scores
from t2a_edge.bundle import ENGINES
from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing
from t2a_edge.errors import ExportError
from t2a_edge.prompt import parse_prompt
from t2a_edge.request import SamplingOptions
from t2a_edge.runner import (
    Float32Array,
    FormInputs,
    Int64Array,
    PainterInputs,
    Runner,
    UInt8Array,
)
from t2a_edge.sampler import decoded, draw_indices
from t2a_edge.spec import Spec

PROMPTS = ("warm dark fluid", "pale geometric", "chaotic -calm", "calm blue:0.5", "dense vivid",
           "minimal")  # fmt: skip
SEED = 7
PEAK = 255.0
NETWORKS = ("text", "painter")  # engines whose numbers a link's tolerance is of
MOST_OF_WHOLE = 0.03  # of a standard deviation: what whole numbers may cost forms and encoder


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What a link of the chain may differ by.

    Attributes:
        mean_share: mean difference of text engine and painter, as a share of the reference's
            standard deviation.
        psnr_db: of the decoder's pixels, at least.
        agreement: share of equal indices where both sides compose the same latents, at least.
        choices: share of equal forms where both sides choose for the same words, at least.
        seed_agreement: share of equal indices where both sides draw with the same seed, at least.
        attribute_absdiff: of the measured attributes of those pictures, mean, at most.
    """

    mean_share: float
    psnr_db: float
    agreement: float
    choices: float
    seed_agreement: float
    attribute_absdiff: float


TOLERANCES = {
    "quantisation": Tolerance(
        mean_share=0.25, psnr_db=25.0, agreement=1.0, choices=0.4, seed_agreement=0.05,
        attribute_absdiff=0.2,
    ),
    "fp32": Tolerance(
        mean_share=1e-4, psnr_db=60.0, agreement=0.9, choices=0.8, seed_agreement=0.8,
        attribute_absdiff=0.03,
    ),
    "fp16": Tolerance(
        mean_share=0.01, psnr_db=45.0, agreement=0.9, choices=0.8, seed_agreement=0.4,
        attribute_absdiff=0.1,
    ),
    "int8": Tolerance(
        mean_share=0.06, psnr_db=40.0, agreement=0.9, choices=0.8, seed_agreement=0.2,
        attribute_absdiff=0.1,
    ),
}  # fmt: skip
"""What each link may differ by. Fake-quantisation is another model, trained to draw as well; the
others should be the same model. In 8 bits a last digit moves a number now and then by a step, and
through three layers that moves all that follow: two computations of one painter differ by as much
as its 8 bits cost, 0.04 to 0.05 of a standard deviation where it is trained. A code that is about
as near as another is then the other one."""
SIDES = {
    "quantisation": ("torch, float", "torch, fake-quantised"),
    "fp32": ("torch, float", "ONNX Runtime, FP32"),
    "fp16": ("torch, float", "ONNX Runtime, FP16"),
    "int8": ("torch, fake-quantised", "ONNX Runtime, INT8"),
}


@dataclass
class _Difference:
    """Running comparison of one engine's outputs."""

    max_absdiff: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    count: int = 0
    spread: list[float] = field(default_factory=list)

    def add(self, reference: npt.NDArray[Any], candidate: npt.NDArray[Any]) -> None:
        difference = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
        self.max_absdiff = max(self.max_absdiff, float(difference.max()))
        self.total += float(difference.sum())
        self.squares += float(np.square(difference).sum())
        self.count += difference.size
        self.spread.append(float(reference.std()))


@dataclass(frozen=True)
class Parity:
    """How far the two sides of a link are from each other.

    Attributes:
        link: names the sides and the tolerance.
        max_absdiff, mean_absdiff: largest and mean difference of each engine's output; of the
            composer's indices there is none, of forms only where both sides chose the same.
        mean_share: mean difference as a share of the reference's standard deviation.
        psnr_db: of the decoder's pixels; 99 where they are equal.
        agreement: share of equal indices of the same latents.
        choices: share of equal forms of the same words.
        seed_agreement: share of equal indices where both sides draw with the same seeds.
        attribute_absdiff: mean difference of the measured attributes of those pictures, [-1, 1].
    """

    link: str
    max_absdiff: dict[str, float]
    mean_absdiff: dict[str, float]
    mean_share: dict[str, float]
    psnr_db: float
    agreement: float
    choices: float
    seed_agreement: float
    attribute_absdiff: float

    def failures(self) -> list[str]:
        """What is beyond the tolerance, each with figure and limit."""
        limit = TOLERANCES[self.link]
        found = []
        for engine, share in self.mean_share.items():
            most = limit.mean_share if engine in NETWORKS else MOST_OF_WHOLE
            if engine != "decoder" and not share <= most:
                found.append(
                    f"{engine} differs by {share:.2g} of a standard deviation, limit {most:g}"
                )
        if not self.psnr_db >= limit.psnr_db:
            found.append(f"pixels reach {self.psnr_db:.1f} dB, limit {limit.psnr_db:g} dB")
        for what, share, least in (
            ("indices of the same latents", self.agreement, limit.agreement),
            ("forms of the same words", self.choices, limit.choices),
            ("indices of the same seed", self.seed_agreement, limit.seed_agreement),
        ):
            if not share >= least:
                found.append(f"{what} agree in {share:.1%}, limit {least:.1%}")
        if not self.attribute_absdiff <= limit.attribute_absdiff:
            found.append(
                f"attributes differ by {self.attribute_absdiff:.3f}, limit "
                f"{limit.attribute_absdiff:g}"
            )
        return found

    def check(self) -> None:
        """Raise an ExportError if anything is beyond the tolerance."""
        found = self.failures()
        if found:
            reference, candidate = SIDES[self.link]
            raise ExportError(
                f"The {self.link} export does not match its source, {candidate} against "
                f"{reference}: {'; '.join(found)}. "
                "Nothing was written; mend the export, or train longer with fake-quantisation."
            )

    def to_json(self) -> dict[str, Any]:
        """All figures, rounded, with the tolerance."""

        def short(figures: dict[str, float]) -> dict[str, float]:
            return {name: float(f"{value:.3g}") for name, value in figures.items()}

        return {
            "max_absdiff": short(self.max_absdiff),
            "mean_absdiff": short(self.mean_absdiff),
            "mean_share": short(self.mean_share),
            "psnr_db": round(self.psnr_db, 2),
            "agreement": round(self.agreement, 5),
            "choices": round(self.choices, 4),
            "seed_agreement": round(self.seed_agreement, 4),
            "attribute_absdiff": round(self.attribute_absdiff, 4),
            "tolerance": asdict(TOLERANCES[self.link]),
        }


def parity_table(links: Sequence[Parity]) -> str:
    """Markdown: one row for each link, figures with their limits."""
    lines = [
        "| link | pixels of the same indices | indices of the same latents | forms of the same "
        "words | painter, largest / mean | indices of the same seed | attributes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for link in links:
        limit = TOLERANCES[link.link]
        reference, candidate = SIDES[link.link]
        lines.append(
            f"| {reference} -> {candidate} "
            f"| {link.psnr_db:.1f} dB (at least {limit.psnr_db:g}) "
            f"| {link.agreement:.2%} (at least {limit.agreement:.0%}) "
            f"| {link.choices:.1%} (at least {limit.choices:.0%}) "
            f"| {link.max_absdiff['painter']:.3g} / {link.mean_absdiff['painter']:.2g} "
            f"| {link.seed_agreement:.1%} (at least {limit.seed_agreement:.0%}) "
            f"| {link.attribute_absdiff:.3f} (at most {limit.attribute_absdiff:g}) |"
        )
    return "\n".join(lines)


class ComparingRunner(Runner):
    """Hands every call to two runners, notes the differences, answers as the reference does."""

    def __init__(self, reference: Runner, candidate: Runner) -> None:
        self.reference, self.candidate = reference, candidate
        self.differences = {name: _Difference() for name in ENGINES if name != "composer"}
        self.same_index: list[bool] = []
        self.same_choice: list[bool] = []

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        expected = self.reference.text(text_bytes)
        self.differences["text"].add(expected, self.candidate.text(text_bytes))
        return expected

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        expected, choices = self.reference.forms(inputs)
        found, chosen = self.candidate.forms(inputs)
        same = choices == chosen
        self.same_choice.extend(same.tolist())
        if same.any():
            self.differences["forms"].add(expected[same], found[same])
        return expected, choices

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        expected = self.reference.painter(inputs)
        self.differences["painter"].add(expected, self.candidate.painter(inputs))
        return expected

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        expected = self.reference.composer(latents)
        self.same_index.extend((expected == self.candidate.composer(latents)).ravel().tolist())
        return expected

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        expected = self.reference.encoder(indices)
        self.differences["encoder"].add(expected, self.candidate.encoder(indices))
        return expected

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        expected = self.reference.decoder(indices)
        self.differences["decoder"].add(expected, self.candidate.decoder(indices))
        return expected

    def parity(self, link: str, seed_agreement: float, attribute_absdiff: float) -> Parity:
        """The figures of all calls so far, with those of pictures drawn by each side alone."""
        parts = {name: part for name, part in self.differences.items() if part.count}
        pixels = parts["decoder"]
        mse = pixels.squares / pixels.count
        mean = {name: part.total / part.count for name, part in parts.items()}
        return Parity(
            link,
            {name: part.max_absdiff for name, part in parts.items()},
            mean,
            {n: mean[n] / max(float(np.mean(p.spread)), 1e-12) for n, p in parts.items()},
            99.0 if mse == 0 else float(10 * np.log10(PEAK**2 / mse)),
            float(np.mean(self.same_index)),
            float(np.mean(self.same_choice)),
            seed_agreement,
            attribute_absdiff,
        )


def compare_runners(reference: Runner, candidate: Runner, spec: Spec, link: str) -> Parity:
    """Draw some prompts with both sides of a link: handed the same inputs, and each alone."""
    both = ComparingRunner(reference, candidate)
    indices, _ = _drawn(both, spec)
    both.encoder(indices)
    sides = [_drawn(runner, spec) for runner in (reference, candidate)]
    scores = [
        np.array([list(attribute_scores(picture).values()) for picture in pixels])
        for _, pixels in sides
    ]
    return both.parity(
        link,
        float(np.mean(sides[0][0] == sides[1][0])),
        float(np.abs(scores[0] - scores[1]).mean()),
    )


def _drawn(runner: Runner, spec: Spec) -> tuple[Int64Array, UInt8Array]:
    """A picture of each prompt: indices and pixels."""
    options = SamplingOptions(
        guidance_scale=spec.guidance_scale, steps=spec.steps, form_strength=spec.form_strength,
        temperature=spec.temperature,
    )  # fmt: skip
    drawings = []
    for number, text in enumerate(PROMPTS):
        prompt = parse_prompt(text, max_words=spec.max_words, max_bytes=spec.max_bytes)
        drawings.append(Drawing(conditioning(runner, spec, prompt), SEED + number, options))
    indices = draw_indices(runner, spec, drawings)
    return indices, decoded(runner, spec, indices)
