"""Training of the classifier of forms, in the loop of all other stages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.judges.lessons import READ_SIDE, Corpus, Lessons, carriers, corpus_key, shrunk
from bench.judges.network import (
    TRAITS,
    Classifier,
    FormNet,
    UInt8Array,
    parameter_count,
    seen,
)
from t2a_edge.documents import is_file
from train.loop import Fit, FitConfig
from train.models.images import autocast, images_from_uint8, uint8_from_images
from train.tracking import make_tracker

TRAIT_WEIGHT = 2.0  # of their loss beside that of the marks
SMOOTHING = 0.05  # of the marks
VALIDATED = 800  # held-out pictures, at most
AT_ONCE = 16


class FormTask:
    """Losses and validation of the classifier; see `train.loop.Task`.

    Args:
        through: training pictures as a codec shows them; see `Lessons`.
    """

    def __init__(self, corpus: Corpus, batch: int, through: dict[int, UInt8Array]) -> None:
        torch.manual_seed(1)
        self.module = FormNet()
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.lessons, self.batch = Lessons(corpus, through), batch
        spread = np.linspace(0, len(corpus.held_out) - 1, VALIDATED).astype(int)
        self.held_out = np.unique(corpus.held_out[spread])

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross entropies of the marks and of each trait."""
        pictures, marks, traits = self.lessons.batch(rng, self.batch)
        with autocast():
            of_marks, of_traits = self.module(pictures)
        return _losses(of_marks, of_traits, marks, traits)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses on whole held-out pictures, and how often the first mark is one of theirs."""
        corpus, found = self.lessons.corpus, []
        for part in np.array_split(self.held_out, -(-len(self.held_out) // 64)):
            with autocast():
                found.append(self.module(seen(list(corpus.pixels[part]))))
        of_marks, of_traits = (torch.cat(side) for side in zip(*found, strict=True))
        marks = torch.from_numpy(corpus.marks[self.held_out])
        traits = torch.from_numpy(corpus.traits[self.held_out].astype(np.float32))
        losses = _losses(of_marks, of_traits, marks, traits)
        named = marks.sum(1) > 0
        right = marks.gather(1, of_marks.argmax(1, keepdim=True))[:, 0] > 0
        top1 = right[named].float().mean() if named.any() else torch.tensor(0.0)
        return {**{k: float(v) for k, v in losses.items()}, "top1": float(top1)}

    def start_qat(self) -> None:
        """It has no INT8 form."""


def _losses(
    of_marks: Tensor, of_traits: Tensor, marks: Tensor, traits: Tensor
) -> dict[str, Tensor]:
    named = marks.sum(1)
    even = SMOOTHING / marks.shape[1]
    wanted = marks * (1 - SMOOTHING) + named[:, None] * even
    by_mark = -(wanted * of_marks.float().log_softmax(1)).sum(1)
    mark = by_mark.sum() / named.sum().clamp_min(1)
    trait = F.binary_cross_entropy_with_logits(of_traits.float(), traits)
    return {"loss": mark + TRAIT_WEIGHT * trait, "marks": mark, "traits": trait}


@torch.no_grad()
def through_codec(corpus: Corpus, codec_path: Path, numbers: Sequence[int]) -> UInt8Array:
    """Pictures of a corpus as the codec of a finished model shows them: (M, 128, 128, 3) uint8."""
    from train.models.qat import disable
    from train.models.whole import WholeModel

    codec = WholeModel.load(codec_path).codec.eval()
    disable(codec)
    codec.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = np.empty((len(numbers), READ_SIDE, READ_SIDE, 3), dtype=np.uint8)
    for start in range(0, len(numbers), AT_ONCE):
        squares = [np.asarray(corpus.pixels[n]) for n in numbers[start : start + AT_ONCE]]
        with autocast():
            latents = codec.latents(images_from_uint8(squares))
        indices = codec.quantizer(latents.float())[1]
        with autocast():
            images = codec.decode(indices)
        pixels = uint8_from_images(images.float())
        found[start : start + len(squares)] = shrunk(pixels)
    return found


def codec_lessons(
    corpus: Corpus, codec_path: Path | None, count: int, folder: Path
) -> dict[int, UInt8Array]:
    """Some training pictures through a codec, kept in a folder; none without a codec."""
    if codec_path is None:
        return {}
    spread = np.linspace(0, len(corpus.training) - 1, min(count, len(corpus.training)))
    numbers = [int(n) for n in np.unique(corpus.training[spread.astype(int)])]
    path = folder / f"through-codec-{len(numbers)}.npy"
    if not is_file(path):
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, through_codec(corpus, codec_path, numbers))
    return dict(zip(numbers, np.load(path), strict=True))


def train_classifier(
    corpus: Corpus, fit: FitConfig, folder: Path, through: dict[int, UInt8Array]
) -> tuple[Classifier, dict[str, Any]]:
    """Train, or go on where it was stopped; the classifier, and what its training took.

    Args:
        folder: checkpoints and logs.
    """
    task = FormTask(corpus, fit.batch, through)
    about = {"corpus": corpus_key(corpus), "through": len(through), "traits": len(TRAITS)}
    run = Fit(task, fit, folder, about, make_tracker(folder, about, wandb=False))
    state = run.run()
    network = task.module.eval()
    measure_features(network, [np.asarray(corpus.pixels[n]) for n in task.held_out])
    effort = {
        "steps": state.step, "samples": state.step * fit.batch, "seconds": round(state.seconds),
        "parameters": parameter_count(network), "through_codec": len(through),
    }  # fmt: skip
    return Classifier(network, carriers(corpus), {}), effort


@torch.no_grad()
def measure_features(network: FormNet, squares: Sequence[UInt8Array]) -> None:
    """Take the features' middle and spread from pictures, so that others are measured in them."""
    starts = range(0, len(squares), AT_ONCE)
    features = torch.cat([network.features(seen(squares[at : at + AT_ONCE])) for at in starts])
    network.middle.copy_(features.mean(0))
    network.spread.copy_(features.std(0, correction=0).clamp_min(1e-3))
