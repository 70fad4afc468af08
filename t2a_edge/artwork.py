"""A picture and how it was made."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.image import encoded, file_name, image_from_pixels, write_picture
from t2a_edge.layout import Layout
from t2a_edge.sampler import SamplingOptions

if TYPE_CHECKING:
    from PIL.Image import Image

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Artwork:
    """One picture and how it was made.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB.
        prompt: the adjectives and their weights, as they were understood; "" where a recipe was
            decoded, which does not know them.
        blend: the second prompt, where two were blended; and its share, 0 to 1.
        unknown_words: those of them that training did not use.
        seed: the same seed, prompt, options and bundle give the same picture; None as above.
        options: guidance scale, temperature and top-k.
        bundle_hash: which model drew it.
        indices: (P,) int64, all scales, coarse to fine; each scale's grid row by row.
        layout: the windows that the indices are for.
        crop: left, top, width and height of what is shown of them, in pixels.
        recipe: the indices as text (`t2a_edge.recipe`); `TextToArt.decode` gives these pixels.
        changed: how the picture was made from another one, such as "vary"; "" if it was drawn
            from its words and seed alone.
        other_words: what was typed beside the adjectives, such as "a", "and", "not", "very".
    """

    pixels: UInt8Array
    prompt: str
    blend: tuple[str, float] | None
    unknown_words: tuple[str, ...]
    seed: int | None
    options: SamplingOptions
    bundle_hash: str
    indices: Int64Array
    layout: Layout
    crop: tuple[int, int, int, int]
    recipe: str
    changed: str = ""
    other_words: tuple[str, ...] = ()

    @property
    def image(self) -> "Image":
        """The picture as a Pillow image."""
        return image_from_pixels(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.crop[2], self.crop[3]

    @property
    def metadata(self) -> dict[str, Any]:
        """What a saved picture says about itself."""
        blend = {} if self.blend is None else {"blend": self.blend[0], "amount": self.blend[1]}
        changed = {"changed": self.changed} if self.changed else {}
        return {
            "prompt": self.prompt,
            **blend,
            **changed,
            "seed": self.seed,
            "guidance_scale": self.options.guidance_scale,
            "temperature": self.options.temperature,
            "top_k": self.options.top_k,
            "size": list(self.size),
            "tile": self.layout.wrap,
            "bundle": self.bundle_hash,
            "recipe": self.recipe,
        }

    @property
    def file_name(self) -> str:
        """A file name made of prompt, blend, seed and any size of its own; it ends in .png."""
        blend = "" if self.blend is None else f" to {self.blend[0]} {self.blend[1]:g}"
        spelled = re.sub(r"(^| )-", r"\1not ", self.prompt + blend)  # a slug has no minus
        size = "" if self.layout.is_plain else f"{self.size[0]}x{self.size[1]}"
        return file_name(" ".join((spelled, self.changed, size)), self.seed)

    def save(self, path: Path | str) -> Path:
        """Write a .png, .webp, .jpg or .npy; all but the last with the metadata inside.

        Raises:
            ImageError: the suffix is another one, or the path cannot be written.
        """
        write_picture(self.pixels, Path(path), self.metadata)
        return Path(path)

    def encode(self, picture_format: str = "png") -> bytes:
        """The bytes of a file: "png", "webp", "jpeg" or "npy"; an ImageError for another one."""
        return encoded(self.pixels, picture_format, self.metadata)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        return self.encode()
