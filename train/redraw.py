"""Draw one scale of a picture anew, with a gradient from its codes to what drew them.

    indices (B, N)   a picture that the model drew; its coarser scales are given
    words            embedding (B, W, D) and weights (B, W) of the prompt
      -> codes (B, h w, C)   of the scale, drawn as for a user: guided, heated, one code a position

The codes are those of single indices; the gradient is that of their mean over what else could have
been drawn (straight-through Gumbel-softmax, Jang et al. 2016, arXiv:1611.01144).
"""

import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.scales import scale_offsets
from t2a_edge.spec import Spec
from train.codec_task import autocast
from train.draw import guided_factors, heat_of, scale_noise, unguided_factors
from train.generator_task import per_scale, scale_shares
from train.refiner import Refiner
from train.refiner_task import Part
from train.transformer import Transformer

Words = tuple[Tensor, Tensor]

MOST_NOISE = 20.0  # a uniform number of 0 would make it infinite


@dataclass(frozen=True)
class Redrawn:
    """A scale that was drawn anew.

    Attributes:
        codes: (B, h w, C), with a gradient.
        divergence: () how far usual draws are from what is drawn now, in nats a position.
    """

    codes: Tensor
    divergence: Tensor


class Redraw(Protocol):
    """Draws one scale anew; it has a copy of what it started from, which says what is usual."""

    @property
    def scale(self) -> int:
        """Number of the scale."""

    def __call__(self, indices: Tensor, words: Words, rng: np.random.Generator) -> Redrawn:
        """Draw the scale of pictures (B, N) whose coarser scales stay.

        Args:
            words: embedding (B, W, D) and weights (B, W) of the prompts.
        """


def straight_through(heated: Tensor, chosen: Tensor, codebook: Tensor) -> Tensor:
    """Codes of single indices with the gradient of their mean.

    Args:
        heated: (B, N, K) logits over the temperature, with noise.
        chosen: (B, N), where those are largest.
        codebook: (K, C).

    Returns:
        (B, N, C).
    """
    soft = heated.softmax(-1)
    hard = F.one_hot(chosen, soft.shape[-1]).to(soft.dtype)
    return (hard - soft.detach() + soft) @ codebook


def divergence(logits: Tensor, usual: Tensor) -> Tensor:
    """How far usual draws are from what is drawn now: (B, N, K) each -> (B, N), in nats."""
    now, before = logits.log_softmax(-1), usual.log_softmax(-1)
    return F.kl_div(now, before, reduction="none", log_target=True).sum(-1)


class TransformerRedraw:
    """Draws one of the transformer's scales anew.

    The divergence is that of all its scales, each as much as its side; they share their weights.

    Args:
        transformer: in training; a copy of it as it is now says what is usual.
        scale: number of the scale.
    """

    def __init__(self, transformer: Transformer, spec: Spec, scale: int) -> None:
        self.transformer, self.spec, self.scale = transformer, spec, scale
        self.before = copy.deepcopy(transformer).eval().requires_grad_(False)
        self.offsets = scale_offsets(spec.coarse_scales)
        positions = torch.tensor(spec.coarse_scales).square()
        self.scale_of = torch.arange(len(positions)).repeat_interleave(positions)  # (N,)
        heat = [heat_of(spec, number) for number in range(len(positions))]
        self.heat = torch.tensor(heat)[self.scale_of].unsqueeze(-1)  # (N, 1)

    def _logits(
        self, transformer: Transformer, context: Tensor, words: Words, factors: Tensor
    ) -> Tensor:
        """Logits of all positions over the temperature, as they are drawn from: (B, N, K).

        What the row without words says is taken as it is: words are to pull, not to be pushed off.

        Args:
            factors: (B, N, 2) of the rows with and without words.
        """
        embedding, weights = words
        with autocast():
            worded = transformer(context, embedding, weights)
            with torch.no_grad():
                plain = transformer(context, embedding, torch.zeros_like(weights))
        mixed: Tensor = factors[..., :1] * worded.float() + factors[..., 1:] * plain.float()
        return mixed / self.heat

    def __call__(self, indices: Tensor, words: Words, rng: np.random.Generator) -> Redrawn:
        """See `Redraw`."""
        spec, (start, end) = self.spec, self.offsets[self.scale : self.scale + 2]
        with torch.no_grad():
            context = self.transformer.training_context(indices[:, : self.offsets[-1]])
        factors = guided_factors(spec, words[1])[self.scale_of].transpose(0, 1)  # (B, N, 2)
        logits = self._logits(self.transformer, context, words, factors)
        with torch.no_grad():
            usual = self._logits(self.before, context, words, factors)
        apart = per_scale(divergence(logits, usual), spec.coarse_scales)  # (scales,)
        noise = scale_noise(spec, self.scale, len(indices), rng).clamp_max(MOST_NOISE)
        heated = logits[:, start:end] + noise
        codes = straight_through(heated, heated.argmax(-1), self.transformer.codebook)
        return Redrawn(codes, apart @ scale_shares(spec.coarse_scales))


class RefinerRedraw:
    """Draws one of the refiner's scales anew, part by part, as often as a picture does or less.

    Args:
        refiner: in training; a copy of it as it is now says what is usual.
        part: the scale.
    """

    def __init__(self, refiner: Refiner, spec: Spec, part: Part) -> None:
        self.refiner, self.spec, self.part, self.scale = refiner, spec, part, part.scale
        self.before = copy.deepcopy(refiner).eval().requires_grad_(False)

    def _logits(
        self, refiner: Refiner, seen: Tensor, others: Tensor, words: Words, factors: Tensor
    ) -> Tensor:
        """Logits of a part over the temperature, as they are drawn from: (B, n, K).

        Args:
            seen: (B, T) indices of all coarser scales.
            others: (B, N) indices of the scale; -1 where they are to be drawn.
            factors: (B, 2) of the rows with and without words.
        """
        here = others[0] < 0
        embedding, weights = words
        given = self.scale, seen, others, embedding
        with autocast():
            mixed = refiner.logits_of(*given, weights)[:, here].float()
            if factors[:, 1].any():
                without = torch.zeros_like(weights)
                with torch.no_grad():
                    plain = refiner.logits_of(*given, without)[:, here].float()
                mixed = factors[:, :1, None] * mixed + factors[:, 1:, None] * plain
        return mixed / heat_of(self.spec, self.scale)

    def _rounds(self, passes: int) -> int:
        """How often a picture draws the whole scale anew, at least once."""
        redraws = self.spec.refiner_redraws[self.scale - len(self.spec.coarse_scales)]
        return max(1, redraws // passes)

    def __call__(self, indices: Tensor, words: Words, rng: np.random.Generator) -> Redrawn:
        """See `Redraw`; only the last round has a gradient."""
        spec, part = self.spec, self.part
        seen, current = indices[:, : part.start], indices[:, part.start : part.end].clone()
        noise = scale_noise(spec, self.scale, len(indices), rng).clamp_max(MOST_NOISE)
        guided = spec.refiner_runs(self.scale)[-1].guided
        factors = unguided_factors(spec, len(indices))
        if guided:
            factors = guided_factors(spec, words[1])[self.scale]
        order = rng.permutation(int(part.pass_of.max()) + 1)
        codes = torch.zeros(*current.shape, self.refiner.codebook.shape[1])
        apart = []
        last = int(rng.integers(self._rounds(len(order))))
        for turn in range(last + 1):
            for number in order.tolist():
                here = part.pass_of == number
                others = torch.where(here, -1, current)
                with torch.set_grad_enabled(torch.is_grad_enabled() and turn == last):
                    logits = self._logits(self.refiner, seen, others, words, factors)
                heated = logits + noise[:, here]
                current[:, here] = chosen = heated.argmax(-1)
                if turn < last:
                    continue
                with torch.no_grad():
                    usual = self._logits(self.before, seen, others, words, factors)
                apart.append(divergence(logits, usual).mean())
                own = straight_through(heated, chosen, self.refiner.codebook)
                codes = codes.index_copy(1, here.nonzero().flatten(), own)
        return Redrawn(codes, torch.stack(apart).mean())
