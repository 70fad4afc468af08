"""Pictures of a model in training, many at once: what `t2a_edge.sampler` does for one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from t2a_edge.noise import coherent_noise
from t2a_edge.sampler import row_factors
from t2a_edge.scales import context_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec
from train.codec import Codec
from train.codec_task import autocast, uint8_from_images
from train.config import Preset
from train.generator_task import Generator, batch_words
from train.model import Model
from train.refiner import Refiner
from train.transformer import Transformer
from train.wording import FloatArray, measured_scores

BATCH = 24  # pictures drawn at once
QUIET = 1000  # fewer pictures are drawn without a progress bar


def coherent(noise: Tensor, radius: float) -> Tensor:
    """`t2a_edge.noise.coherent_noise` of many pictures: (B, N, K)."""
    if radius == 0:
        return noise
    shared = [coherent_noise(picture, radius) for picture in noise.numpy()]
    return torch.from_numpy(np.stack(shared))


def scale_noise(spec: Spec, scale: int, count: int, rng: np.random.Generator) -> Tensor:
    """Standard Gumbel noise of a scale, shared between neighbours: (B, side², K)."""
    shape = (count, spec.scales[scale] ** 2, spec.codebook_size)
    noise = torch.from_numpy(rng.standard_exponential(shape, dtype=np.float32)).log_().neg_()
    return coherent(noise, spec.scale_coherence[scale])


def scale_context(transformer: Transformer, seen: Tensor, scale: int) -> Tensor:
    """What a scale's positions see of the coarser ones' codes: (R, T) int64 -> (R, side², C)."""
    codes = F.embedding(seen, transformer.codebook)  # (R, T, C)
    if not scale:
        codes = torch.zeros_like(transformer.codebook[:1]).expand(len(seen), 1, -1)
    return torch.from_numpy(context_matrix(transformer.scales, scale)) @ codes


def heat_of(spec: Spec, scale: int) -> float:
    """Temperature that a scale is drawn with."""
    return spec.temperature * spec.scale_temperature[scale]


def guided_factors(spec: Spec, word_weights: Tensor) -> Tensor:
    """What the rows with and without words count: weights (B, W) -> (scales, B, 2)."""
    factors = [
        row_factors(spec, (1.0,), spec.guidance_scale, (words,))
        for words in word_weights.count_nonzero(1).tolist()
    ]
    return torch.from_numpy(np.stack(factors, axis=1))


def unguided_factors(spec: Spec, count: int) -> Tensor:
    """The same where nothing is guided, on any scale: (B, 2)."""
    share = min(spec.guidance_scale, 1.0)
    return torch.tensor([[share, 1 - share]]).expand(count, -1)


@torch.no_grad()
def draw_indices(
    transformer: Transformer,
    refiner: Refiner | None,
    spec: Spec,
    text_embedding: Tensor,
    word_weights: Tensor,
    rng: np.random.Generator,
) -> Tensor:
    """Draw pictures with the guidance and temperatures of the spec.

    Args:
        refiner: None where the transformer predicts all scales.
        text_embedding, word_weights: (B, W, D) and (B, W), a prompt each.
        rng: of the noise.

    Returns:
        (B, N) int64, all scales, coarse to fine.
    """
    count, offsets = len(word_weights), scale_offsets(spec.scales)
    factors = guided_factors(spec, word_weights)  # (scales, B, 2)
    plain = unguided_factors(spec, count)  # (B, 2)
    embedding = torch.cat([text_embedding, text_embedding])
    weights = torch.cat([word_weights, torch.zeros_like(word_weights)])
    past = torch.zeros(spec.layers, 2 * count, spec.heads, 0, spec.head_dim)
    keys, values = past, past
    drawn = torch.full((count, spec.positions), -1)

    def choose(logits: Tensor, noise: Tensor, scale: int, guided: bool = True) -> Tensor:
        """Mix (2B or B, N, K) with and without words, and draw: (B, N)."""
        own = factors[scale] if guided else plain
        parts = zip(own.T, torch.split(logits.float(), count), strict=False)
        mixed = torch.stack([factor[:, None, None] * part for factor, part in parts]).sum(0)
        return (mixed + heat_of(spec, scale) * noise).argmax(-1)

    for scale, (start, end) in enumerate(pairwise(offsets)):
        if not factors[scale:, :, 1].any():  # nothing from here on looks at the row without words
            embedding, weights = embedding[:count], weights[:count]
            keys, values = keys[:, :count], values[:, :count]
        noise = scale_noise(spec, scale, count, rng)
        seen = drawn[:, :start].repeat(len(weights) // count, 1)
        if scale < len(spec.coarse_scales):
            context, positions = scale_context(transformer, seen, scale), torch.arange(start, end)
            logits, keys, values = transformer.scale_step(
                context, positions, embedding, weights, (keys, values)
            )
            drawn[:, start:end] = choose(logits, noise, scale)
            continue
        assert refiner is not None
        pass_of = torch.from_numpy(refiner_pass_of(spec.scales[scale], spec.refiner_passes))
        for part, guided in spec.refiner_runs(scale):
            here = pass_of == part
            others = torch.where(here, -1, drawn[:, start:end])
            rows = len(weights) if guided or plain[:, 1].any() else count
            fine = others.repeat(rows // count, 1)
            logits = refiner.logits_of(
                scale, seen[:rows], fine, embedding[:rows], weights[:rows]
            )[:, here]  # fmt: skip
            found = choose(logits, noise[:, here], scale, guided)
            drawn[:, start + here.nonzero().flatten()] = found
    return drawn


class Drawer(nn.Module):
    """What draws indices: generator and refiner.

    Attributes:
        refiner: None where the transformer predicts all scales.
    """

    def __init__(self, generator: Generator, refiner: Refiner | None) -> None:
        super().__init__()
        self.generator, self.refiner = generator, refiner


@dataclass(frozen=True)
class BatchSampler:
    """Everything that draws a picture from words, and measures it.

    Attributes:
        refiner: None where the transformer predicts all scales.
    """

    preset: Preset
    codec: Codec
    generator: Generator
    refiner: Refiner | None

    @classmethod
    def of(cls, model: Model, preset: Preset) -> Self:
        """A finished model that draws as a preset says."""
        return cls(preset, model.codec, model.generator, model.refiner)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What computes while a picture is drawn."""
        refiner = () if self.refiner is None else (self.refiner,)
        return self.generator, *refiner, self.codec

    @torch.no_grad()
    def draw(
        self, prompts: Sequence[tuple[str, ...]], seed: int | Sequence[int]
    ) -> tuple[Tensor, FloatArray]:
        """Draw and measure a picture for each prompt; () is one without words.

        Returns:
            indices (M, N) int64, and (M, A) scores in the order of `train.wording.MEASURED`.
        """
        rng = np.random.default_rng(seed)
        rows: list[Tensor] = []
        scores: list[FloatArray] = []
        bar = tqdm(total=len(prompts), desc="drawn", unit="picture", disable=len(prompts) < QUIET)
        for start in range(0, len(prompts), BATCH):
            part = prompts[start : start + BATCH]
            text_bytes, word_weights = batch_words(part, self.preset)
            embedding = self.generator.text(text_bytes)
            with autocast():
                drawn = draw_indices(
                    self.generator.transformer, self.refiner, self.preset.spec,
                    embedding, word_weights, rng,
                )  # fmt: skip
                images = self.codec.decode(drawn)
            rows.append(drawn)
            scores += [measured_scores(square) for square in uint8_from_images(images)]
            bar.update(len(part))
        bar.close()
        return torch.cat(rows), np.stack(scores)
