"""The critic: a small convolutional network that sees from codes what a picture will measure.

    canvas (B, C, h, w)   codes of all scales up to one, brought to its side and summed
      -> scores (B, A)    measured attributes in the order of `train.wording.MEASURED`

Attributes are measured on pixels and have no gradient. The critic, which learns them from pictures
that the model drew, has one, so what draws can be taught by it (`train.reward`). It is of use in
training alone and ships with nothing.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.scales import scale_offsets
from train.codec_task import autocast
from train.config import FitConfig, RewardConfig
from train.refiner import Refiner
from train.selection import LEAST_SPREAD
from train.selection_task import Drawn
from train.wording import MEASURED, TWO_POLES

HIDDEN = 256
DROPOUT = 0.1
NOISE = 0.1  # added to a canvas in training, in standard deviations
JUDGED_BATCH = 200


class _Block(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        y: Tensor = self.second(F.relu(self.first(F.relu(x))))
        return x + y


class Critic(nn.Module):
    """Predicts the scores of a picture from its canvas.

    Args:
        code_dim: channels of a canvas.
        width: channels at a canvas' own side; there are twice as many at half of it.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, code_dim: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(code_dim, width, 3, padding=1)
        self.fine = nn.Sequential(*(_Block(width) for _ in range(3)))
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = _Block(2 * width)
        self.hidden = nn.Linear(6 * width, HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(HIDDEN, len(MEASURED))
        self.register_buffer("mean", torch.zeros(len(MEASURED)))
        self.register_buffer("spread", torch.ones(len(MEASURED)))

    def scaled(self, canvas: Tensor) -> Tensor:
        """Canvas (B, C, h, w) -> scores less their mean, in spreads: (B, A)."""
        fine = self.fine(self.stem(canvas.contiguous(memory_format=torch.channels_last)))
        coarse = self.coarse(self.down(F.relu(fine)))
        pooled = []
        for x in (fine, coarse):
            pooled += [F.relu(x).mean((2, 3)), (x.var((2, 3), correction=0) + 1e-4).sqrt()]
        hidden = self.dropout(F.relu(self.hidden(torch.cat(pooled, 1))))
        scores: Tensor = self.head(hidden)
        return scores.float()

    def forward(self, canvas: Tensor) -> Tensor:
        """Canvas (B, C, h, w) -> scores (B, A)."""
        return self.scaled(canvas) * self.spread + self.mean


class CriticTask:
    """The critic's losses and validation; see `train.loop.Task`.

    Args:
        refiner: whose codebook and scales the canvases are made with.
        scale: up to which number a canvas is drawn.
        drawn: pictures and what they measure; those of the first prompts are validated on.
    """

    def __init__(
        self, refiner: Refiner, scale: int, drawn: Drawn, config: RewardConfig, fit: FitConfig
    ) -> None:
        self.refiner, self.scale, self.batch = refiner, scale, fit.batch
        held_out = drawn.held_out(config.held_out)
        plain = torch.from_numpy(drawn.plain_scores)
        scores = torch.from_numpy(drawn.scores)
        self.judged = drawn.indices[:held_out], scores[:held_out]
        self.indices = torch.cat([drawn.indices[held_out:], drawn.plain_indices])
        self.scores = torch.cat([scores[held_out:], plain])
        torch.manual_seed(fit.seed)
        self.module = Critic(refiner.codebook.shape[1], config.width)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module.mean.copy_(self.scores.mean(0))
        self.module.spread.copy_(self.scores.std(0).clamp_min(LEAST_SPREAD))

    @torch.no_grad()
    def _canvas(self, indices: Tensor) -> Tensor:
        """Indices (B, N) of all scales -> (B, C, h, w)."""
        start, end = scale_offsets(self.refiner.scales)[self.scale : self.scale + 2]
        own = indices[:, start:end].long()
        codes = F.embedding(own, self.refiner.codebook)
        return self.refiner.canvas_of(self.scale, indices[:, :start].long(), codes)

    def _predict(self, canvas: Tensor) -> Tensor:
        with autocast():
            return self.module.scaled(canvas)

    def _target(self, scores: Tensor) -> Tensor:
        return (scores - self.module.mean) / self.module.spread

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Smooth L1 distance of the scores, in spreads."""
        rows = rng.integers(len(self.indices), size=self.batch).tolist()
        canvas = self._canvas(self.indices[rows])
        canvas = canvas + NOISE * canvas.std() * torch.randn_like(canvas)
        found = self._predict(canvas)
        return {"loss": F.smooth_l1_loss(found, self._target(self.scores[rows]))}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same of pictures of other prompts, and how much of each score is explained.

        `r2_order` is 1 where the critic sees all of the differences in order, 0 where it does as
        well as their mean; `r2` is the mean over the axes that have two poles.
        """
        indices, scores = self.judged
        found = [
            self._predict(self._canvas(indices[start : start + JUDGED_BATCH]))
            for start in range(0, len(indices), JUDGED_BATCH)
        ]
        guess, truth = torch.cat(found), self._target(scores)
        error = (guess - truth).square().mean(0) / truth.var(0).clamp_min(1e-6)
        explained = {
            f"r2_{name}": 1 - float(part)
            for name, part in zip(MEASURED[:TWO_POLES], error, strict=False)
        }
        loss = float(F.smooth_l1_loss(guess, truth))
        return {"loss": loss, "r2": 1 - float(error[:TWO_POLES].mean()), **explained}

    def start_qat(self) -> None:
        """Nothing: it is not shipped."""
