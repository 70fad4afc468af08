"""Does an exported bundle compute what the model computes? An object, not a print.

Both sides are handed the same inputs, those of real prompts on their way through the sampler, so
a difference in one call does not spread into the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

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

PROMPTS = (("warm", "dark", "fluid"), ("pale", "geometric"), ("chaotic",))
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
    """

    mean_share: float
    psnr_db: float
    agreement: float


TOLERANCES = {
    "fp32": Tolerance(mean_share=1e-4, psnr_db=60.0, agreement=0.999),
    "int8": Tolerance(mean_share=0.02, psnr_db=40.0, agreement=0.97),
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
    """How far a candidate is from its reference.

    Attributes:
        precision: fp32 or int8; names the tolerance.
        max_absdiff: largest difference of each engine's output (logits for the transformer and
            the refiner, grey levels for the decoder).
        mean_share: mean difference as a share of the reference's standard deviation.
        psnr_db: of the decoder's pixels; 99 where they are equal.
        agreement: share of positions with the same likeliest code.
    """

    precision: str
    max_absdiff: dict[str, float]
    mean_share: dict[str, float]
    psnr_db: float
    agreement: float

    def failures(self) -> list[str]:
        """What is beyond the tolerance, each with figure and limit."""
        limit = TOLERANCES[self.precision]
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
        return found

    def check(self) -> None:
        """Raise an ExportError if anything is beyond the tolerance."""
        found = self.failures()
        if found:
            raise ExportError(
                f"The {self.precision} export does not match its source: {'; '.join(found)}. "
                "Nothing was written; mend the export, or train longer with fake-quantisation."
            )

    def to_json(self) -> dict[str, Any]:
        """All figures, rounded, with the tolerance."""
        rounded = {
            "max_absdiff": {k: float(f"{v:.3g}") for k, v in self.max_absdiff.items()},
            "mean_share": {k: float(f"{v:.3g}") for k, v in self.mean_share.items()},
            "psnr_db": round(self.psnr_db, 2),
            "agreement": round(self.agreement, 5),
        }
        return {**rounded, "tolerance": asdict(TOLERANCES[self.precision])}


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

    def parity(self, precision: str) -> Parity:
        """The figures of all calls so far."""
        parts = self.differences
        pixels = parts["decoder"]
        mse = pixels.squares / max(1, pixels.count)
        return Parity(
            precision,
            {name: part.max_absdiff for name, part in parts.items()},
            {
                name: part.total / max(1, part.count) / max(float(np.mean(part.spread)), 1e-12)
                for name, part in parts.items()
            },
            99.0 if mse == 0 else float(10 * np.log10(PEAK**2 / mse)),
            float(np.mean(self.same_code)),
        )


def compare_runners(
    reference: Runner,
    candidate: Runner,
    spec: Spec,
    precision: str,
    prompts: Sequence[Sequence[str]] = PROMPTS,
    on_picture: Callable[[], None] | None = None,
) -> Parity:
    """Send prompts through both runners and compare every output."""
    both = ComparingRunner(reference, candidate, engines(spec))
    options = SamplingOptions(
        guidance_scale=spec.guidance_scale, temperature=spec.temperature, top_k=spec.top_k
    )
    for words in prompts:
        text_bytes, weights = text_bytes_from_words(words, spec.max_words, spec.max_bytes)
        conditioning = Conditioning(both.text(text_bytes[None]), weights[None], (1.0,))
        indices = sample_indices(both, spec, conditioning, SEED, options)
        both.decoder(indices)
        if on_picture is not None:
            on_picture()
    return both.parity(precision)
