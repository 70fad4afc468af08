"""A small classifier of forms: which of the studio's marks a picture shows, and which traits.

    pictures (B, 3, 96, 96), each of mean 0 and spread 1
      stem       5 x 5 convolution, halves the side
      stages     a convolution that halves the side, residual blocks; 32, 64, 96, 128 channels
      features   the mean over the side: (B, 128)
      heads      a logit for each mark, of which a picture has one; a logit for each trait

It learns from the studio alone and reads pictures without their lightness and contrast.
Source: residual blocks, He et al. 2016, doi:10.1109/CVPR.2016.90.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.errors import CheckpointError
from train.checkpoint import file_sha256, load_module, load_tensors, save_tensors
from train.studio.forms import FORMS

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

SIDE = 96  # pixels of what the classifier sees
WIDTHS, BLOCKS = (32, 64, 96, 128), (0, 2, 2, 1)
FAINTEST = 0.02  # spread of a picture in [0, 1] that counts as contrast: plain ones stay plain
AT_ONCE = 64

MARKS = tuple(sorted(FORMS))
# Words of the shipped vocabulary that the studio marks a scene with, colour and finish left out.
TRAITS = (
    "angular", "atmospheric", "balanced", "blocky", "blurred", "circular", "curved", "delicate",
    "diagonal", "explosive", "flowing", "fluid", "geometric", "gestural", "grainy", "hazy",
    "horizontal", "jagged", "layered", "linear", "messy", "organic", "overlapping", "radial",
    "regular", "rhythmic", "rigid", "rough", "round", "scattered", "sharp", "spiral",
    "splattered", "striped", "structured", "swirling", "symmetrical", "textured", "translucent",
    "turbulent", "vertical", "wavy",
)  # fmt: skip


class Block(nn.Module):
    """Two 3 x 3 convolutions beside the way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        inner = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(x + self.norms[1](self.second(inner)))


class FormNet(nn.Module):
    """The classifier; see the module's text.

    Attributes:
        middle, spread: (128,), of the features of held-out studio pictures, once it is trained.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            before, reach = (widths[number - 1], 3) if number else (3, 5)
            step = nn.Conv2d(before, width, reach, 2, reach // 2, bias=False)
            layers += [step, nn.BatchNorm2d(width), nn.ReLU()]
            layers += [Block(width) for _ in range(count)]
        self.body = nn.Sequential(*layers)
        self.marks = nn.Linear(widths[-1], len(MARKS))
        self.traits = nn.Linear(widths[-1], len(TRAITS))
        self.register_buffer("middle", torch.zeros(widths[-1]))
        self.register_buffer("spread", torch.ones(widths[-1]))

    def features(self, pictures: Tensor) -> Tensor:
        """(B, 3, 96, 96) as `standard` gives them -> (B, 128)."""
        mapped: Tensor = self.body(pictures)
        return mapped.float().mean((2, 3))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of marks (B, M) and of traits (B, T)."""
        features = self.features(pictures)
        return self.marks(features), self.traits(features)


def standard(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> without its colour cast, lightness and contrast.

    The mean of each channel is 0, the spread of all three together 1.
    """
    apart = pictures - pictures.mean((2, 3), keepdim=True)
    spread = apart.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(FAINTEST)
    return (apart / spread).contiguous(memory_format=torch.channels_last)


def seen(squares: Sequence[UInt8Array]) -> Tensor:
    """Squares (S, S, 3) uint8, of any side, as the classifier sees them: (B, 3, 96, 96)."""
    shrunk = []
    for square in squares:
        picture = torch.from_numpy(np.asarray(square, dtype=np.float32) / 255)
        at_once = picture.permute(2, 0, 1)[None]  # (1, 3, S, S)
        shrunk.append(F.interpolate(at_once, (SIDE, SIDE), mode="bilinear", antialias=True))
    return standard(torch.cat(shrunk))


@dataclass(frozen=True)
class Reading:
    """What the classifier sees in pictures.

    Attributes:
        marks: (M, 80) probabilities that sum to 1, columns as `MARKS`.
        traits: (M, T) probabilities, columns as `TRAITS`.
        features: (M, 128), 0 and 1 the middle and the spread of held-out studio pictures.
    """

    marks: FloatArray
    traits: FloatArray
    features: FloatArray

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Classifier:
    """A trained network and what is known of it.

    Attributes:
        carriers: trait -> marks of which most pictures have it, in the studio.
        held_out: figures on pictures that were kept from training.
        sha256: of its file; figures of two files cannot be compared.
    """

    network: FormNet
    carriers: Mapping[str, tuple[str, ...]]
    held_out: Mapping[str, Any]
    sha256: str = ""

    def save(self, path: Path) -> None:
        """Write one safetensors file, weights in float16."""
        tensors = {
            name: value.to(torch.float16) if value.dim() > 1 else value
            for name, value in self.network.state_dict().items()
        }
        about = {
            "marks": list(MARKS), "traits": list(TRAITS), "held_out": dict(self.held_out),
            "carriers": {trait: list(marks) for trait, marks in self.carriers.items()},
        }  # fmt: skip
        save_tensors(path, tensors, about)

    @classmethod
    def load(cls, path: Path) -> "Classifier":
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing or damaged, or knows other marks.
        """
        tensors, about = load_tensors(path)
        if (about.get("marks"), about.get("traits")) != (list(MARKS), list(TRAITS)):
            raise CheckpointError(
                f"{path} is no classifier of the forms that the studio has now; make one with "
                "`python -m bench.judges classifier`."
            )
        network = FormNet()
        load_module(network, tensors, "classifier")
        network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        carriers = {trait: tuple(marks) for trait, marks in about["carriers"].items()}
        return cls(network, carriers, about["held_out"], file_sha256(path))

    def told(self, held_out: Mapping[str, Any]) -> "Classifier":
        """The same one with figures on held-out pictures."""
        return replace(self, held_out=held_out)

    def read_all(self, square: Callable[[int], UInt8Array], count: int) -> Reading:
        """Judge so many pictures, each asked for by its number when it is its turn."""
        starts = range(0, count, AT_ONCE)
        read = [
            self.read([square(i) for i in range(start, min(start + AT_ONCE, count))])
            for start in starts
        ]
        return Reading(
            np.concatenate([part.marks for part in read]),
            np.concatenate([part.traits for part in read]),
            np.concatenate([part.features for part in read]),
        )

    @torch.no_grad()
    def read(self, squares: Sequence[UInt8Array]) -> Reading:
        """Judge some pictures at once, (S, S, 3) uint8 each and of any side, in float32."""
        network = self.network.eval()
        features = network.features(seen(squares))
        marks = network.marks(features).softmax(-1)
        traits = network.traits(features).sigmoid()
        scaled = (features - network.middle) / network.spread
        return Reading(*(part.double().numpy() for part in (marks, traits, scaled)))


def parameter_count(network: FormNet) -> int:
    """Trained numbers."""
    return sum(math.prod(p.shape) for p in network.parameters())
