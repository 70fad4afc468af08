"""Does an exported bundle compute what the model computes? An object, not a print.

The way from the model to a deployment is a chain of links: torch in float, torch with
fake-quantisation, ONNX Runtime, ONNX Runtime with `export.exact`, TensorRT. The two sides of a link
are compared twice. First both are handed the same inputs, those of real prompts on their way
through the sampler, so that a difference in one call does not spread into the next. Then each draws
alone, with the same seeds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge.attributes import attribute_scores
from t2a_edge.bundle import engines
from t2a_edge.errors import ExportError
from t2a_edge.prompt import text_bytes_from_words
from t2a_edge.runner import (
    Float32Array,
    Int64Array,
    KeysValues,
    RefinerInputs,
    Runner,
    ScaleInputs,
    UInt8Array,
)
from t2a_edge.sampler import Conditioning, SamplingOptions, sample_indices
from t2a_edge.spec import Spec

PROMPTS = (
    ("warm", "dark", "fluid"), ("pale", "geometric"), ("chaotic",), ("calm", "blue"),
    ("dense", "vivid"), ("minimal",),
)  # fmt: skip
SEED = 7
PEAK = 255.0


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What a link of the chain may differ by.

    Attributes:
        mean_share: mean difference, as a share of the reference's standard deviation; not of
            pixels, where a picture of little contrast would count for more.
        psnr_db: of the decoder's pixels, at least.
        agreement: share of positions with the same likeliest code, at least.
        seed_agreement: share of equal indices where both sides draw with the same seed, at least.
        attribute_absdiff: of the measured attributes of those pictures, mean, at most.
    """

    mean_share: float
    psnr_db: float
    agreement: float
    seed_agreement: float
    attribute_absdiff: float


TOLERANCES = {
    "quantisation": Tolerance(
        mean_share=0.25, psnr_db=25.0, agreement=0.7, seed_agreement=0.1, attribute_absdiff=0.2
    ),
    "fp32": Tolerance(
        mean_share=1e-4, psnr_db=60.0, agreement=0.999, seed_agreement=0.95, attribute_absdiff=0.03
    ),
    "fp16": Tolerance(
        mean_share=0.01, psnr_db=45.0, agreement=0.98, seed_agreement=0.5, attribute_absdiff=0.1
    ),
    "int8": Tolerance(
        mean_share=0.02, psnr_db=40.0, agreement=0.95, seed_agreement=0.2, attribute_absdiff=0.1
    ),
    "exact": Tolerance(
        mean_share=0.03, psnr_db=45.0, agreement=0.95, seed_agreement=0.1, attribute_absdiff=0.2
    ),
}
"""What each link may differ by. Fake-quantisation is another model, trained to draw as well, and
exact operators round otherwise where the next quantiser looks: a few of its numbers are one step
off, which moves a code here and there: among the refiner's, of which several are about as likely,
more than among the transformer's, and the more runs it has the more they count. The others should
be the same model; in 8 bits a last digit still moves a code now and then, and where parts are drawn
anew at several scales, one other code there is soon many."""
SIDES = {
    "quantisation": ("torch, float", "torch, fake-quantised"),
    "fp32": ("torch, float", "ONNX Runtime, FP32"),
    "fp16": ("torch, float", "ONNX Runtime, FP16"),
    "int8": ("torch, fake-quantised", "ONNX Runtime, INT8"),
    "exact": ("ONNX Runtime, INT8", "the same with exact operators"),
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
        max_absdiff, mean_absdiff: largest and mean difference of each engine's output (logits for
            the transformer and the refiner, grey levels for the decoder).
        mean_share: mean difference as a share of the reference's standard deviation.
        psnr_db: of the decoder's pixels; 99 where they are equal.
        agreement: share of positions with the same likeliest code.
        seed_agreement: share of equal indices where both sides draw with the same seeds. One
            other code among the coarse ones makes most of the finer ones others.
        attribute_absdiff: mean difference of the measured attributes of those pictures, [-1, 1].
    """

    link: str
    max_absdiff: dict[str, float]
    mean_absdiff: dict[str, float]
    mean_share: dict[str, float]
    psnr_db: float
    agreement: float
    seed_agreement: float
    attribute_absdiff: float

    def failures(self) -> list[str]:
        """What is beyond the tolerance, each with figure and limit."""
        limit = TOLERANCES[self.link]
        found = [
            f"{engine} differs by {share:.2g} of a standard deviation, limit {limit.mean_share:g}"
            for engine, share in self.mean_share.items()
            if engine != "decoder" and not share <= limit.mean_share
        ]
        if not self.psnr_db >= limit.psnr_db:
            found.append(f"pixels reach {self.psnr_db:.1f} dB, limit {limit.psnr_db:g} dB")
        if not self.agreement >= limit.agreement:
            found.append(
                f"likeliest codes agree in {self.agreement:.2%}, limit {limit.agreement:.1%}"
            )
        if not self.seed_agreement >= limit.seed_agreement:
            found.append(
                f"indices of the same seed agree in {self.seed_agreement:.1%}, limit "
                f"{limit.seed_agreement:.1%}"
            )
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
            "seed_agreement": round(self.seed_agreement, 4),
            "attribute_absdiff": round(self.attribute_absdiff, 4),
            "tolerance": asdict(TOLERANCES[self.link]),
        }


def parity_table(links: Sequence[Parity]) -> str:
    """Markdown: one row for each link, figures with their limits."""
    lines = [
        "| link | pixels of the same indices | likeliest codes | logits, largest / mean | "
        "indices of the same seed | attributes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for link in links:
        limit = TOLERANCES[link.link]
        reference, candidate = SIDES[link.link]
        lines.append(
            f"| {reference} -> {candidate} "
            f"| {link.psnr_db:.1f} dB (at least {limit.psnr_db:g}) "
            f"| {link.agreement:.2%} (at least {limit.agreement:.1%}) "
            f"| {link.max_absdiff['transformer']:.3g} / {link.mean_absdiff['transformer']:.2g} "
            f"| {link.seed_agreement:.1%} (at least {limit.seed_agreement:.0%}) "
            f"| {link.attribute_absdiff:.3f} (at most {limit.attribute_absdiff:g}) |"
        )
    return "\n".join(lines)


class ComparingRunner(Runner):
    """Hands every call to two runners, notes the differences, answers as the reference does."""

    def __init__(self, reference: Runner, candidate: Runner, names: Sequence[str]) -> None:
        self.reference, self.candidate = reference, candidate
        self.differences = {name: _Difference() for name in names}
        self.same_code: list[float] = []

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        expected = self.reference.text(text_bytes)
        self.differences["text"].add(expected, self.candidate.text(text_bytes))
        return expected

    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """See `Runner.transformer`."""
        expected, present = self.reference.transformer(inputs)
        found, _ = self.candidate.transformer(inputs)
        self.differences["transformer"].add(expected, found)
        self.same_code.extend((expected.argmax(-1) == found.argmax(-1)).ravel().tolist())
        return expected, present

    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """See `Runner.refiner`."""
        expected, found = self.reference.refiner(inputs), self.candidate.refiner(inputs)
        self.differences["refiner"].add(expected, found)
        self.same_code.extend((expected.argmax(-1) == found.argmax(-1)).ravel().tolist())
        return expected

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        expected = self.reference.decoder(indices)
        self.differences["decoder"].add(expected, self.candidate.decoder(indices))
        return expected

    def parity(self, link: str, seed_agreement: float, attribute_absdiff: float) -> Parity:
        """The figures of all calls so far, with those of pictures drawn by each side alone."""
        parts = self.differences
        pixels = parts["decoder"]
        mse = pixels.squares / max(1, pixels.count)
        mean = {name: part.total / max(1, part.count) for name, part in parts.items()}
        return Parity(
            link,
            {name: part.max_absdiff for name, part in parts.items()},
            mean,
            {n: mean[n] / max(float(np.mean(p.spread)), 1e-12) for n, p in parts.items()},
            99.0 if mse == 0 else float(10 * np.log10(PEAK**2 / mse)),
            float(np.mean(self.same_code)),
            seed_agreement,
            attribute_absdiff,
        )


def _draw(runner: Runner, spec: Spec, words: Sequence[str], seed: int) -> Int64Array:
    """The indices of one picture, with the spec's defaults: (1, N)."""
    options = SamplingOptions(
        guidance_scale=spec.guidance_scale, temperature=spec.temperature, top_k=spec.top_k
    )
    text_bytes, weights = text_bytes_from_words(words, spec.max_words, spec.max_bytes)
    conditioning = Conditioning(runner.text(text_bytes[None]), weights[None], (1.0,))
    return sample_indices(runner, spec, conditioning, seed, options)


def compare_runners(
    reference: Runner,
    candidate: Runner,
    spec: Spec,
    link: str,
    prompts: Sequence[Sequence[str]] = PROMPTS,
) -> Parity:
    """Send prompts through both runners and compare every output; then let each draw alone.

    Args:
        link: one of `TOLERANCES`.
    """
    both = ComparingRunner(reference, candidate, engines(spec))
    same, apart = [], []
    for number, words in enumerate(prompts):
        seed = SEED + number
        expected = _draw(both, spec, words, seed)
        pixels = both.decoder(expected)[0]
        found = _draw(candidate, spec, words, seed)
        same.append(float((expected == found).mean()))
        scores = [attribute_scores(p) for p in (pixels, candidate.decoder(found)[0])]
        apart.append(float(np.mean([abs(scores[0][name] - scores[1][name]) for name in scores[0]])))
    return both.parity(link, float(np.mean(same)), float(np.mean(apart)))
