"""The engines of the generator that decides the whole picture at once, on ONNX Runtime."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from t2a_edge.flow_runner import FlowRunner, FormInputs, PainterInputs
from t2a_edge.form import SIDE
from t2a_edge.runner import OnnxRunner

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

ENGINES = ("text", "forms", "painter", "composer", "encoder", "decoder")


class OnnxFlowRunner(OnnxRunner, FlowRunner):
    """Runs the six engines of a folder; for all else see `OnnxRunner`.

    Args:
        folder: holds the engines, `text.onnx` and so on.
        threads: cores that one operation may use, 1 to 256.
        provider: "cpu", or "cuda" where the installed onnxruntime has it.

    Raises:
        OptionError: `threads` is out of range, or the provider is not to be had.
        BundleError: an engine is missing or cannot be loaded.
    """

    def __init__(self, folder: Path, *, threads: int = 1, provider: str = "cpu") -> None:
        super().__init__(folder, ENGINES, threads=threads, provider=provider)

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `FlowRunner.forms`."""
        batch = len(inputs.crop)
        shapes = {"form": (batch, SIDE, SIDE), "choice": (batch,)}
        found = self._run("forms", inputs._asdict(), shapes)
        return found["form"], found["choice"]

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `FlowRunner.painter`."""
        shape = {"clean": inputs.latents.shape}
        clean: Float32Array = self._run("painter", inputs._asdict(), shape)["clean"]
        return clean

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `FlowRunner.composer`."""
        shape = {"indices": (len(latents), None)}
        indices: Int64Array = self._run("composer", {"latents": latents}, shape)["indices"]
        return indices

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `FlowRunner.encoder`."""
        shape = {"latents": (len(indices), None, None)}
        latents: Float32Array = self._run("encoder", {"indices": indices}, shape)["latents"]
        return latents
