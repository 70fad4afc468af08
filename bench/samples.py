"""`python -m bench.samples`: a grid of prompts by seeds, to look at."""

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from t2a_edge.command import run_command
from t2a_edge.pipeline import TextToArt

PROMPTS = (
    "warm dark fluid",
    "cool pale geometric",
    "golden spiral",
    "red bold angular",
    "blue circular calm",
    "violet jagged",
    "splattered pink",
    "vibrant chaotic dense",
)
TYPED = (
    "happy",
    "gloomy rainy",
    "scary",
    "romantic pink",
    "futuristic neon",
    "autumnal",
    "tropical",
    "frozen lonely",
    "industrial rusty",
    "mossy",
    "volcanic",
    "underwater blue",
    "elegant black",
    "crazy",
    "sleepy",
    "ancient sandy",
)
"""What people type who know none of our adjectives."""
SEEDS = 6
QUALITY = 88  # of a JPEG
GAP, LABEL = 6, 22  # pixels between pictures, and for a row's prompt


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("samples.png"), show_default=True
)
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option(
    "--side",
    type=click.IntRange(32),
    default=160,
    show_default=True,
    help="Pixels of one picture in the grid.",
)
@click.option("--seeds", type=click.IntRange(1), default=SEEDS, show_default=True)
@click.option("--typed", is_flag=True, help="Also 16 prompts of somebody who knows no list.")
@click.argument("prompts", nargs=-1)
def samples(
    out: Path, bundle: Path | None, side: int, seeds: int, typed: bool, prompts: tuple[str, ...]
) -> None:
    """Draw PROMPTS (eight by default) by seeds 1, 2, ... into one PNG or JPEG."""
    rows = (*(prompts or PROMPTS), *(TYPED if typed else ()))
    pitch = side + GAP
    sheet = Image.new("RGB", (seeds * pitch + GAP, len(rows) * (pitch + LABEL) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    with TextToArt(bundle) as engine:
        for number, prompt in enumerate(rows):
            top = number * (pitch + LABEL) + GAP
            draw.text((GAP, top), prompt, fill="black", font=font)
            for column in range(seeds):
                pixels = engine.generate(prompt, seed=column + 1).pixels
                small = Image.fromarray(np.asarray(pixels)).resize((side, side))
                sheet.paste(small, (GAP + column * pitch, top + LABEL))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, quality=QUALITY)
    click.echo(str(out))


if __name__ == "__main__":
    run_command(samples)
