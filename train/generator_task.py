"""Training of the transformer, with or without the text engine, on cached indices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from t2a_edge.prompt import text_bytes_from_words
from t2a_edge.scales import scale_offsets
from train.augment import recoloured
from train.checkpoint import load_module, load_tensors, save_tensors
from train.codec import Codec
from train.codec_task import EVALUATION_BATCH, autocast, images_from_uint8
from train.config import Preset
from train.data import PictureStore, UInt8Array
from train.qat import convert, prepare
from train.text import TextEngine
from train.transformer import Transformer
from train.wording import Extremes, FloatArray, Wording, measured_scores


@dataclass(frozen=True)
class IndexStore:
    """Indices of some views: those cached of one split of one store, or a batch drawn from several.

    Attributes:
        indices: (M, N), what is to be predicted; int16 where cached, int64 where drawn.
        seen: (M, N), what is seen of the coarser scales, with slips; as `indices`.
        adjectives: of each of the M views.
        scores: (M, A) float32, measured attributes in the order of `train.wording.MEASURED`.
        prompted: of each view, whether its adjectives are a prompt that it shows every word of;
            empty where none is.
    """

    indices: Tensor
    seen: Tensor
    adjectives: list[tuple[str, ...]]
    scores: Tensor
    prompted: list[bool] = field(default_factory=list)


@dataclass(frozen=True)
class IndexMix:
    """Several stores of indices, each with its share of what is drawn.

    Attributes:
        shares: summing to 1.
    """

    stores: Sequence[IndexStore]
    shares: Sequence[float]

    def draw(self, rng: np.random.Generator, count: int) -> IndexStore:
        """Random views of the stores, by their shares."""
        rows, seen, adjectives, scores, prompted = [], [], [], [], []
        for number in rng.choice(len(self.stores), size=count, p=self.shares):
            store = self.stores[number]
            pick = int(rng.integers(len(store.indices)))
            rows.append(store.indices[pick])
            seen.append(store.seen[pick])
            adjectives.append(store.adjectives[pick])
            scores.append(store.scores[pick])
            prompted.append(bool(store.prompted) and store.prompted[pick])
        return IndexStore(
            torch.stack(rows).long(),
            torch.stack(seen).long(),
            adjectives,
            torch.stack(scores),
            prompted,
        )

    def extremes(self, share: float) -> Extremes:
        """From which score on an attribute is strong, by equal numbers of every store's views."""
        count = min(len(store.scores) for store in self.stores)
        rows = [
            store.scores[torch.linspace(0, len(store.scores) - 1, count).long()]
            for store in self.stores
        ]
        return Extremes.of(torch.cat(rows).numpy(), share)


def cache_indices(
    codec: Codec,
    store: PictureStore,
    preset: Preset,
    split: str,
    path: Path,
    key: str,
    *,
    views: int,
    recolour: float = 0.0,
) -> IndexStore:
    """Encode the views of a split once; an unchanged codec and data set is not encoded again.

    Args:
        views: random views of each picture; 0 is its fixed one.
        recolour: share of the views that get other colours.
        key: names the codec's weights and the data; a cache with another key is replaced.
    """
    if path.is_file():
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            words = [tuple(a) for a in about["adjectives"]]
            return IndexStore(tensors["indices"], tensors["seen"], words, tensors["scores"])
    rng = np.random.default_rng(preset.transformer_fit.seed)
    codec.eval()
    parts: list[tuple[Tensor, Tensor]] = []
    generator = torch.Generator().manual_seed(preset.transformer_fit.seed)
    adjectives: list[tuple[str, ...]] = []
    scores: list[FloatArray] = []
    squares: list[UInt8Array] = []
    size, members = preset.data.image_size, store.by_split[split]
    for number, index in enumerate(tqdm(members, desc=path.stem, unit="picture")):
        if views:
            pairs = [store.view(index, size, rng) for _ in range(views)]
            pairs = [recoloured(*pair, rng) if rng.random() < recolour else pair for pair in pairs]
        else:
            pairs = [(store.centre(index, size), store.adjectives(index))]
        squares += [square for square, _ in pairs]
        adjectives += [words for _, words in pairs]
        scores += [measured_scores(square) for square, _ in pairs]
        if len(squares) >= EVALUATION_BATCH or number == len(members) - 1:
            with torch.no_grad(), autocast():
                latents = codec.latents(images_from_uint8(squares))
            slips = preset.data.slips if views else 0.0
            shares = 2 * slips * torch.rand(len(latents), generator=generator)
            parts.append(codec.quantizer.encode_with_slips(latents, shares, generator))
            squares = []
    indices, seen = (torch.cat(part).to(torch.int16) for part in zip(*parts, strict=True))
    tensors = {"indices": indices, "seen": seen, "scores": torch.from_numpy(np.stack(scores))}
    about = {"key": key, "adjectives": json.loads(json.dumps(adjectives))}
    save_tensors(path, tensors, about)
    return IndexStore(indices, seen, adjectives, tensors["scores"])


class Generator(nn.Module):
    """Text engine and transformer.

    Without a trained text engine both are trained together; with one it is frozen, so that words
    keep the places that their distillation gave them.
    """

    def __init__(self, preset: Preset, text: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.text = TextEngine(preset.text, preset.transformer.width)
        self.transformer = Transformer(preset.transformer, preset.codec, preset.coarse_scales)
        self.frozen_text = text is not None
        if text is not None:
            load_module(self.text, text, "text engine")
            self.text.requires_grad_(False)
            convert(self.text)

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen text engine stays as it is."""
        super().train(mode)
        if self.frozen_text:
            self.text.eval()
        return self

    def forward(self, indices: Tensor, text_bytes: Tensor, word_weights: Tensor) -> Tensor:
        """Coarse indices (B, N), bytes (B, W, L), weights (B, W) -> logits (B, N, K)."""
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


def chosen_words(
    wording: Wording, samples: IndexStore, most: int, rng: np.random.Generator
) -> list[list[str]]:
    """The words that a training step shows for each sample."""
    prompted = samples.prompted or [False] * len(samples.adjectives)
    rows = zip(samples.adjectives, samples.scores.numpy(), prompted, strict=True)
    return [
        wording.as_prompted(given, rng) if whole else wording.choose(given, scores, most, rng)
        for given, scores, whole in rows
    ]


def scale_shares(scales: Sequence[int]) -> Tensor:
    """How much each scale counts in a loss: as much as its side; (scales,), summing to 1."""
    sides = torch.tensor(scales, dtype=torch.float32)
    return sides / sides.sum()


def per_scale(values: Tensor, scales: Sequence[int]) -> Tensor:
    """Mean of each scale's positions: (B, N) -> (scales,)."""
    return torch.stack([values[:, a:b].mean() for a, b in pairwise(scale_offsets(scales))])


def cross_entropies(logits: Tensor, targets: Tensor) -> Tensor:
    """Of logits (B, N, K) and codes (B, N): (B, N), in nats."""
    # flat and in one piece: several times as fast as over a transposed axis
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape)


@torch.no_grad()
def generator_figures(module: Generator, preset: Preset, val: IndexStore) -> dict[str, float]:
    """Loss and accuracy of each scale on held-out pictures, and the loss without words."""
    scales = preset.coarse_scales
    count, shares = scale_offsets(scales)[-1], scale_shares(scales)
    losses, plain, correct = [], [], []
    for start in range(0, len(val.indices), EVALUATION_BATCH):
        targets = val.indices[start : start + EVALUATION_BATCH, :count].long()
        words = val.adjectives[start : start + EVALUATION_BATCH]
        text_bytes, word_weights = batch_words(words, preset)
        with autocast():
            logits = module(targets, text_bytes, word_weights)
            without = module(targets, text_bytes, torch.zeros_like(word_weights))
        losses.append(cross_entropies(logits, targets))
        plain.append(cross_entropies(without, targets))
        correct.append((logits.argmax(-1) == targets).float())
    by_scale = per_scale(torch.cat(losses), scales)
    figures = {
        "loss": float((by_scale * shares).sum()),
        "loss_without_words": float((per_scale(torch.cat(plain), scales) * shares).sum()),
    }
    right = per_scale(torch.cat(correct), scales)
    for i, (loss, share) in enumerate(zip(by_scale, right, strict=True)):
        figures[f"loss_scale_{i}"], figures[f"accuracy_scale_{i}"] = float(loss), float(share)
    return figures


class GeneratorTask:
    """The generator's losses and validation; see `train.loop.Task`.

    Args:
        text: weights of a trained text engine; None trains one along.
    """

    def __init__(
        self,
        preset: Preset,
        codec: Codec,
        train: IndexMix,
        val: IndexStore,
        text: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.preset, self.train, self.val = preset, train, val
        self.batch = preset.transformer_fit.batch
        self.wording = Wording(preset.wording, train.extremes(preset.wording.extreme_share))
        torch.manual_seed(preset.transformer_fit.seed)
        self.module = Generator(preset, text)
        self.module.transformer.codebook.copy_(codec.quantizer.codebook)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy over all scales, weighted by side."""
        samples = self.train.draw(rng, self.batch)
        scales = self.preset.coarse_scales
        count = scale_offsets(scales)[-1]
        targets = samples.indices[:, :count]
        words = chosen_words(self.wording, samples, self.preset.text.max_words, rng)
        text_bytes, word_weights = batch_words(words, self.preset)
        with autocast():
            logits = self.module(samples.seen[:, :count], text_bytes, word_weights)
        by_scale = per_scale(cross_entropies(logits, targets), scales)
        loss = (by_scale * scale_shares(scales)).sum()
        return {"loss": loss, **{f"loss_scale_{i}": v for i, v in enumerate(by_scale)}}

    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each scale on the validation split, and the loss without words."""
        return generator_figures(self.module, self.preset, self.val)

    def start_qat(self) -> None:
        """Fake-quantise the transformer, and the text engine if it is trained along."""
        prepare(self.module.transformer, self.preset.qat)
        if not self.module.frozen_text:
            prepare(self.module.text, self.preset.qat)
