"""The engines as the torch modules compute them: the reference of every parity check."""

import torch

from export.graphs import DecoderGraph, TextGraph, TransformerGraph
from t2a_edge.runner import (
    Float32Array,
    Int64Array,
    KeysValues,
    RefinerInputs,
    Runner,
    ScaleInputs,
    UInt8Array,
)
from train.model import Model


class TorchRunner(Runner):
    """A `t2a_edge.runner.Runner` over a model as it stands: in float, or fake-quantised."""

    def __init__(self, model: Model) -> None:
        self._text = TextGraph(model.text).eval()
        self._transformer = TransformerGraph(model.transformer).eval()
        self._refiner = None if model.refiner is None else model.refiner.eval()
        self._decoder = DecoderGraph(model.codec).eval()

    @torch.no_grad()
    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._text(torch.from_numpy(text_bytes)).numpy()
        return embedding

    @torch.no_grad()
    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """See `Runner.transformer`."""
        tensors = [torch.from_numpy(array.copy()) for array in inputs]
        logits, keys, values = self._transformer(*tensors)
        return logits.numpy(), (keys.numpy(), values.numpy())

    @torch.no_grad()
    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """See `Runner.refiner`."""
        assert self._refiner is not None
        logits: Float32Array = self._refiner(*map(torch.from_numpy, inputs)).numpy()
        return logits

    @torch.no_grad()
    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = self._decoder(torch.from_numpy(indices)).numpy()
        return pixels
