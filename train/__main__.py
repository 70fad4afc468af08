"""`python -m train`: train the codec and the transformer, look at what they draw."""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from t2a_edge.errors import EXIT_USAGE, T2AEdgeError
from train.config import Preset, load_preset
from train.data import PixelStore, load_rows

log = logging.getLogger("train")


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares."""

    preset: Preset
    folder: Path
    data: Path
    wandb: bool

    def store(self) -> PixelStore:
        """The decoded images of the data folder."""
        rows = load_rows(self.data)
        return PixelStore(rows, self.preset.data.shorter_side, self.folder.parent / "cache")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--preset", default="base", show_default=True, help="Preset, or a .toml path."),
        click.option("--set", "overrides", multiple=True, help="section.key=value; repeatable."),
        click.option("--data", type=Path, default=Path("../shared/data/paintings"), show_default=True,
                     help="Folder of images with one .jsonl of adjectives."),
        click.option("--run", "folder", type=Path, default=Path("runs/base"), show_default=True,
                     help="Folder for checkpoints and logs; a run found there is resumed."),
        click.option("--wandb", is_flag=True, help="Log to Weights & Biases, not TensorBoard."),
    ):
        command = option(command)
    return command


def _run(preset: str, overrides: tuple[str, ...], data: Path, folder: Path, wandb: bool) -> Run:
    return Run(load_preset(preset, overrides), folder, data, wandb)


@click.group()
def main() -> None:
    """Train t2a-edge models."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


@main.command()
@_options
def codec(**options: Any) -> None:
    """Train the VQ-VAE and report it on the held-out splits."""
    from train.stages import train_codec

    report = train_codec(_run(**options))
    click.echo(json.dumps(report, indent=1))


def cli() -> None:
    """Entry point: an error of ours is one line and exit code 2."""
    try:
        main.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(EXIT_USAGE)
    except click.Abort:
        sys.exit(130)
    except T2AEdgeError as exc:
        click.echo(f"error: {exc}", err=True)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    cli()
