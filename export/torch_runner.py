"""The engines as the torch modules compute them: the reference of every parity check."""

import torch
from torch import Tensor

from export.networks import PIXEL_SCALE
from t2a_edge.form import WHOLE, resampling_matrices
from t2a_edge.runner import (
    Float32Array,
    FormInputs,
    Int64Array,
    PainterInputs,
    Runner,
    UInt8Array,
)
from train.models.painter import floats_of_form
from train.models.whole import WholeModel


class TorchRunner(Runner):
    """A `t2a_edge.runner.Runner` over a model as it stands: in float or fake-quantised.

    Each row of a batch is computed by itself, so that it is the same alone.
    """

    def __init__(self, model: WholeModel) -> None:
        self._query, self._bank = model.query.eval(), model.bank
        self._painter, self._latent = model.painter.eval(), model.latent
        self._quantizer = model.codec.eval().quantizer
        self._text, self._decoder = model.text.eval(), model.codec.decoder.eval()
        self._forms = floats_of_form(model.bank.forms())  # (M, 64, 64)
        self._matrices = torch.from_numpy(resampling_matrices())

    @torch.no_grad()
    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._text(torch.from_numpy(text_bytes)).numpy()
        return embedding

    @torch.no_grad()
    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        forms, choices = [], []
        for embedding, weights, noise, crop in _rows(inputs):
            scores = self._bank.scores(self._query(embedding), weights)  # (1, M)
            choice = (scores + noise).argmax(1)
            down, across = self._matrices[crop[0]]  # (64, 64) each
            forms.append(down @ self._forms[choice] @ across.T / WHOLE**2)
            choices.append(choice)
        return torch.cat(forms).numpy(), torch.cat(choices).numpy()

    @torch.no_grad()
    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        clean: Float32Array = torch.cat([self._painter(*row) for row in _rows(inputs)]).numpy()
        return clean

    @torch.no_grad()
    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        rows = [self._latent.compose(row) for (row,) in _rows((latents,))]
        indices: Int64Array = torch.cat([self._quantizer(row)[1] for row in rows]).numpy()
        return indices

    @torch.no_grad()
    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        found = []
        for (row,) in _rows((indices,)):
            components = self._latent.components(self._quantizer.canvas_from_indices(row))
            found.append(self._latent.latents(components))
        latents: Float32Array = torch.cat(found).numpy()
        return latents

    @torch.no_grad()
    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = torch.cat([self._pixels(row) for (row,) in _rows((indices,))]).numpy()
        return pixels

    def _pixels(self, indices: Tensor) -> Tensor:
        images = self._decoder(self._quantizer.canvas_from_indices(indices))  # (1, 3, H, W)
        grey = ((images + 1) * PIXEL_SCALE).round().clamp(0, 255).to(torch.uint8)
        pixels: Tensor = grey.permute(0, 2, 3, 1)
        return pixels


def _rows(arrays: tuple[Float32Array | Int64Array, ...]) -> list[tuple[Tensor, ...]]:
    """Arrays (B, ...) as tensors (1, ...), row by row."""
    return [
        tuple(torch.from_numpy(array[row : row + 1].copy()) for array in arrays)
        for row in range(len(arrays[0]))
    ]
