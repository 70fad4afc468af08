"""A whole model that decides a picture at once, and the bank of forms that it chooses from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2a_edge.errors import CheckpointError
from t2a_edge.spec import Spec
from train.checkpoint import load_module, load_tensors, save_tensors, with_prefix
from train.models.bank import FormCodec
from train.models.chooser import Query, heard, logits_of
from train.models.codec import Codec
from train.models.latents import DeepLatent
from train.models.painter import Painter
from train.models.qat import convert, on_int8_grid
from train.models.text import TextEngine
from train.preset import Preset


@dataclass(frozen=True)
class Bank:
    """Forms that words choose from.

    Attributes:
        codec: what their codes mean.
        codes: (M, N, S) int16.
        keys: (M, Q) int8, in steps of `key_step`.
        key_step: size of a key's step.
        upright: (M,) bool, whether it has a top.
    """

    codec: FormCodec
    codes: Tensor
    keys: Tensor
    key_step: float
    upright: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """As they are saved."""
        return {
            "tables": self.codec.tables, "codes": self.codes, "keys": self.keys,
            "key_step": torch.tensor(self.key_step), "upright": self.upright,
        }  # fmt: skip

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> "Bank":
        """Read what `tensors` gave; a CheckpointError where one is missing."""
        try:
            return cls(
                FormCodec(tensors["tables"]), tensors["codes"], tensors["keys"],
                float(tensors["key_step"]), tensors["upright"],
            )  # fmt: skip
        except KeyError as exc:
            raise CheckpointError(
                f"The bank of forms lacks {exc}; expected one that the stage `forms` made."
            ) from exc

    def forms(self) -> Tensor:
        """All of them, (M, 64, 64) int8."""
        return self.codec.decode(self.codes)

    def scores(self, asked: Tensor, word_weights: Tensor) -> Tensor:
        """What a query asks (B, W, Q + 1), and weights (B, W) -> (B, M), how well forms suit."""
        return heard(logits_of(self.keys.float() * self.key_step, asked), word_weights)


@dataclass(frozen=True)
class Description:
    """What a checkpoint of a whole model says of itself; see `WholeModel` for the fields."""

    preset: Preset
    vocabulary: tuple[str, ...]
    card: dict[str, Any]


def description_of(path: Path, about: Mapping[str, Any]) -> Description:
    """A checkpoint's description.

    Args:
        path: of the checkpoint, for error messages.
        about: as `load_tensors` gives it.

    Raises:
        CheckpointError: it does not describe a whole model.
    """
    try:
        preset = Preset.from_json(about["preset"])
        return Description(preset, tuple(about["vocabulary"]), dict(about["card"]))
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


def loaded_codec(preset: Preset, tensors: Mapping[str, Tensor]) -> Codec:
    """The codec of a whole model's tensors, its codebook as INT8 stores it."""
    codec, own = Codec(preset.codec), with_prefix(tensors, "codec")
    try:
        book = on_int8_grid(own["quantizer.codebook"].float())  # float16 left the steps
    except KeyError as exc:
        raise CheckpointError(
            f"The checkpoint's codec lacks {exc}; expected a checkpoint of a whole model."
        ) from exc
    ones = torch.ones(len(book))
    own |= {"quantizer.codebook": book, "quantizer.sums": book, "quantizer.counts": ones}
    load_module(codec, own, "codec")
    return codec


@dataclass
class WholeModel:
    """Everything that an export starts from.

    Attributes:
        preset: shapes of the parts.
        text: bytes to a vector a word.
        query, bank: words to a form.
        painter: noise, form and words to deep latents, by guidance that it is told.
        latent: deep latents to a canvas.
        codec: a canvas to indices and pixels.
        vocabulary: adjectives that training used, sorted.
        card: what the model card is told from. `lineage`: the record of each stage, in order, see
            `train.lineage`; `data`: numbers of pictures.
    """

    preset: Preset
    text: TextEngine
    query: Query
    bank: Bank
    painter: Painter
    latent: DeepLatent
    codec: Codec
    vocabulary: tuple[str, ...]
    card: dict[str, Any]

    @property
    def spec(self) -> Spec:
        """The numbers that a runtime needs."""
        return self.preset.spec(len(self.bank.codes))

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts with weights, by name."""
        return {
            "text": self.text, "query": self.query, "painter": self.painter, "codec": self.codec,
        }  # fmt: skip

    def save(self, path: Path) -> None:
        """Write one safetensors file, weights in float16; nothing in it needs pickle."""
        tensors = {f"bank.{name}": value for name, value in self.bank.tensors().items()}
        tensors |= {f"latent.{name}": value for name, value in self.latent.state_dict().items()}
        for part, module in self.modules.items():
            for name, value in module.state_dict().items():
                half = value.dim() and value.is_floating_point()
                tensors[f"{part}.{name}"] = value.to(torch.float16) if half else value
        for name in ("sums", "counts"):
            tensors.pop(f"codec.quantizer.{name}", None)  # of use in training only
        about = {
            "preset": self.preset.to_json(), "vocabulary": list(self.vocabulary),
            "card": self.card,
        }  # fmt: skip
        save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: Path) -> "WholeModel":
        """Read what `save` wrote, fake-quantisers frozen and switched on.

        Raises:
            CheckpointError: the file is missing, damaged, or does not fit its own preset.
        """
        tensors, about = load_tensors(path)
        told = description_of(path, about)
        preset, config = told.preset, told.preset.latent
        width, codec = preset.text.width, loaded_codec(preset, tensors)
        text, query = TextEngine(preset.text), Query(width, preset.form.key)
        painter = Painter(preset.painter, config.depth, width, preset.latent_side)
        latent = DeepLatent(preset.codec.code_dim, config.components, config.depth)
        for name, module in (
            ("text", text), ("query", query), ("painter", painter), ("latent", latent),
        ):  # fmt: skip
            load_module(module, with_prefix(tensors, name), name)
        bank = Bank.of(with_prefix(tensors, "bank"))
        model = cls(preset, text, query, bank, painter, latent, codec, told.vocabulary, told.card)
        model.use_int8()
        return model

    def use_int8(self) -> None:
        """Compute as the INT8 engines do: fake-quantisers frozen and on."""
        for module in (self.text, self.query, self.painter, self.codec.decoder):
            convert(module)
        self.codec.eval()

    def parameter_count(self) -> int:
        """Trained numbers of the shipped parts, codebook, deep latent and bank included."""
        shipped = (self.text, self.query, self.painter, self.codec.decoder)
        total = sum(int(p.numel()) for module in shipped for p in module.parameters())
        fixed = [*self.latent.state_dict().values(), *self.bank.tensors().values()]
        fixed.append(self.codec.quantizer.codebook)
        return total + sum(int(tensor.numel()) for tensor in fixed)
