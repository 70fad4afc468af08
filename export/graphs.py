"""ONNX graphs of the three engines, from torch modules."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from t2a_edge.errors import ExportError
from t2a_edge.scales import axis_matrices, context_matrix, scale_offsets
from train.codec import Codec
from train.model import Model
from train.text import TextEngine
from train.transformer import Transformer

OPSET = 20  # 21 with int8 activations fails in ONNX Runtime
PIXEL_SCALE = 127.5  # [-1, 1] to [0, 255]


class TextGraph(nn.Module):
    """text_bytes (B, W, L) uint8 -> text_embedding (B, W, D)."""

    def __init__(self, text: TextEngine) -> None:
        super().__init__()
        self.engine = text

    def forward(self, text_bytes: Tensor) -> Tensor:
        """Embed every word."""
        embedding: Tensor = self.engine(text_bytes)
        return embedding


class TransformerGraph(nn.Module):
    """One scale; see `t2a_edge.runner.Runner.transformer` for inputs and outputs."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.engine = transformer

    def forward(
        self,
        indices: Tensor,
        resample: Tensor,
        positions: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
        past_keys: Tensor,
        past_values: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look the coarser codes up, resample them to the scale, predict it."""
        codes = nn.functional.embedding(indices, self.engine.codebook)  # (B, T, C)
        context = resample @ codes  # (B, N, C)
        past = (past_keys, past_values)
        return self.engine.scale_step(context, positions, text_embedding, word_weights, past)


class DecoderGraph(nn.Module):
    """Indices of all scales (B, N) -> (B, H, W, 3) uint8 sRGB."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.quantizer, self.decoder = codec.quantizer, codec.decoder

    def forward(self, indices: Tensor) -> Tensor:
        """Decode to grey levels."""
        images = self.decoder(self.quantizer.canvas_from_indices(indices))  # (B, 3, H, W)
        pixels = ((images + 1) * PIXEL_SCALE).round().clamp(0, 255).to(torch.uint8)
        grey: Tensor = pixels.permute(0, 2, 3, 1)  # (B, H, W, 3)
        return grey


@dataclass(frozen=True)
class GraphSource:
    """A module with everything that its export needs."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, dict[int, Any]]


def graph_sources(model: Model) -> dict[str, GraphSource]:
    """The engines of a model, with example inputs, by name."""
    spec = model.spec
    dim = torch.export.Dim
    batch, words, positions = dim("batch", max=4096), dim("words", max=4096), dim("positions")
    seen, past, rows = dim("seen"), dim("past"), dim("side")
    shown = min(2, len(spec.coarse_scales) - 1)  # the scale of the example
    side = spec.scales[shown]
    start, count = sum(s * s for s in spec.scales[:shown]), side * side
    generator = torch.Generator().manual_seed(1)
    width = model.preset.transformer.width
    kv_shape = (spec.layers, 2, spec.heads, start, spec.head_dim)
    text_bytes = torch.randint(97, 123, (2, 3, spec.max_bytes), generator=generator)
    sources = {
        "text": GraphSource(
            TextGraph(model.text),
            {"text_bytes": text_bytes.to(torch.uint8)},
            ["text_embedding"],
            {"text_bytes": {0: batch, 1: words}},
        ),
        "transformer": GraphSource(
            TransformerGraph(model.transformer),
            {
                "indices": torch.randint(spec.codebook_size, (2, start), generator=generator),
                "resample": torch.from_numpy(context_matrix(spec.scales, shown).copy()),
                "positions": torch.arange(start, start + count),
                "text_embedding": torch.randn(2, 3, width, generator=generator),
                "word_weights": torch.ones(2, 3),
                "past_keys": torch.randn(kv_shape, generator=generator),
                "past_values": torch.randn(kv_shape, generator=generator),
            },
            ["logits", "keys", "values"],
            {
                "indices": {0: batch, 1: seen},
                "resample": {0: positions, 1: seen},
                "positions": {0: positions},
                "text_embedding": {0: batch, 1: words},
                "word_weights": {0: batch, 1: words},
                "past_keys": {1: batch, 3: past},
                "past_values": {1: batch, 3: past},
            },
        ),
        "decoder": GraphSource(
            DecoderGraph(model.codec),
            {
                "indices": torch.randint(
                    spec.codebook_size, (2, spec.positions), generator=generator
                )
            },
            ["pixels"],
            {"indices": {0: batch}},
        ),
    }
    if model.refiner is not None:
        last = len(spec.scales) - 1
        coarse, finest, size = (
            scale_offsets(spec.scales)[last],
            spec.scales[last],
            spec.codebook_size,
        )
        drawn = torch.randint(-1, size, (2, finest, finest), generator=generator)
        sources["refiner"] = GraphSource(
            model.refiner,
            {
                "indices": torch.randint(size, (2, coarse), generator=generator),
                "resample": torch.from_numpy(axis_matrices(spec.scales, last).copy()),
                "scale": torch.tensor([spec.refiner_scales - 1]),
                "drawn": drawn,
                "text_embedding": torch.randn(2, 3, width, generator=generator),
                "word_weights": torch.ones(2, 3),
            },
            ["logits"],
            {
                "indices": {0: batch},
                "resample": {0: rows},
                "scale": {},
                "drawn": {0: batch, 1: rows, 2: rows},
                "text_embedding": {0: batch, 1: words},
                "word_weights": {0: batch, 1: words},
            },
        )
    return sources


def onnx_from_module(name: str, source: GraphSource) -> onnx.ModelProto:
    """Trace a module into an ONNX graph.

    Raises:
        ExportError: torch cannot export the module.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                source.module.eval(),
                tuple(source.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(source.inputs),
                output_names=source.outputs,
                dynamic_shapes=source.dynamic,
                external_data=False,
                verbose=False,
                optimize=True,
            )
    except Exception as exc:  # the exporter raises many classes, its own and torch's
        reason = " ".join(str(exc).split())[:300]
        raise ExportError(
            f"The {name} engine cannot be exported to ONNX ({reason}); "
            "check the installed torch and onnxscript against pyproject.toml."
        ) from exc
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and deprecation notes off the terminal."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
