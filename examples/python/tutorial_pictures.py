"""The pictures of docs/tutorial.md, with the words and seeds that it names: into docs/tutorial/."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from t2a_edge import TextToArt

FOLDER = Path(__file__).parents[2] / "docs" / "tutorial"
SIDE = 192  # pixels of a picture in a strip
GAP = 6


def strip(images: Sequence[Image.Image], name: str) -> None:
    """Save pictures side by side."""
    canvas = Image.new("RGB", (len(images) * (SIDE + GAP) - GAP, SIDE), "white")
    for place, image in enumerate(images):
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        canvas.paste(small, (place * (SIDE + GAP), 0))
    canvas.save(FOLDER / name, quality=88)


def main() -> None:
    """Draw them all."""
    FOLDER.mkdir(exist_ok=True)
    engine = TextToArt()
    first = engine.generate("warm dark fluid", seed=3)
    first.image.save(FOLDER / "first.jpg", quality=88)
    seeds = [engine.generate("warm dark fluid", seed=seed).image for seed in (3, 4, 5, 6)]
    strip(seeds, "seeds.jpg")
    words = ["dark:2 warm:0.5", "warm dark -busy", "joyous"]
    strip([engine.generate(prompt, seed=3).image for prompt in words], "words.jpg")
    varied = [engine.vary(first, strength=0.5, seed=seed).image for seed in (1, 2, 4)]
    strip([first.image, *varied], "varied.jpg")
    lent = [
        engine.generate("golden dark", seed=3, form=first.pixels, form_strength=strength).image
        for strength in (1.0, 0.6)
    ]
    strip([first.image, *lent], "lent.jpg")
    way = engine.interpolate("calm minimal blue", "chaotic dense red", frames=6, seed=7)
    strip([art.image for art in way], "way.jpg")
    between = engine.interpolate("golden round", frames=6, seed=3, to_seed=9)
    strip([art.image for art in between], "between.jpg")
    tile = engine.tile("mossy earthy", seed=5).image
    wall = Image.new("RGB", (512, 512))
    for corner in ((0, 0), (256, 0), (0, 256), (256, 256)):
        wall.paste(tile, corner)
    wall.resize((384, 384), Image.Resampling.LANCZOS).save(FOLDER / "tile.jpg", quality=88)
    wide = engine.generate("calm blue", seed=2, size=(768, 256)).image
    wide.save(FOLDER / "wide.jpg", quality=88)


if __name__ == "__main__":
    main()
