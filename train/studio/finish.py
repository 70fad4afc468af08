"""From painted shapes to a picture: colour correction, haze, and the surface of the paint."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from train.studio.colour import FloatArray, lab_from_rgb, rgb_from_lab
from train.studio.measure import correct, lift
from train.studio.media import QUIET, ROUGH, Surface
from train.studio.surface import Scene

DRY_ODDS = (0.25, 0.2, 0.22, 0.2, 0.13)  # of the rough media, in their order
WET_ODDS = (0.0, 0.0, 0.0, 0.6, 0.4)
SHOWN = 6.0  # how far forms are to stand off, in L*, where nothing subtle was asked for
FAINT = 3.0  # and where it was
FELT = 0.35  # texture from which a surface is rough (or, below its negative, flat)


def _choose_medium(scene: Scene) -> tuple[str, float]:
    """What the picture is made with, and how strongly that shows; the traits say what is seen."""
    rng, texture = scene.surface_rng, scene.values["texture"]
    rough = str(rng.choice(ROUGH, p=WET_ODDS if scene.wet else DRY_ODDS))
    quiet = str(rng.choice(QUIET, p=(0.26, 0.2, 0.24, 0.2, 0.1)))
    if texture > FELT:
        scene.traits.add("textured")
        scene.traits |= {"grain": {"grainy"}, "impasto": {"rough"}, "dry": {"rough"}}.get(
            rough, set()
        )
        return rough, float(np.interp(texture, [FELT, 1], [0.85, 1.6]))
    if texture < -FELT:
        scene.traits.add("flat")
        return ("ink" if quiet == "ink" else "vector"), 0.5
    # in between, one picture in three shows its brush a little, the others none of it
    if rng.random() < 0.3:
        return rough, float(rng.uniform(0.3, 0.55))
    return quiet, float(rng.uniform(0.5, 1.0))


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
    medium, strength = _choose_medium(scene)
    lab = lab_from_rgb(np.ascontiguousarray(scene.pixels[..., :3]))
    lab = _soften(scene, lab)
    # corrected before the texture, which a gain in contrast would blow up
    lab = correct(lab, wanted)
    if "misty" not in scene.traits:
        subtle = wanted.get("contrast", 0.0) < 0
        lab = lift(lab, FAINT if subtle else SHOWN)
    surface = Surface(lab, scene.guide, scene.surface_rng)
    surface.lay(medium, strength)
    return rgb_from_lab(lab)
