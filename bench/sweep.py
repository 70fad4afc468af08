"""`python -m bench.sweep`: how guidance and temperature trade the words against variety and detail.

Each setting is drawn with the same prompts and seeds. The table says how far known words move their
axis, how many single pictures and three-adjective prompts follow, how much seeds differ, how much
fine detail there is, and what a picture costs; the sheet shows the same prompts of every setting.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from bench.response import (
    WORDLESS,
    Drawn,
    Request,
    diversity_report,
    draw_request,
    effect,
    follow_report,
    seen_targets,
    triple_report,
    triples,
)
from t2a_edge.command import run_command
from t2a_edge.errors import ConfigError
from t2a_edge.pipeline import TextToArt

WORD_STEP = 4  # every fourth known word is drawn
TRIPLES = 16
TRIPLE_SEED, FIRST_SEED = 77, 1001  # not those that `make follow` judges by
SHEET_PROMPTS = ("warm dark fluid", "pale geometric", "vibrant chaotic dense", "calm minimal blue",
                 "swirling golden", "monochrome stark linear")  # fmt: skip
TILE = 128


@dataclass(frozen=True)
class Setting:
    """One way to sample."""

    guidance: float
    temperature: float

    def apply(self, engine: TextToArt) -> None:
        """Draw from now on this way."""
        spec = replace(
            engine.bundle.spec, guidance_scale=self.guidance, temperature=self.temperature
        )
        engine.bundle = replace(engine.bundle, spec=spec)


def settings_of(guidance: Sequence[float], temperature: Sequence[float]) -> list[Setting]:
    """Every pair."""
    return [Setting(g, t) for g, t in itertools.product(guidance, temperature)]


def measure_setting(engine: TextToArt, setting: Setting, seeds: int) -> dict[str, Any]:
    """Figures of one setting."""
    setting.apply(engine)
    targets = dict(list(seen_targets().items())[::WORD_STEP])
    details: list[float] = []
    seconds: list[float] = []

    def draw(request: Request, seed: int) -> Any:
        started = time.perf_counter()
        pixels = engine.generate(request.prompt, seed=seed).pixels
        seconds.append(time.perf_counter() - started)
        details.append(fine_detail(pixels))
        return pixels

    asked = triples(TRIPLES, TRIPLE_SEED)
    prompts = [WORDLESS, *targets, *(" ".join(words) for words in asked)]
    drawn: dict[Request, Drawn] = {}
    for prompt in prompts:
        request = Request(prompt)
        drawn[request] = draw_request(draw, request, range(FIRST_SEED, FIRST_SEED + seeds))
    followed = follow_report(drawn, targets)
    return {
        "effect": effect(drawn, targets),
        "words": followed["words"],
        "images": followed["images"],
        "triples": triple_report(drawn, asked)["prompts"],
        "variety": diversity_report(drawn, targets, None)["within_prompts"],
        "detail": float(np.mean(details)),
        "ms": float(np.median(seconds)) * 1e3,
    }


def fine_detail(pixels: np.ndarray) -> float:
    """Standard deviation of the finest octave, in grey levels: (H, W, 3) uint8."""
    grey = pixels.astype(np.float32).mean(-1)
    blocks = grey.reshape(grey.shape[0] // 2, 2, grey.shape[1] // 2, 2)
    return float((blocks - blocks.mean((1, 3), keepdims=True)).std())


def sheet(engine: TextToArt, settings: Sequence[Setting], path: Path) -> None:
    """A row of prompts for every setting."""
    rows = []
    for setting in settings:
        setting.apply(engine)
        tiles = [
            np.asarray(engine.generate(prompt, seed=seed).image.resize((TILE, TILE)))
            for prompt in SHEET_PROMPTS
            for seed in (1, 2)
        ]
        rows.append(np.concatenate(tiles, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--guidance", default="1,2.5,4", show_default=True,
              help="How strongly the words pull, 0 to 8.")  # fmt: skip
@click.option("--temperature", default="0,0.5,1", show_default=True,
              help="How freely the words choose a form, 0 to 10.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(2), default=4, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("sweep.png"),
              show_default=True, help="The sheet.")  # fmt: skip
def sweep(bundle: Path | None, guidance: str, temperature: str, seeds: int, out: Path) -> None:
    """Draw the same prompts with several settings and compare them."""
    with TextToArt(bundle) as engine:
        settings = settings_of(_numbers(guidance), _numbers(temperature))
        for setting in settings:
            figures = measure_setting(engine, setting, seeds)
            line = "  ".join(f"{name} {value:6.3f}" for name, value in figures.items())
            click.echo(f"{line}   guidance {setting.guidance:g}, temperature "
                       f"{setting.temperature:g}")  # fmt: skip
        sheet(engine, settings, out)
    click.echo(str(out))


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as exc:
        raise ConfigError(f"Got {text!r}; expected numbers with commas, such as 1,2.5.") from exc


if __name__ == "__main__":
    run_command(sweep)
