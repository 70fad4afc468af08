"""A picture and how it was made."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import file_path
from t2a_edge.errors import ImageError
from t2a_edge.image import encoded, file_name, image_from_pixels, write_picture
from t2a_edge.layout import Layout
from t2a_edge.request import SamplingOptions
from t2a_edge.values import same_fields

if TYPE_CHECKING:
    from PIL.Image import Image

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

TO_SEED = ("to_seed", "amount")  # entries of a picture between two seeds


@dataclass(frozen=True, eq=False, repr=False)
class Artwork:
    """One picture and how it was made.

    It is a value: two are equal where all below are, whatever object they are; it can be a member
    of a set, copied and pickled. To numpy it is its pixels.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB.
        prompt: the adjectives and their weights, as they were understood; "" where a recipe was
            decoded, which does not know them.
        blend: the second prompt, where two were blended; and its share, 0 to 1.
        unknown_words: those of them that training did not use.
        seed: the same seed, prompt, options and bundle give the same picture; None as above.
        options: guidance scale, temperature, steps and form strength.
        bundle_hash: which model drew it.
        indices: (windows * P,) int64: of each window of the layout all scales, coarse to fine;
            each scale's grid row by row.
        layout: the windows that the indices are for.
        crop: left, top, width and height of what is shown of them, in pixels.
        recipe: the indices as text (`t2a_edge.recipe`); `TextToArt.decode` gives these pixels.
        changed: how the picture was made from another one, such as "vary"; "" if it was drawn
            from its words and seed alone. "loop" is a frame of one.
        other_words: what was typed beside the adjectives, such as "a", "and", "not", "very".
        form: names the form that was given, the first 16 hexadecimal digits of its sha256; "" where
            the words chose one. Without that picture, words and seed do not draw this one again.
        to_seed: a second seed, where the picture is on the way to it; and how far, 0 to 1.
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
    form: str = ""
    to_seed: tuple[int, float] | None = None

    def __eq__(self, other: object) -> bool:
        """Whether the other one is the same picture, made in the same way."""
        return same_fields(self, other) if isinstance(other, Artwork) else NotImplemented

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash((self.recipe, self.prompt, self.blend, self.seed, self.bundle_hash))

    def __repr__(self) -> str:
        """One line, without pixels and indices."""
        named = [f"{self.prompt!r}", f"seed={self.seed}"]
        if self.blend is not None:
            named.append(f"blend={self.blend!r}")
        if self.changed:
            named.append(f"changed={self.changed!r}")
        width, height = self.size
        return f"<Artwork {' '.join(named)}, {width} x {height}, bundle {self.bundle_hash}>"

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """The pixels, (H, W, 3) uint8 sRGB; not a copy unless one is asked for or needed."""
        kind = self.pixels.dtype if dtype is None else np.dtype(dtype)
        if copy is False and kind != self.pixels.dtype:
            raise ValueError(f"The pixels are {self.pixels.dtype}; as {kind} they are a copy.")
        return self.pixels.astype(kind, copy=bool(copy))

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
        to_seed = {} if self.to_seed is None else dict(zip(TO_SEED, self.to_seed, strict=True))
        return {
            "prompt": self.prompt,
            **blend,
            **changed,
            "seed": self.seed,
            **to_seed,
            **asdict(self.options),
            **({"form": self.form} if self.form else {}),
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
        """Write a .png, .webp, .jpg, .avif or .npy; all but the last with the metadata inside.

        A JPEG holds 64 kB of it, and is saved without the recipe where that is longer:
        `t2a_edge.image.left_out` tells.

        Raises:
            ImageError: the suffix is another one, or the path cannot be written.
        """
        target = file_path("The path", path, error=ImageError)
        write_picture(self.pixels, target, self.metadata)
        return target

    def encode(self, picture_format: str = "png") -> bytes:
        """The bytes of a file: "png", "webp", "jpeg", "avif" or "npy"; an ImageError else."""
        return encoded(self.pixels, picture_format, self.metadata)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        return self.encode()
