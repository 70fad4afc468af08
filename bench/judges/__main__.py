"""`python -m bench.judges`: judge pictures of any generator by what never taught it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.reference import use_one_thread
from t2a_edge.command import run_command

if TYPE_CHECKING:
    from bench.judges.network import Classifier, Reading
    from bench.judges.pictures import Pictures

PATH = click.Path(path_type=Path)
MOST = 2000  # pictures of a source, where no other number is given


@click.group()
def judges() -> None:
    """Judge pictures of any generator by what never taught it.

    A SOURCE is a folder of pictures named by prompt, a .json list of (path, words), a folder with
    one .jsonl of adjectives, or a corpus of the studio; the last two with @train or @held-out
    behind them, if one side is meant. See docs/judges.md.
    """
    use_one_thread()


def judge_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name the classifier, how many pictures are read, and the report."""
    for option in (
        click.option("--json", "json_path", type=PATH, help="Also write the figures here."),
        click.option("--most", type=click.IntRange(1), default=MOST, show_default=True,
                     help="Pictures of a source that are read, evenly over it."),
        click.option("--classifier", "classifier_path", type=PATH, required=True,
                     help="What `classifier` wrote."),
    ):  # fmt: skip
        command = option(command)
    return command


def _read(classifier: "Classifier", pictures: "Pictures") -> "Reading":
    return classifier.read_all(pictures.square, len(pictures))


def _tell(report: Any, path: Path | None) -> None:
    from bench.report import write_json

    write_json(report, path)
    click.echo(json.dumps(report, indent=1))


@judges.command()
@click.option("--cache", type=PATH, required=True,
              help="Folder of `python -m train studio-corpus`, or its .npy file.")  # fmt: skip
@click.option("--out", type=PATH, required=True, help="Safetensors file to write.")
@click.option("--run", "folder", type=PATH,
              help="Checkpoints and logs; a run found there goes on. By default beside --out.",
)  # fmt: skip
@click.option("--codec", type=PATH, help="A model through whose codec some lessons go.")
@click.option("--through", type=click.IntRange(1), default=1500, show_default=True,
              help="Pictures that go through it.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=1600, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True,
              help="Lessons a step.")  # fmt: skip
def classifier(
    cache: Path, out: Path, folder: Path | None, codec: Path | None, through: int, steps: int,
    batch: int,
) -> None:  # fmt: skip
    """Train the classifier of forms on the studio's pictures; judge held-out ones by it."""
    from bench.judges.lessons import load_corpus
    from bench.judges.pictures import load_pictures
    from bench.judges.shown import forms_report
    from bench.judges.task import codec_lessons, train_classifier
    from train.loop import FitConfig

    corpus, folder = load_corpus(cache), folder or out.with_suffix(".run")
    fit = FitConfig(
        steps=steps, qat_steps=0, batch=batch, learning_rate=2e-3, warmup=max(1, steps // 16),
        weight_decay=0.05, validate_every=max(1, steps // 8), checkpoint_every=max(1, steps // 16),
    )  # fmt: skip
    lessons = codec_lessons(corpus, codec, through, folder)
    made, effort = train_classifier(corpus, fit, folder, lessons)
    held_out = load_pictures(f"{cache}@held-out", MOST)
    figures = forms_report(made, held_out, _read(made, held_out))
    del figures["classifier"]  # it has no file yet
    made.told(figures).save(out)
    click.echo(json.dumps({**effort, "held_out": figures}, indent=1))


@judges.command()
@click.argument("source")
@judge_options
@click.option("--sheet", type=PATH, help="Also write a PNG of pictures, words and first marks.")
@click.option("--tiles", type=click.IntRange(1), default=60, show_default=True,
              help="Pictures on that sheet.")  # fmt: skip
def forms(
    source: str, classifier_path: Path, most: int, json_path: Path | None, sheet: Path | None,
    tiles: int,
) -> None:  # fmt: skip
    """Whether the pictures of SOURCE show the forms that their words name."""
    from bench.judges.network import Classifier
    from bench.judges.pictures import load_pictures
    from bench.judges.shown import forms_report, forms_sheet
    from bench.report import check_outputs

    check_outputs([json_path, sheet], None)
    judge, pictures = Classifier.load(classifier_path), load_pictures(source, most)
    reading = _read(judge, pictures)
    if sheet is not None:
        forms_sheet(sheet, pictures, reading, tiles)
    _tell(forms_report(judge, pictures, reading), json_path)


@judges.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--to", "reference", required=True, metavar="SOURCE", help="What they are near to.")
@judge_options
def distance(
    sources: tuple[str, ...], reference: str, classifier_path: Path, most: int,
    json_path: Path | None,
) -> None:  # fmt: skip
    """The Frechet distance of each of SOURCES to another source, by as many pictures of each."""
    from bench.judges.distance import distances
    from bench.judges.network import Classifier
    from bench.judges.pictures import load_pictures
    from bench.report import check_outputs

    check_outputs([json_path], None)
    judge = Classifier.load(classifier_path)
    found = {name: load_pictures(name, most) for name in (reference, *sources)}
    features = {name: _read(judge, pictures).features for name, pictures in found.items()}
    whole = features[reference]
    report = distances({name: features[name] for name in sources}, whole)
    _tell({"classifier": judge.sha256, "to": reference, **report}, json_path)


@judges.command()
@click.argument("source")
@click.option("--training", required=True, metavar="SOURCE", help="What may have been copied.")
@click.option("--held-out", "held_out", required=True, metavar="SOURCE",
              help="Pictures of the same kind that were kept from training.")  # fmt: skip
@judge_options
@click.option("--sheet", type=PATH, help="Also write a PNG of the nearest pairs.")
def nearest(
    source: str, training: str, held_out: str, classifier_path: Path, most: int,
    json_path: Path | None, sheet: Path | None,
) -> None:  # fmt: skip
    """Whether pictures of SOURCE are copies: the nearest training picture of each.

    --most holds for SOURCE and --held-out; training pictures are all read.
    """
    from bench.judges.nearest import KINDS, copies_report, nearest_of, pairs_sheet, view_all
    from bench.judges.network import Classifier
    from bench.judges.pictures import load_pictures
    from bench.report import check_outputs

    check_outputs([json_path, sheet], None)
    judge = Classifier.load(classifier_path)
    drawn, kept = load_pictures(source, most), load_pictures(held_out, most)
    trained = load_pictures(training)
    known = view_all(judge, trained, turned=False)
    seen, other = (view_all(judge, p, turned=True) for p in (drawn, kept))
    found = {kind: nearest_of(seen, known, kind) for kind in KINDS}
    report = {
        kind: copies_report(found[kind], nearest_of(other, known, kind), drawn.names, trained.names)
        for kind in KINDS
    }
    if sheet is not None:
        pairs_sheet(sheet, found, drawn, trained)
    counts = {"pictures": len(drawn), "training": len(trained), "held_out": len(kept)}
    _tell({"classifier": judge.sha256, **counts, **report}, json_path)


if __name__ == "__main__":
    run_command(judges)
