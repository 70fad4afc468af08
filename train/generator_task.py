"""Training of text engine and transformer together, on cached indices."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.prompt import text_bytes_from_words
from t2a_edge.scales import scale_offsets
from train.checkpoint import load_tensors, save_tensors
from train.codec import Codec
from train.codec_task import EVALUATION_BATCH, autocast, images_from_uint8
from train.config import Preset
from train.data import PixelStore
from train.qat import prepare
from train.text import TextEngine
from train.transformer import Transformer


@dataclass(frozen=True)
class IndexStore:
    """Cached indices of one split, several views an image.

    Attributes:
        indices: (M, N) int64.
        adjectives: of each of the M views.
    """

    indices: Tensor
    adjectives: list[tuple[str, ...]]


def cache_indices(
    codec: Codec, store: PixelStore, preset: Preset, split: str, path: Path, key: str
) -> IndexStore:
    """Encode the views of a split once; an unchanged codec and data set is not encoded again.

    Args:
        key: names the codec's weights and the data; a cache with another key is replaced.
    """
    if path.is_file():
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            return IndexStore(tensors["indices"].long(), [tuple(a) for a in about["adjectives"]])
    size, views = preset.data.image_size, preset.data.views if split == "train" else 1
    rng = np.random.default_rng(preset.transformer_fit.seed)
    squares, adjectives = [], []
    for index in store.by_split[split]:
        for _ in range(views):
            if split == "train":
                square, words = store.view(index, size, rng)
            else:
                square, words = store.centre(index, size), store.rows[index].adjectives
            squares.append(square)
            adjectives.append(words)
    codec.eval()
    parts = []
    for start in range(0, len(squares), EVALUATION_BATCH):
        with torch.no_grad(), autocast():
            images = images_from_uint8(squares[start : start + EVALUATION_BATCH])
            parts.append(codec.encode(images))
    indices = torch.cat(parts)
    about = {"key": key, "adjectives": json.loads(json.dumps(adjectives))}
    save_tensors(path, {"indices": indices.to(torch.int16)}, about)
    return IndexStore(indices, adjectives)


class Generator(nn.Module):
    """Text engine and transformer, as they are trained together."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.text = TextEngine(preset.text, preset.transformer.width)
        self.transformer = Transformer(preset.transformer, preset.codec)

    def forward(self, indices: Tensor, text_bytes: Tensor, word_weights: Tensor) -> Tensor:
        """Indices seen as context (B, N), bytes (B, W, L), weights (B, W) -> logits (B, N, K)."""
        with torch.autocast("cpu", enabled=False):
            context = self.transformer.training_context(indices)
        logits: Tensor = self.transformer(context, self.text(text_bytes), word_weights)
        return logits


def batch_words(adjectives: Sequence[Sequence[str]], preset: Preset) -> tuple[Tensor, Tensor]:
    """Adjectives of each sample -> text_bytes (B, W, L) uint8, word_weights (B, W) float32."""
    most, length = preset.text.max_words, preset.text.max_bytes
    pairs = [text_bytes_from_words(words[:most], most, length) for words in adjectives]
    return (
        torch.from_numpy(np.stack([p[0] for p in pairs])),
        torch.from_numpy(np.stack([p[1] for p in pairs])),
    )


class GeneratorTask:
    """The generator's losses and validation; see `train.loop.Task`."""

    def __init__(self, preset: Preset, codec: Codec, train: IndexStore, val: IndexStore) -> None:
        self.preset, self.train, self.val = preset, train, val
        torch.manual_seed(preset.transformer_fit.seed)
        self.module = Generator(preset)
        self.module.transformer.codebook.copy_(codec.quantizer.codebook)
        self.offsets = scale_offsets(preset.codec.scales)
        sides = torch.tensor(preset.codec.scales, dtype=torch.float32)
        self.scale_share = sides / sides.sum()  # a scale counts as much as its side

    def _kept_words(self, words: Sequence[str], rng: np.random.Generator) -> list[str]:
        config = self.preset.transformer
        if rng.random() < config.guidance_dropout:
            return []
        kept = [word for word in words if rng.random() >= config.word_dropout]
        return kept or [words[int(rng.integers(len(words)))]]

    def _corrupted(self, indices: Tensor, rng: np.random.Generator) -> Tensor:
        wrong = torch.from_numpy(rng.random(indices.shape) < self.preset.transformer.corrupt)
        other = rng.integers(self.preset.codec.codebook_size, size=indices.shape)
        return torch.where(wrong, torch.from_numpy(other), indices)

    def _per_scale(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each scale, (scales,)."""
        # flat and in one piece: several times as fast as over a transposed axis
        losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
        losses = losses.view(targets.shape)  # (B, N)
        return torch.stack([losses[:, a:b].mean() for a, b in pairwise(self.offsets)])

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy over all scales, weighted by side."""
        picks = rng.integers(len(self.train.indices), size=self.preset.transformer_fit.batch)
        targets = self.train.indices[torch.from_numpy(picks)]
        words = [self._kept_words(self.train.adjectives[i], rng) for i in picks]
        text_bytes, word_weights = batch_words(words, self.preset)
        with autocast():
            logits = self.module(self._corrupted(targets, rng), text_bytes, word_weights)
        per_scale = self._per_scale(logits, targets)
        loss = (per_scale * self.scale_share).sum()
        return {"loss": loss, **{f"loss_scale_{i}": v for i, v in enumerate(per_scale)}}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each scale on the validation split, and the loss without words."""
        logits, plain = [], []
        for start in range(0, len(self.val.indices), EVALUATION_BATCH):
            targets = self.val.indices[start : start + EVALUATION_BATCH]
            words = self.val.adjectives[start : start + EVALUATION_BATCH]
            text_bytes, word_weights = batch_words(words, self.preset)
            with autocast():
                logits.append(self.module(targets, text_bytes, word_weights).float())
                nothing = torch.zeros_like(word_weights)
                plain.append(self.module(targets, text_bytes, nothing).float())
        targets, all_logits = self.val.indices, torch.cat(logits)
        per_scale = self._per_scale(all_logits, targets)
        correct = (all_logits.argmax(-1) == targets).float()
        figures = {"loss": float((per_scale * self.scale_share).sum())}
        without = self._per_scale(torch.cat(plain), targets)
        figures["loss_without_words"] = float((without * self.scale_share).sum())
        for i, (a, b) in enumerate(pairwise(self.offsets)):
            figures[f"loss_scale_{i}"] = float(per_scale[i])
            figures[f"accuracy_scale_{i}"] = float(correct[:, a:b].mean())
        return figures

    def start_qat(self) -> None:
        """Fake-quantise text engine and transformer."""
        prepare(self.module, self.preset.qat)
