"""From painted shapes to a picture: colour correction, haze, brush fibres, relief and grain."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from train.studio.colour import FloatArray, lab_from_rgb, rgb_from_lab
from train.studio.measure import correct
from train.studio.surface import Scene

BASE = 512  # pixels on which textures are made before they are brought to size
ANGLES = 12  # directions for which brush fibres are kept
KINDS = ("brush", "impasto", "grain", "canvas")


def _noise(seed: int, along: float, across: float, angle: float) -> FloatArray:
    """Periodic noise of unit variance, (BASE, BASE); frequencies in cycles over the side."""
    rng = np.random.default_rng((761, seed))
    v, u = np.meshgrid(np.fft.fftfreq(BASE) * BASE, np.fft.rfftfreq(BASE) * BASE, indexing="ij")
    c, s = np.cos(angle), np.sin(angle)
    band = np.exp(-(((u * c + v * s) / along) ** 2) - ((v * c - u * s) / across) ** 2)
    spectrum = np.fft.rfft2(rng.normal(0, 1, (BASE, BASE))) * band
    field = np.fft.irfft2(spectrum, s=(BASE, BASE))
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def _sized(field: FloatArray, size: int) -> FloatArray:
    image = Image.fromarray(np.asarray(field, np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX if size < BASE else
                                   Image.Resampling.BICUBIC), np.float32)  # fmt: skip


def _emboss(field: FloatArray) -> FloatArray:
    lit = field - np.roll(field, (2, 2), (0, 1))
    return np.asarray(lit / lit.std(), np.float32)


@lru_cache(maxsize=8)
def _fibres(size: int) -> tuple[FloatArray, FloatArray]:
    """Brush hairs and their relief, both (ANGLES, size, size)."""
    shade, relief = [], []
    for k in range(ANGLES):
        angle = np.pi * k / ANGLES
        hair = 0.75 * _noise(k, 11, 150, angle) + 0.5 * _noise(40 + k, 6, 50, angle)
        shade.append(_sized(hair, size))
        relief.append(_sized(_emboss(_noise(80 + k, 12, 80, angle)), size))
    return np.stack(shade), np.stack(relief)


@lru_cache(maxsize=8)
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
    }
    return {name: _sized(field, size) for name, field in fields.items()}


def _choose_kind(scene: Scene) -> str:
    """How the surface is worked; the traits say what can be seen of it."""
    rng, texture = scene.surface_rng, scene.values["texture"]
    kind = str(rng.choice(KINDS, p=(0.36, 0.26, 0.24, 0.14)))
    if texture > 0.35:
        scene.traits.add("textured")
        scene.traits |= {"grain": {"grainy"}, "impasto": {"rough"}}.get(kind, set())
    elif texture < -0.35:
        scene.traits.add("flat")
    return kind


def _surface(scene: Scene, lab: FloatArray, kind: str) -> None:
    """Lay the texture over (size, size, 3) Lab, in place."""
    rng, size = scene.surface_rng, scene.size
    texture = scene.values["texture"]
    # from a trace on a neutral picture to plain relief on a rough one; nothing on a smooth one
    strength = float(np.interp(texture, [-0.7, -0.2, 0.35, 1], [0, 0.3, 0.85, 1.6]))
    offset = rng.integers(0, 32, 2) * size // 32
    mottle = np.roll(_fields(size)["mottle"], offset, (0, 1))
    lab[..., 0] += mottle * (0.6 + 1.2 * strength)
    if strength <= 0:
        return
    drift = np.roll(_fields(size)["hue"], offset, (0, 1))
    lab[..., 1] += drift * strength
    lab[..., 2] -= drift * strength
    light = lab[..., 0].copy()
    # paint near black or white shows less of its surface
    show = strength * np.clip(np.minimum(light + 8, 106 - light) / 34, 0.25, 1)
    fields = _fields(size)
    if kind == "grain":
        lab[..., 0] += np.roll(fields["grain"], offset, (0, 1)) * show * 4.5
        return
    guide = scene.guide
    turn = (guide[..., 0].astype(np.int32) * ANGLES + 128) // 256 % ANGLES
    strip = guide[..., 2].astype(np.int32)
    y, x = np.indices((size, size), dtype=np.int32)
    y = (y + (strip % 16) * size // 16) % size
    x = (x + (strip // 16) * size // 16) % size
    force = guide[..., 1].astype(np.float32) / 255  # a ground is brushed more quietly than a mark
    show = show * force
    hairs, relief = _fibres(size)
    flat = (turn * size + y) * size + x
    if kind == "impasto":
        lab[..., 0] += relief.ravel()[flat] * show * 4.2
        edge = gaussian_filter(light, 0.0022 * size)
        gy, gx = np.gradient(edge)
        lab[..., 0] += np.clip((gx + gy) * size * 0.0016, -7, 7) * strength
    elif kind == "brush":
        lab[..., 0] += hairs.ravel()[flat] * show * 3.4
    else:
        lab[..., 0] += hairs.ravel()[flat] * show * 1.5
    canvas = np.roll(fields["canvas"], offset, (0, 1))
    lab[..., 0] += canvas * show * (3.2 if kind == "canvas" else 0.8)


def _soften(scene: Scene, lab: FloatArray) -> FloatArray:
    if scene.blur <= 0:
        return lab
    scene.traits.add("blurred" if scene.blur > 0.008 else "hazy")
    return np.stack([gaussian_filter(lab[..., i], scene.blur * scene.size) for i in range(3)], -1)


def finish(scene: Scene, wanted: dict[str, float]) -> npt.NDArray[np.uint8]:
    """Bring a painted scene to its final picture.

    Args:
        scene: with everything drawn.
        wanted: colour axes to hold the picture to, a number in [-1, 1] each.

    Returns:
        (size, size, 3) uint8 sRGB.
    """
    kind = _choose_kind(scene)
    lab = lab_from_rgb(np.ascontiguousarray(scene.pixels[..., :3]))
    lab = _soften(scene, lab)
    # corrected before the texture, which a gain in contrast would blow up
    lab = correct(lab, wanted)
    _surface(scene, lab, kind)
    return rgb_from_lab(lab)
