"""`python -m train`: every stage of a run, and the checkpoint of all of them."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from t2a_edge.command import run_command

RUN = Path("runs/base")


overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Change a value of the preset; repeatable.",
)
preset_option = click.option(
    "--preset",
    default="base",
    show_default=True,
    help="A shipped preset, or the path of a .toml file.",
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name preset, data and run folder."""
    for option in (
        click.option("--wandb", is_flag=True, help="Log to Weights & Biases, not TensorBoard."),
        click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1,
                     show_default=True,
                     help="Processes that paint the studio's pictures and encode views."),
        click.option("--model", type=click.Path(path_type=Path),
                     help="Checkpoint whose codec and text engine to use, in place of the run's."),
        click.option("--studio-cache", type=click.Path(path_type=Path),
                     help="Where `studio-corpus` painted; the run's cache if not given."),
        click.option("--more", type=click.Path(path_type=Path),
                     help="Folder of pictures without words, with a .jsonl of their files."),
        click.option("--data", type=click.Path(path_type=Path),
                     help="Folder of images with one .jsonl of adjectives; without it, the studio "
                     "alone is learned from."),
        click.option("--run", "folder", type=click.Path(path_type=Path), default=RUN,
                     show_default=True, help="Checkpoints and logs; a run found there goes on."),
        overrides_option,
        preset_option,
    ):  # fmt: skip
        command = option(command)
    return command


def teachers_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where the text engine's teachers are."""
    for option in (
        click.option("--glove", type=click.Path(path_type=Path), help="JSON of GloVe vectors."),
        click.option("--minilm", type=click.Path(path_type=Path),
                     help="Folder of all-MiniLM-L6-v2."),
        click.option("--wordnet", type=click.Path(path_type=Path),
                     help="Folder of WordNet's data.adj."),
    ):  # fmt: skip
        command = option(command)
    return command


processes_option = click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
    help="That train painter and distilled, each on a core of its own; they share the batch.",
)  # fmt: skip


def _run(preset: str, overrides: tuple[str, ...], **given: Any) -> Any:
    from train.preset import load_preset
    from train.run import Run

    command = shlex.join(["python", "-m", "train", *sys.argv[1:]])
    loaded = load_preset(preset, overrides)
    return Run(preset=loaded, overrides=overrides, command=command, **given)


def _sources(**given: Path | None) -> Any:
    from train.words.lexicon.teachers import Sources

    return Sources(**{name: path for name, path in given.items() if path is not None})


def _tell(report: dict[str, Any]) -> None:
    click.echo(json.dumps(report, indent=1))


@click.group()
def main() -> None:
    """Train t2a-edge models; every stage goes on where it was stopped."""


@main.command("all")
@run_options
@teachers_options
@processes_option
def every_stage(
    wordnet: Path | None, minilm: Path | None, glove: Path | None, processes: int, **options: Any
) -> None:
    """Run every stage that the preset has, then write the whole model into the run's folder."""
    from train.stages.recipe import train_all

    sources = _sources(wordnet=wordnet, minilm=minilm, glove=glove)
    click.echo(str(train_all(_run(**options), sources, processes)))


@main.command()
@run_options
@teachers_options
def words(wordnet: Path | None, minilm: Path | None, glove: Path | None, **options: Any) -> None:
    """Distil the text engine from pretrained teachers over the whole adjective lexicon."""
    from train.words.stage import train_words

    sources = _sources(wordnet=wordnet, minilm=minilm, glove=glove)
    _tell(train_words(_run(**options), sources))


@main.command()
@run_options
def codec(**options: Any) -> None:
    """Train the VQ-VAE and report it on the held-out splits."""
    from train.stages.codec import train_codec

    _tell(train_codec(_run(**options)))


@main.command()
@run_options
def decoder(**options: Any) -> None:
    """Sharpen the codec's decoder against a discriminator."""
    from train.stages.codec import train_decoder

    _tell(train_decoder(_run(**options)))


@main.command()
@run_options
def latent(**options: Any) -> None:
    """Say what the deep latent costs beside the codec alone, on held-out pictures."""
    from train.stages.painter import opened, report_latent

    run = _run(**options)
    _tell(report_latent(run, opened(run)))


@main.command()
@run_options
def forms(**options: Any) -> None:
    """Learn how words choose a form, and fill the bank of forms."""
    from train.stages.forms import train_forms
    from train.stages.painter import opened, prepared

    run = _run(**options)
    _tell(train_forms(run, prepared(run, opened(run))))


@main.command()
@run_options
def prior(**options: Any) -> None:
    """Train a prior that draws forms, to be compared with the bank that they are chosen from."""
    from train.stages.painter import opened, prepared
    from train.stages.prior import train_prior

    run = _run(**options)
    _tell(train_prior(run, prepared(run, opened(run))))


@main.command()
@run_options
@processes_option
def painter(processes: int, **options: Any) -> None:
    """Train the painter, a flow over deep latents of whole pictures."""
    from train.stages.recipe import train_shared

    _tell(train_shared(_run(**options), "painter", processes))


@main.command()
@run_options
@processes_option
def distilled(processes: int, **options: Any) -> None:
    """Teach a copy of the painter to be guided in one evaluation, in fake-quantised steps."""
    from train.stages.recipe import train_shared

    _tell(train_shared(_run(**options), "distilled", processes))


@main.command()
@run_options
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Where to write the checkpoint.")  # fmt: skip
def checkpoint(out: Path, **options: Any) -> None:
    """Put a finished run into one file that `python -m export` starts from."""
    from train.stages.recipe import assembled

    assembled(_run(**options)).save(out)
    click.echo(str(out))


@main.command()
@click.argument("prompts", nargs=-1)
@run_options
@click.option("--distilled", is_flag=True, help="By the distilled painter, not by what taught it.")
@click.option("--prior", is_flag=True, help="In forms that the run's prior draws, not of its bank.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, show_default=True,
              help="Pictures of each prompt.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Folder for the pictures, named by prompt and seed.")  # fmt: skip
def drawn(
    prompts: tuple[str, ...], distilled: bool, prior: bool, seeds: int, out: Path, **options: Any
) -> None:
    """Draw prompts with a run's painter; without any, the plainest word of every form."""
    from t2a_edge.prompt import parse_prompt
    from train.stages.drawing import Drawer
    from train.stages.forms import trained_forms
    from train.stages.painter import drawing_painter, drawing_parts
    from train.stages.prior import trained_prior
    from train.studio.forms import FORMS

    run = _run(**options)
    text = run.preset.text
    asked = [
        parse_prompt(prompt, max_words=text.max_words, max_bytes=text.max_bytes)
        for prompt in prompts or [words[0] for words in FORMS.values()]
    ]
    query, bank = trained_forms(run)
    painter = drawing_painter(run, distilled=distilled)
    start = drawing_parts(run)
    drawing = trained_prior(run) if prior else None
    drawer = Drawer(start, query, bank, painter, run.preset, drawing)
    drawer.save(asked, range(seeds), out)
    click.echo(str(out))


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("studio"), show_default=True,
              help="Folder for families.png and axes.png.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def studio(out: Path, seed: int) -> None:
    """Draw contact sheets of the procedural painter: its families, and its axes."""
    from train.studio.sheet import axes_sheet, contact_sheet

    click.echo(str(contact_sheet(out / "families.png", seed)))
    click.echo(str(axes_sheet(out / "axes.png", seed)))


@main.command("studio-corpus")
@click.option("--cache", type=click.Path(path_type=Path), required=True,
              help="Folder for the pictures; painting that was stopped goes on there.")  # fmt: skip
@click.option("--count", type=click.IntRange(min=1), default=40_000, show_default=True)
@click.option("--size", type=click.IntRange(32, 2048), default=256, show_default=True,
              help="Side of a picture in pixels.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the first picture; the next ones count on.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True,
              help="Processes that paint.")  # fmt: skip
def studio_corpus(cache: Path, count: int, size: int, seed: int, workers: int) -> None:
    """Paint compositions once, with a line of JSON each: words are drawn from it at each view."""
    from train.data.studio_store import StudioStore

    store = StudioStore(count, size, seed, cache, workers)
    click.echo(f"{store.pixels}\n{store.lines}")


if __name__ == "__main__":
    run_command(main)
