"""The engines as the torch modules compute them: the reference of every parity check."""

import torch

from export.graphs import DecoderGraph, TextGraph, TransformerGraph
from t2a_edge.runner import Float32Array, Int64Array, Runner, UInt8Array
from train.model import Model


class TorchRunner(Runner):
    """A `t2a_edge.runner.Runner` over a model as it stands: in float, or fake-quantised."""

    def __init__(self, model: Model) -> None:
        self._text = TextGraph(model.text).eval()
        self._transformer = TransformerGraph(model.transformer).eval()
        self._decoder = DecoderGraph(model.codec).eval()

    @torch.no_grad()
    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._text(torch.from_numpy(text_bytes)).numpy()
        return embedding

    @torch.no_grad()
    def transformer(
        self,
        indices: Int64Array,
        resample: Float32Array,
        positions: Int64Array,
        text_embedding: Float32Array,
        word_weights: Float32Array,
        past: tuple[Float32Array, Float32Array],
    ) -> tuple[Float32Array, tuple[Float32Array, Float32Array]]:
        """See `Runner.transformer`."""
        arrays = (indices, resample, positions, text_embedding, word_weights, *past)
        inputs = [torch.from_numpy(array.copy()) for array in arrays]
        logits, keys, values = self._transformer(*inputs)
        return logits.numpy(), (keys.numpy(), values.numpy())

    @torch.no_grad()
    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = self._decoder(torch.from_numpy(indices)).numpy()
        return pixels
