"""`python -m export.scores`: put what `make follow` measured into a bundle's manifest and card."""

import json
import shutil
from pathlib import Path
from typing import Any

import click

from export.pack import PARITY, describe, replaced
from t2a_edge.bundle import load_bundle
from t2a_edge.command import run_command
from t2a_edge.errors import ExportError
from train.documents import parsed

FIGURES = {
    "seen": ("words", "images", "count"),
    "unseen": ("words", "images", "count"),
    "triples": ("prompts", "count"),
    "algebra": ("weights", "blends", "negations"),
    "diversity": ("ratio", "within_prompts", "without_words", "training"),
    "precision": ("ratio",),
}


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """The figures of a follow report that a bundle carries, and those of each axis."""
    scores: dict[str, Any] = {"seeds": report["seeds"]}
    for part, names in FIGURES.items():
        scores[part] = {name: report[part][name] for name in names if name in report[part]}
    scores["by_axis"] = {part: report[part]["by_axis"] for part in ("seen", "unseen")}
    return scores


def add_scores(folder: Path, source: Path) -> None:
    """Write the scores into the bundle, whole or not at all.

    Args:
        folder: the bundle.
        source: JSON that `python -m bench.follow --json` wrote for its engines.

    Raises:
        ExportError: the JSON cannot be read or belongs to other engines or sampling.
        BundleError: the bundle is missing or damaged.
    """
    bundle = load_bundle(folder)
    files = bundle.manifest["files"]
    try:
        report = parsed(json.loads, source.read_text(encoding="utf-8"))
        measured, spec, scores = report["engines"], report["spec"], summary(report)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ExportError(
            f"{source} cannot be read as a follow report ({exc!r}); write it with `make follow`."
        ) from exc
    if measured != {name: entry["sha256"] for name, entry in files.items()}:
        raise ExportError(
            f"{source} was measured with other engines than those in {folder}; "
            "run `make follow` again, or delete it."
        )
    if spec != bundle.manifest["spec"]:
        raise ExportError(
            f"{source} was measured with other sampling defaults than those in {folder}; "
            "run `make follow` again, or delete it."
        )
    manifest = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files")}
    with replaced(folder) as temporary:
        for name in (*files, PARITY):
            shutil.copy2(folder / name, temporary / name)
        describe(temporary, {**manifest, "scores": scores}, list(files))


@click.command()
@click.option(
    "--bundle", type=click.Path(path_type=Path), default=Path("dist/base-int8"), show_default=True
)
@click.option("--scores", "source", type=click.Path(path_type=Path),
              default=Path("dist/follow.json"), show_default=True,
              help="What `make follow` wrote.")  # fmt: skip
def scores(bundle: Path, source: Path) -> None:
    """Put measured scores into a bundle's manifest and model card."""
    add_scores(bundle, source)
    click.echo(str(bundle))


if __name__ == "__main__":
    run_command(scores)
