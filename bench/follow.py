"""`python -m bench.follow`: tell whether pictures follow the words and the prompt algebra holds."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.response import (
    WORDLESS,
    Drawn,
    FloatArray,
    Request,
    algebra_report,
    diversity_report,
    draw_request,
    effects,
    follow_report,
    ratio_of_means,
    requests,
    seen_targets,
    thumbnail,
    triple_report,
    triples,
    unseen_targets,
)
from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED, EXIT_NOT_MEASURED
from t2a_edge.seeds import MAX_SEED

GATES = Path(__file__).parent / "follow.toml"
TRIPLES = 60
TRAINING_PICTURES = 200  # of which the mean distance is taken


def draw_chunk(bundle: Path | None, chunk: Sequence[Request], seeds: Sequence[int]) -> list[Drawn]:
    """Draw some requests in a process of their own."""
    from t2a_edge.pipeline import TextToArt

    with TextToArt(bundle) as engine:

        def draw(request: Request, seed: int) -> Any:
            art = engine.generate(
                request.prompt, seed=seed, blend=request.blend, amount=request.amount
            )
            return art.pixels

        return [draw_request(draw, request, seeds) for request in chunk]


def draw_all(
    bundle: Path | None, wanted: Sequence[Request], seeds: Sequence[int], workers: int
) -> dict[Request, Drawn]:
    """Draw every request with each seed; several processes share the work."""
    from tqdm import tqdm

    chunks = [wanted[start : start + 4] for start in range(0, len(wanted), 4)]
    drawn: dict[Request, Drawn] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        count = len(chunks)
        results = pool.map(draw_chunk, [bundle] * count, chunks, [seeds] * count)
        for chunk, part in tqdm(zip(chunks, results, strict=True), total=count, unit="chunk"):
            drawn |= dict(zip(chunk, part, strict=True))
    return drawn


def training_thumbnails(data: Path) -> FloatArray | None:
    """Thumbnails of the middle squares of training pictures; None without the folder."""
    if not data.is_dir():
        return None
    from train.data.pictures import load_rows, readable_images

    rows = [row for row in load_rows(data) if row.split == "train"]
    rows = rows[:: max(1, len(rows) // TRAINING_PICTURES)]  # files are in order of their painters
    thumbnails = []
    for image in readable_images(rows, 64):
        if isinstance(image, str):  # a picture that cannot be read
            continue
        top, left = ((side - 64) // 2 for side in image.shape[:2])
        thumbnails.append(thumbnail(np.ascontiguousarray(image[top : top + 64, left : left + 64])))
    return np.stack(thumbnails)


def precision_report(
    reference: Path, drawn: dict[Request, Drawn], seeds: Sequence[int], workers: int
) -> dict[str, Any]:
    """How much a reference bundle's pictures move with the known words, and how near this one's is.

    Args:
        drawn: what came of the bundle that is judged.
        seeds: that it was drawn with.
    """
    targets = seen_targets()
    wanted = [Request(WORDLESS), *map(Request, targets)]
    expected = effects(draw_all(reference, wanted, seeds, workers), targets)
    found = effects(drawn, targets)
    ratio, error = ratio_of_means(found, expected)
    return {
        "effect": float(found.mean()),
        "reference_effect": float(expected.mean()),
        "ratio": ratio,
        "ratio_error": error,
    }


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data/paintings"),
    show_default=True,
    help="Training pictures, for the measure of diversity.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="A bundle of higher precision, to compare the words' effect with.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2, 1_000_000),
    default=20,
    show_default=True,
    help="Pictures of each prompt.",
)
@click.option(
    "--first-seed",
    type=click.IntRange(0, MAX_SEED - 1_000_000),
    default=1,
    show_default=True,
    help="Seed of each prompt's first picture; the others count on.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Processes that draw.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.pass_context
def follow(
    context: click.Context,
    bundle: Path | None,
    data: Path,
    reference: Path | None,
    seeds: int,
    first_seed: int,
    workers: int,
    json_path: Path | None,
) -> None:
    """Measure how pictures follow adjectives; exit 1 if a gate fails, 3 if one was not measured."""
    from bench.gates import Outcome, judge_all, load_gates
    from bench.report import write_json
    from bench.unseen import load_unseen
    from t2a_edge.bundle import load_bundle

    gates, unseen = load_gates(GATES), load_unseen()
    loaded = load_bundle(bundle)
    numbers = range(first_seed, first_seed + seeds)
    drawn = draw_all(bundle, requests(unseen, TRIPLES), numbers, workers)
    report: dict[str, Any] = {
        "bundle": loaded.bundle_hash,
        "engines": {name: entry["sha256"] for name, entry in loaded.manifest["files"].items()},
        "spec": loaded.manifest["spec"],
        "seeds": seeds,
        "first_seed": first_seed,
        "seen": follow_report(drawn, seen_targets()),
        "unseen": follow_report(drawn, unseen_targets(unseen)),
        "triples": triple_report(drawn, triples(TRIPLES)),
        "algebra": algebra_report(drawn),
        "diversity": diversity_report(drawn, seen_targets(), training_thumbnails(data)),
    }
    report["precision"] = {"not_measured": "no --reference bundle was given"}
    if reference is not None:
        report["precision"] = precision_report(reference, drawn, numbers, workers)
    judgements = judge_all(gates, report)
    report["gates"] = [judgement.to_json() for judgement in judgements]
    for judgement in judgements:
        value = "-" if judgement.value is None else f"{judgement.value:.3f}"
        line = f"{judgement.gate.figure:24} {value:>7} {judgement.gate.limit:>7}"
        click.echo(f"{line}  {judgement.outcome.value}  {judgement.note or judgement.gate.why}")
    if "ratio_error" in report["precision"]:
        error = report["precision"]["ratio_error"]
        click.echo(f"\nprecision.ratio has a standard error of {error:.3f} over the seeds")
    click.echo(f"\n{'axis':14} seen: words images   unseen: words images")
    for axis, figures in report["seen"]["by_axis"].items():
        other = report["unseen"]["by_axis"].get(axis, {"words": np.nan, "images": np.nan})
        click.echo(
            f"{axis:14} {figures['words']:11.2f} {figures['images']:6.2f} "
            f"{other['words']:15.2f} {other['images']:6.2f}"
        )
    write_json(report, json_path)
    outcomes = {judgement.outcome for judgement in judgements}
    if Outcome.FAIL in outcomes:
        context.exit(EXIT_FAILED)
    if Outcome.NOT_MEASURED in outcomes:
        context.exit(EXIT_NOT_MEASURED)


if __name__ == "__main__":
    run_command(follow)
