"""`python -m train`: train stage by stage, then make one checkpoint of all."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from t2a_edge.command import run_command

DATA = Path("../shared/data/paintings")
RUN = Path("runs/base")
CHECKPOINT = Path("checkpoints/base.safetensors")


text_option = click.option(
    "--text",
    type=click.Path(path_type=Path),
    help="Checkpoint whose text engine to use, if this run has no words stage.",
)


model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=CHECKPOINT,
    show_default=True,
    help="Checkpoint of the finished model to start from.",
)
made_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write the checkpoint of the model that comes of it.",
)


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


workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Processes that paint, encode and draw.",
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name preset, data and run folder."""
    for option in (
        click.option("--wandb", is_flag=True, help="Log to Weights & Biases, not TensorBoard."),
        click.option("--run", "folder", type=click.Path(path_type=Path), default=RUN,
                     show_default=True, help="Checkpoints and logs; a run found there goes on."),
        click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True,
                     help="Folder of images with one .jsonl of adjectives."),
        overrides_option,
        preset_option,
    ):  # fmt: skip
        command = option(command)
    return command


def _run(preset: str, overrides: tuple[str, ...], data: Path, folder: Path, wandb: bool) -> Any:
    from train.config import load_preset
    from train.stages import Run

    return Run(load_preset(preset, overrides), folder, data, wandb)


def _teach(
    run: Any, model: Path, out: Path, train: Callable[..., Any], taught: Callable[..., Any]
) -> None:
    """Run a stage that starts from the finished model at `model`; write what comes of it."""
    click.echo(json.dumps(train(run, model), indent=1))
    taught(run, model).save(out)
    click.echo(str(out))


@click.group()
def main() -> None:
    """Train t2a-edge models; every stage goes on where it was stopped."""


@main.command()
@run_options
def codec(**options: Any) -> None:
    """Train the VQ-VAE and report it on the held-out splits."""
    from train.stages import train_codec

    click.echo(json.dumps(train_codec(_run(**options)), indent=1))


@main.command()
@run_options
def decoder(**options: Any) -> None:
    """Sharpen the codec's decoder against a discriminator."""
    from train.stages import train_decoder

    click.echo(json.dumps(train_decoder(_run(**options)), indent=1))


@main.command()
@run_options
@click.option("--wordnet", type=click.Path(path_type=Path), help="Folder of WordNet's data.adj.")
@click.option("--minilm", type=click.Path(path_type=Path), help="Folder of all-MiniLM-L6-v2.")
@click.option("--glove", type=click.Path(path_type=Path), help="JSON file of GloVe vectors.")
def words(wordnet: Path | None, minilm: Path | None, glove: Path | None, **options: Any) -> None:
    """Distil the text engine from pretrained teachers over the whole adjective lexicon."""
    from train.lexicon.teachers import Sources
    from train.words import train_words

    given = {"wordnet": wordnet, "minilm": minilm, "glove": glove}
    sources = Sources(**{name: path for name, path in given.items() if path is not None})
    click.echo(json.dumps(train_words(_run(**options), sources), indent=1))


@main.command("all")
@text_option
@run_options
def every_stage(text: Path | None, **options: Any) -> None:
    """Run codec, decoder, generator, refiner and selection, those that the preset has."""
    from train.stages import train_all

    train_all(replace(_run(**options), text=text))


@main.command()
@text_option
@run_options
def generator(text: Path | None, **options: Any) -> None:
    """Train the transformer on the codec's indices, with the text engine if none is trained yet."""
    from train.stages import train_generator

    run = replace(_run(**options), text=text)
    click.echo(json.dumps(train_generator(run), indent=1))


@main.command()
@run_options
def refiner(**options: Any) -> None:
    """Train the refiner, which draws the finest scale."""
    from train.stages import train_refiner

    click.echo(json.dumps(train_refiner(_run(**options)), indent=1))


@main.command()
@run_options
def selection(**options: Any) -> None:
    """Train the generator further on those of its own pictures that show what was asked for."""
    from train.stages import train_selection

    click.echo(json.dumps(train_selection(_run(**options)), indent=1))


@main.command()
@run_options
@model_option
@workers_option
@made_option
def reselection(model: Path, workers: int, out: Path, **options: Any) -> None:
    """Teach a finished model further: another round of selection, from its checkpoint alone."""
    from train.reselection import reselected_model, train_reselection

    run = replace(_run(**options), workers=workers)
    _teach(run, model, out, train_reselection, reselected_model)


@main.command()
@run_options
@model_option
@workers_option
@made_option
def preference(model: Path, workers: int, out: Path, **options: Any) -> None:
    """Teach a finished model which of two pictures that it draws shows the words better."""
    from train.preference import preferred_model, train_preference

    run = replace(_run(**options), workers=workers)
    _teach(run, model, out, train_preference, preferred_model)


@main.command()
@run_options
@model_option
@workers_option
@made_option
def reward(model: Path, workers: int, out: Path, **options: Any) -> None:
    """Teach a finished model by critics that see what its codes will measure."""
    from train.reward import rewarded_model, train_reward

    run = replace(_run(**options), workers=workers)
    _teach(run, model, out, train_reward, rewarded_model)


@main.command()
@run_options
@model_option
@made_option
def composition(model: Path, out: Path, **options: Any) -> None:
    """Teach a finished model to follow all words of a prompt as it follows each alone."""
    from train.composition import composed_model, train_composition

    run = _run(**options)
    _teach(run, model, out, train_composition, composed_model)


@main.command()
@run_options
@model_option
@made_option
def refinement(model: Path, out: Path, **options: Any) -> None:
    """Train a finished model's refiner further, for the redraws that the preset has as well."""
    from train.refinement import refined_model, train_refinement

    run = _run(**options)
    _teach(run, model, out, train_refinement, refined_model)


def _opened(run: Any, model: Path, more: Path | None, studio_cache: Path | None) -> Any:
    """The codec, the pictures and the deep latent that the stages of the painter start from."""
    from train.painting.stages import opened

    return opened(run, model, more, studio_cache or run.folder / "cache")


def _prepared(run: Any, model: Path, more: Path | None, studio_cache: Path | None) -> Any:
    """What the stages of the painter start from, encoded where it is not."""
    from train.painting.stages import prepared

    return prepared(run, _opened(run, model, more, studio_cache))


def views_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the stages that learn from encoded views."""
    options = (
        model_option,
        click.option("--more", type=click.Path(path_type=Path),
                     help="Folder of pictures without words, with a .jsonl of their files."),
        click.option("--studio-cache", type=click.Path(path_type=Path),
                     help="Where `studio-corpus` painted; the run's cache if not given."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@run_options
@views_options
def latent(model: Path, more: Path | None, studio_cache: Path | None, **options: Any) -> None:
    """Say what the deep latent costs beside the codec alone, on held-out pictures."""
    from train.painting.stages import report_latent

    run = _run(**options)
    click.echo(json.dumps(report_latent(run, _opened(run, model, more, studio_cache)), indent=1))


@main.command()
@run_options
@views_options
def forms(model: Path, more: Path | None, studio_cache: Path | None, **options: Any) -> None:
    """Learn how words choose a form, and fill the bank of forms."""
    from train.painting.forms_stage import train_forms

    run = _run(**options)
    ready = _prepared(run, model, more, studio_cache)
    click.echo(json.dumps(train_forms(run, ready), indent=1))


processes_option = click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True,
    help="That train it, each on a core of its own; they share the batch.",
)  # fmt: skip


@main.command()
@run_options
@views_options
@processes_option
def painter(processes: int, **options: Any) -> None:
    """Train the painter, a flow over deep latents of whole pictures."""
    _share("train_painter", processes, **options)


@main.command()
@run_options
@views_options
@processes_option
def distilled(processes: int, **options: Any) -> None:
    """Teach a copy of the painter to be guided in one evaluation, in fake-quantised steps."""
    _share("train_distilled", processes, **options)


@main.command()
@click.argument("prompts", nargs=-1)
@run_options
@model_option
@click.option("--distilled", is_flag=True, help="By the distilled painter, not by what taught it.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, show_default=True,
              help="Pictures of each prompt.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Folder for the pictures, named by prompt and seed.")  # fmt: skip
def drawn(
    prompts: tuple[str, ...], model: Path, distilled: bool, seeds: int, out: Path, **options: Any
) -> None:
    """Draw prompts with a run's painter; without any, the plainest word of every form."""
    from t2a_edge.prompt import parse_prompt
    from train.painting.drawing import Drawer
    from train.painting.forms_stage import trained_forms
    from train.painting.stages import drawing_painter, drawing_parts
    from train.studio.forms import FORMS

    run = _run(**options)
    text = run.preset.text
    asked = [
        parse_prompt(prompt, max_words=text.max_words, max_bytes=text.max_bytes)
        for prompt in prompts or [words[0] for words in FORMS.values()]
    ]
    query, bank = trained_forms(run)
    painter = drawing_painter(run, distilled=distilled)
    start = drawing_parts(run, model)
    drawer = Drawer(start, query, bank, painter, run.preset.form.temperature, text.max_words)
    drawer.save(asked, range(seeds), out)
    click.echo(str(out))


def _share(
    stage: str, processes: int, *, model: Path, more: Path | None, studio_cache: Path | None,
    **options: Any,
) -> None:  # fmt: skip
    """Run a stage of the painter in one process, or in several that share each batch."""
    from train.together import run_together

    run = _run(**options)
    given = (stage, run, model, more, studio_cache)
    if processes > 1:
        _prepared(run, model, more, studio_cache)  # encodes what is not yet: the others read it
    run_together(processes, _shared_stage, *given)


def _shared_stage(
    together: Any, stage: str, run: Any, model: Path, more: Path | None, studio_cache: Path | None
) -> None:
    """One process of a stage; the first one tells what came of it."""
    from train.painting import stages

    run = replace(run, together=together)
    report = getattr(stages, stage)(run, _prepared(run, model, more, studio_cache))
    if together.leads:
        click.echo(json.dumps(report, indent=1))


@main.command()
@preset_option
@overrides_option
@model_option
@made_option
def sampling(preset: str, overrides: tuple[str, ...], model: Path, out: Path) -> None:
    """Let a finished model draw as the preset's [sampling] says; its weights stay as they are."""
    from train.config import load_preset
    from train.further import resampled_model

    resampled_model(model, load_preset(preset, overrides)).save(out)
    click.echo(str(out))


@main.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write the checkpoint of the model between them.",
)
def mean(before: Path, after: Path, out: Path) -> None:
    """Go half the way: the mean of a checkpoint's weights and those that training made of them."""
    from train.further import mean_model

    mean_model(before, after).save(out)
    click.echo(str(out))


@main.command()
@run_options
@click.option("--out", type=click.Path(path_type=Path), default=CHECKPOINT, show_default=True)
def checkpoint(out: Path, **options: Any) -> None:
    """Put a finished run into one file that `python -m export` starts from."""
    from train.stages import assemble_model

    assemble_model(_run(**options)).save(out)
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
    from train.studio_store import StudioStore

    store = StudioStore(count, size, seed, cache, workers)
    click.echo(f"{store.pixels}\n{store.lines}")


if __name__ == "__main__":
    run_command(main)
