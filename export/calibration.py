"""What the engines are given while pictures are drawn: samples for post-training quantisation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from export.quantisers import Inputs, Settings
from t2a_edge.bundle import ENGINES, Bundle
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import (
    Float32Array,
    FormInputs,
    Int64Array,
    OnnxRunner,
    PainterInputs,
    Runner,
    UInt8Array,
)

MOST_WORDS = 3  # of a calibration prompt


class RecordingRunner(Runner):
    """Passes every call on and keeps what the engines were given.

    Attributes:
        calls: engine -> inputs of each call, by the names of its graph.
    """

    def __init__(self, inner: Runner) -> None:
        self.inner = inner
        self.calls: dict[str, list[Inputs]] = {name: [] for name in ENGINES}

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        self.calls["text"].append({"text_bytes": text_bytes})
        return self.inner.text(text_bytes)

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        self.calls["forms"].append(_copied(inputs._asdict()))
        return self.inner.forms(inputs)

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        self.calls["painter"].append(_copied(inputs._asdict()))
        return self.inner.painter(inputs)

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        self.calls["composer"].append({"latents": latents})
        return self.inner.composer(latents)

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        self.calls["encoder"].append({"indices": indices})
        return self.inner.encoder(indices)

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        self.calls["decoder"].append({"indices": indices})
        return self.inner.decoder(indices)

    def close(self) -> None:
        """Free the runner inside."""
        self.inner.close()


def _copied(inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
    """The sampler fills some of its arrays again and again."""
    return {name: np.array(value) for name, value in inputs.items()}


def calibration_prompts(vocabulary: Sequence[str], count: int, seed: int) -> list[str]:
    """Prompts of one to three known adjectives, the same for the same seed."""
    rng = np.random.default_rng(seed)
    most = min(MOST_WORDS, len(vocabulary))
    sizes = rng.integers(1, most + 1, size=count)
    return [" ".join(rng.choice(vocabulary, size=size, replace=False)) for size in sizes]


def calibration_inputs(bundle: Bundle, settings: Settings) -> dict[str, list[Inputs]]:
    """Draw pictures with a bundle; engine -> the inputs of all its calls."""
    recording = RecordingRunner(OnnxRunner(bundle.folder))
    with TextToArt(bundle.folder, runner=recording) as engine:
        prompts = calibration_prompts(bundle.vocabulary, settings.pictures, settings.seed)
        for number, prompt in enumerate(prompts):
            engine.generate(prompt, seed=settings.seed + number)
    return recording.calls
