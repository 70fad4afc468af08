"""How far the fused graph is from the engines and the sampler, which it is composed of."""

from dataclasses import dataclass

import numpy as np
import onnx

from export.fused import fused_inputs
from t2a_edge.errors import ExportError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import session_options

PARITY_PROMPTS = (
    "warm dark fluid", "pale geometric", "chaotic -busy", "dark:1.4 cold", "-busy", "warm:0",
    "calm:0.5 blue", "golden:2 -dark:0.7 swirling",
)  # fmt: skip
LEAST_AGREEMENT = {"fp32": 0.98, "fp16": 0.6, "int8": 1.0}
"""Of the indices. Float rounds otherwise where other operators are fused; INT8 does not."""
MOST_GREY_LEVELS = 1


@dataclass(frozen=True)
class FusedParity:
    """How far the fused graph is from the engines and the sampler, for the same seeds.

    Attributes:
        agreement: share of equal indices.
        max_absdiff: of the pixels, in grey levels, where all indices of a picture are equal.
        pictures: how many were compared.
        precision: of the engines.
    """

    agreement: float
    max_absdiff: int
    pictures: int
    precision: str

    def check(self) -> None:
        """Raise an ExportError if the fused graph does not draw the same pictures."""
        least = LEAST_AGREEMENT[self.precision]
        if not (self.agreement >= least and self.max_absdiff <= MOST_GREY_LEVELS):
            raise ExportError(
                f"The fused graph does not draw what the engines draw: {self.agreement:.3%} of the "
                f"indices agree and pixels differ by up to {self.max_absdiff} grey levels; "
                f"expected at least {least:.1%} and at most {MOST_GREY_LEVELS}. Nothing "
                "was written; mend the export."
            )


def compare_fused(graph: onnx.ModelProto, engine: TextToArt) -> FusedParity:
    """Draw prompts with the fused graph, one by one and all at once, and with the engines."""
    session = onnx_runtime().InferenceSession(
        graph.SerializeToString(), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    spec, options = engine.spec, engine.options()
    prompts = [engine.parse(prompt) for prompt in PARITY_PROMPTS]
    seeds = list(range(1, len(prompts) + 1))
    drawn = [engine.generate(p.text, seed=s) for p, s in zip(prompts, seeds, strict=True)]
    same: list[float] = []
    largest = 0
    batches = [(i, i + 1) for i in range(len(prompts))] + [(0, len(prompts))]
    for start, end in batches:
        inputs = fused_inputs(prompts[start:end], seeds[start:end], options, spec)
        pixels, indices = session.run(["pixels", "indices"], inputs)
        for art, picture, row in zip(drawn[start:end], pixels, indices, strict=True):
            equal = row == art.indices
            same.append(float(equal.mean()))
            if equal.all():
                difference = np.abs(picture.astype(int) - art.pixels.astype(int))
                largest = max(largest, int(difference.max()))
    return FusedParity(float(np.mean(same)), largest, len(same), engine.bundle.precision)
