"""A whole trained model: codec, text engine, transformer, and the preset that shaped them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2a_edge.errors import CheckpointError
from t2a_edge.spec import Spec
from train.checkpoint import load_module, load_tensors, save_tensors, with_prefix
from train.codec import Codec
from train.config import Preset
from train.generator_task import Generator
from train.qat import convert, on_int8_grid
from train.refiner import Refiner
from train.text import TextEngine
from train.transformer import Transformer


@dataclass(frozen=True)
class Description:
    """What a checkpoint of a whole model says of itself; see `Model` for the fields."""

    preset: Preset
    vocabulary: tuple[str, ...]
    card: dict[str, Any]


def described(path: Path) -> tuple[Description, dict[str, Tensor]]:
    """A checkpoint's description, and its tensors.

    Raises:
        CheckpointError: the file is missing, damaged, or does not describe a whole model.
    """
    tensors, about = load_tensors(path)
    try:
        preset = Preset.from_json(about["preset"])
        return Description(preset, tuple(about["vocabulary"]), dict(about["card"])), tensors
    except KeyError as exc:
        raise CheckpointError(
            f"{path} lacks {exc}; expected a checkpoint of a whole model. "
            "Make one with `python -m train checkpoint`."
        ) from exc
    except (AttributeError, TypeError, ValueError) as exc:
        raise CheckpointError(
            f"{path} does not describe its model ({exc}); restore it, or make one with "
            "`python -m train checkpoint`."
        ) from exc


def loaded_codec(preset: Preset, tensors: dict[str, Tensor]) -> Codec:
    """The codec of a whole model's tensors, its codebook as INT8 stores it."""
    codec, own = Codec(preset.codec), with_prefix(tensors, "codec")
    book = on_int8_grid(own["quantizer.codebook"].float())  # float16 left the steps
    ones = torch.ones(len(book))
    own |= {"quantizer.codebook": book, "quantizer.sums": book, "quantizer.counts": ones}
    load_module(codec, own, "codec")
    return codec


@dataclass
class Model:
    """Everything that an export starts from.

    Attributes:
        preset: shapes of the parts.
        codec, generator, refiner: the trained modules; no refiner where the transformer predicts
            all scales.
        vocabulary: adjectives that training used, sorted.
        card: data, licence and figures, as they go into the bundle.
    """

    preset: Preset
    codec: Codec
    generator: Generator
    refiner: Refiner | None
    vocabulary: tuple[str, ...]
    card: dict[str, Any]

    @property
    def text(self) -> TextEngine:
        """The text engine."""
        return self.generator.text

    @property
    def transformer(self) -> Transformer:
        """The transformer."""
        return self.generator.transformer

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """The parts that are shipped: text engine, transformer, refiner and decoder."""
        refiner = () if self.refiner is None else (self.refiner,)
        return self.generator, *refiner, self.codec.decoder

    @property
    def spec(self) -> Spec:
        """The numbers that a runtime needs."""
        lengths = self.codec.quantizer.codebook.norm(dim=1)
        return replace(self.preset.spec, quiet_code=int(lengths.argmin()))

    def save(self, path: Path) -> None:
        """Write one safetensors file, weights in float16; nothing in it needs pickle."""
        tensors = {f"codec.{k}": v for k, v in self.codec.state_dict().items()}
        tensors |= {f"generator.{k}": v for k, v in self.generator.state_dict().items()}
        if self.refiner is not None:
            tensors |= {f"refiner.{k}": v for k, v in self.refiner.state_dict().items()}
        for name in (
            "codec.quantizer.sums",
            "codec.quantizer.counts",
            "generator.transformer.codebook",
            "refiner.codebook",
        ):
            tensors.pop(name, None)  # of use in training only, or a copy
        half = {k: v.to(torch.float16) if v.dim() else v for k, v in tensors.items()}
        about = {
            "preset": self.preset.to_json(),
            "vocabulary": list(self.vocabulary),
            "card": self.card,
        }
        save_tensors(path, half, about)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read what `save` wrote, fake-quantisers frozen and switched on.

        Raises:
            CheckpointError: the file is missing, damaged, or does not fit its own preset.
        """
        told, tensors = described(path)
        preset = told.preset
        codec, generator = loaded_codec(preset, tensors), Generator(preset)
        book = codec.quantizer.codebook
        generator_tensors = with_prefix(tensors, "generator")
        generator_tensors["transformer.codebook"] = book
        load_module(generator, generator_tensors, "generator")
        refiner = None
        if preset.refiner.passes:
            refiner = Refiner(preset.refiner, preset.codec, preset.transformer.width)
            refiner_tensors = {**with_prefix(tensors, "refiner"), "codebook": book}
            # checkpoints from before a refiner could have several scales lack it
            refiner_tensors.setdefault("scale_in", torch.zeros_like(refiner.scale_in))
            load_module(refiner, refiner_tensors, "refiner")
        model = cls(preset, codec, generator, refiner, told.vocabulary, told.card)
        model.use_int8()
        return model

    def use_int8(self) -> None:
        """Compute as the INT8 engines do: fake-quantisers frozen and on."""
        for module in self.modules:
            convert(module)
        self.codec.eval()

    def parameter_count(self) -> int:
        """Trained numbers of the shipped parts, codebook included."""
        shipped: Sequence[nn.Module] = self.modules
        total = sum(p.numel() for module in shipped for p in module.parameters())
        return total + self.codec.quantizer.codebook.numel()
