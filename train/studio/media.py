"""How the paint was handled: which medium, and where on the sheet its marks are to be seen.

Painters do not work a whole sheet alike. A medium leaves its marks in some places and not in
others, some shapes are laid on flat, and many pictures have no surface at all.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from train.studio.colour import FloatArray

BASE = 512  # pixels on which textures are made before they are brought to size
ANGLES = 12  # directions for which brush fibres are kept
QUIET = ("vector", "ink", "gouache", "wash", "print")  # media without a surface to feel
ROUGH = ("brush", "dry", "impasto", "grain", "canvas")


@lru_cache(maxsize=16)
def _white(seed: int) -> npt.NDArray[np.complex128]:
    rng = np.random.default_rng((761, seed))
    return np.asarray(np.fft.rfft2(rng.normal(0, 1, (BASE, BASE))))


@lru_cache(maxsize=64)  # for all sizes
def _noise(seed: int, along: float, across: float, angle: float) -> FloatArray:
    """Periodic noise of unit variance, (BASE, BASE); frequencies in cycles over the side."""
    v, u = np.meshgrid(np.fft.fftfreq(BASE) * BASE, np.fft.rfftfreq(BASE) * BASE, indexing="ij")
    c, s = np.cos(angle), np.sin(angle)
    band = np.exp(-(((u * c + v * s) / along) ** 2) - ((v * c - u * s) / across) ** 2)
    spectrum = _white(seed) * band
    field = np.fft.irfft2(spectrum, s=(BASE, BASE))
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def _sized(field: FloatArray, size: int) -> FloatArray:
    image = Image.fromarray(np.asarray(field, np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX if size < BASE else
                                   Image.Resampling.BICUBIC), np.float32)  # fmt: skip


def _emboss(field: FloatArray) -> FloatArray:
    lit = field - np.roll(field, (2, 2), (0, 1))
    return np.asarray(lit / lit.std(), np.float32)


@lru_cache(maxsize=4)
def _fibres(size: int) -> tuple[FloatArray, FloatArray]:
    """Brush hairs and their relief, both (ANGLES, size, size)."""
    shade, relief = [], []
    for k in range(ANGLES):
        angle = np.pi * k / ANGLES
        hair = 0.75 * _noise(0, 11, 150, angle) + 0.5 * _noise(40, 6, 50, angle)
        shade.append(_sized(hair, size))
        relief.append(_sized(_emboss(_noise(80, 12, 80, angle)), size))
    return np.stack(shade), np.stack(relief)


@lru_cache(maxsize=4)
def _fields(size: int) -> dict[str, FloatArray]:
    """Grain, canvas weave and mottles, each (size, size)."""
    t = np.arange(BASE) * 2 * np.pi / BASE * 128
    weave = np.sin(t)[:, None] * 0.6 + np.sin(t)[None, :] * 0.6
    weave = weave * (1 + 0.5 * _noise(203, 30, 30, 0)) + 0.5 * _noise(201, 170, 170, 0)
    fields = {
        "grain": _noise(200, 150, 150, 0) + 0.5 * _noise(204, 70, 70, 0),
        "canvas": np.asarray(weave, np.float32),
        "mottle": _noise(202, 5, 5, 0) + 0.6 * _noise(205, 14, 14, 0),
        "hue": _noise(206, 3, 3, 0),
        "bloom": _noise(207, 3, 3, 0) + 0.5 * _noise(208, 22, 22, 0),
        "specks": _noise(209, 60, 60, 0),
    }
    return {name: _sized(field, size) for name, field in fields.items()}


class Surface:
    """The surface of one picture.

    Args:
        lab: (size, size, 3) Lab, changed in place by `lay`.
        guide: (size, size, 4) uint8: direction of the brush, force, strip of fibres.
        rng: where chance comes from.
    """

    def __init__(
        self, lab: FloatArray, guide: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        self.lab, self.guide, self.size = lab, guide, len(lab)
        self._offset = rng.integers(0, 32, 2) * self.size // 32
        self._rng = rng
        # where the medium is to be seen: everywhere, or only in some parts of the sheet
        worked = self.field("bloom") * 0.9 + rng.uniform(-0.5, 1.4)
        self._worked = np.clip(worked + 0.5, 0.12, 1)

    def field(self, name: str) -> FloatArray:
        """One of the fields of `_fields`, moved by the picture's own offset."""
        return np.roll(_fields(self.size)[name], self._offset, (0, 1))

    def lay(self, medium: str, strength: float) -> None:
        """Put a medium's marks over the picture.

        Args:
            medium: one of `QUIET` or `ROUGH`.
            strength: 0 none, 1 plain, 1.6 as rough as it gets.
        """
        if strength <= 0 or medium == "vector":
            return
        light = self.lab[..., 0].copy()
        # paint near black or white shows less of its surface
        show = strength * np.clip(np.minimum(light + 8, 106 - light) / 34, 0.25, 1)
        show *= self._worked
        getattr(self, f"_{medium}")(show, light, strength)

    def _hairs(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Hairs and relief along the brush, and the force it had, all (size, size)."""
        size, guide = self.size, self.guide
        turn = (guide[..., 0].astype(np.int32) * ANGLES + 128) // 256 % ANGLES
        strip = guide[..., 2].astype(np.int32)
        y, x = np.indices((size, size), dtype=np.int32)
        y = (y + (strip % 16) * size // 16) % size
        x = (x + (strip // 16) * size // 16) % size
        flat = (turn * size + y) * size + x
        hairs, relief = _fibres(size)
        force = np.asarray(guide[..., 1] / np.float32(255), np.float32)
        return hairs.ravel()[flat], relief.ravel()[flat], force

    def _ink(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        force = self.guide[..., 1].astype(np.float32) / 255
        self.lab[..., 0] += self.field("bloom") * force * show * 1.6

    def _gouache(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        hairs, _, force = self._hairs()
        self.lab[..., 0] += hairs * show * force * 1.3 + self.field("mottle") * show * 0.9

    def _wash(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        # pigment runs to the rim of a pool, and settles in the paper's hollows
        wide = gaussian_filter(light, 0.02 * self.size)
        self.lab[..., 0] -= np.clip((wide - light) * 0.22, 0, 9) * strength
        bloom = self.field("bloom")
        self.lab[..., 0] += (2.6 * bloom + 0.8 * self.field("grain")) * show
        self.lab[..., 1:] *= (1 - 0.07 * np.clip(bloom, -1, 2) * self._worked)[..., None]

    def _print(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        # the colours a little out of register, the ink missing in specks
        shift = max(round(0.003 * self.size), 1)
        self.lab[..., 1] = np.roll(self.lab[..., 1], shift, 1)
        self.lab[..., 2] = np.roll(self.lab[..., 2], -shift, 0)
        bare = np.clip((self.field("specks") - 2.3 + 0.5 * self._worked) * 2.2, 0, 1)
        self.lab[..., 0] += bare * (90 - light) * 0.5 * strength * (light < 78)

    def _grain(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        self.lab[..., 0] += self.field("grain") * show * 4.5

    def _brush(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        hairs, _, force = self._hairs()
        self.lab[..., 0] += hairs * show * force * 3.4 + self.field("mottle") * show
        self.lab[..., 0] += self.field("canvas") * show * force * 0.8

    def _dry(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        # where the brush ran dry the sheet below is seen between its hairs
        hairs, _, force = self._hairs()
        gap = np.clip((hairs * 0.8 + self.field("canvas") * 0.35 - 0.75) * 2.4, 0, 1)
        below = np.median(self.lab[:: max(self.size // 32, 1), :: max(self.size // 32, 1)], (0, 1))
        away = float(np.sign(below[0] - light.mean()) or 1.0)
        to = np.clip(light + away * 26, 8, 95)
        gap = gap * np.clip(show, 0, 1.3) * np.clip(force * 2.6 - 1.6, 0, 1) * 0.62
        self.lab[..., 0] += (to - light) * gap
        self.lab[..., 0] += hairs * show * force * 1.2

    def _impasto(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        _, relief, force = self._hairs()
        self.lab[..., 0] += relief * show * force * 4.2
        edge = gaussian_filter(light, 0.0022 * self.size)
        gy, gx = np.gradient(edge)
        self.lab[..., 0] += np.clip((gx + gy) * self.size * 0.0016, -7, 7) * strength

    def _canvas(self, show: FloatArray, light: FloatArray, strength: float) -> None:
        hairs, _, force = self._hairs()
        self.lab[..., 0] += hairs * show * force * 1.3 + self.field("canvas") * show * 3.2
