"""`python -m bench.motion`: tell whether ways between pictures are smooth, and pictures throughout.

    pairs      from prompt to prompt, one seed
    seeds      from seed to seed, one prompt
    loops      prompt and seed there and back, the step from the last frame to the first included

Of each way the largest difference between two frames over the median one: a way that jumps has a
large one. And the contrast of its greyest frame over the smaller of its ends': two pictures that
fade into each other are grey on the way.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from t2a_edge.animation import steadied
from t2a_edge.checks import MAX_FRAMES
from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED
from t2a_edge.image import image_from_pixels, write_picture
from t2a_edge.seeds import MAX_SEED

if TYPE_CHECKING:
    from t2a_edge.pipeline import TextToArt

UInt8Array = npt.NDArray[np.uint8]
Float64Array = npt.NDArray[np.float64]

GATES = Path(__file__).parent / "motion.toml"
PAIRS = (
    ("warm dark", "cool pale"), ("dark calm", "bright busy"), ("red", "blue"),
    ("spiral", "striped"), ("warm fluid", "icy geometric"), ("golden round", "stormy grey"),
    ("calm minimal blue", "chaotic dense red"), ("soft misty", "sharp angular"),
    ("sunny", "rainy"), ("sparse white", "crowded colorful"), ("curved green", "straight black"),
    ("smooth", "rough"), ("tiny", "huge"), ("joyful", "melancholic"),
    ("delicate pink", "massive grey"), ("layered earthy", "swirling purple"),
    ("mossy", "metallic"), ("quiet", "loud"), ("ancient", "futuristic"),
    ("vivid checkered", "muted dotted"),
)  # fmt: skip
SEED_WAYS = 8  # first prompts of the pairs whose pictures move from seed to seed; loops likewise
SHOWN = 10  # frames of a way on the sheet
SHOWN_SIDE = 128  # pixels
LEAST_SPREAD = 1.0  # grey levels: a plain picture has no contrast that could be lost
GREY = np.array([0.299, 0.587, 0.114])  # shares of red, green and blue in lightness: Rec. 601


def differences(frames: Sequence[UInt8Array], *, closed: bool) -> Float64Array:
    """Mean absolute difference of each frame from the next, in grey levels.

    Args:
        frames: (H, W, 3) each.
        closed: whether the first comes behind the last.

    Returns:
        (frames - 1,), or (frames,) where it does.
    """
    nexts = [*frames[1:], frames[0]] if closed else frames[1:]
    pairs = zip(frames[: len(nexts)], nexts, strict=True)
    return np.array([np.abs(one.astype(np.int16) - other).mean() for one, other in pairs])


def contrast(frames: Sequence[UInt8Array]) -> float:
    """Spread of lightness of the greyest frame over that of the greyer end."""
    spreads = [max(float((frame @ GREY).std()), LEAST_SPREAD) for frame in frames]
    return min(spreads) / min(spreads[0], spreads[-1])


def flicker(frames: Sequence[UInt8Array]) -> float:
    """How far frames are from the middle between their neighbours, in grey levels, on average."""
    before, here, after = (
        np.asarray(part, float) for part in (frames[:-2], frames[1:-1], frames[2:])
    )
    return float(np.abs(here - (before + after) / 2).mean())


def way_report(frames: Sequence[UInt8Array], *, closed: bool) -> dict[str, float]:
    """The figures of one way; of a loop the far end is half way."""
    found = differences(frames, closed=closed)
    whole = frames[: len(frames) // 2 + 1] if closed else frames
    return {
        "largest": float(found.max()),
        "median": float(np.median(found)),
        "ratio": float(found.max() / max(np.median(found), 1e-9)),
        "contrast": contrast(whole),
        "flicker": flicker(frames),
        "flicker_in_a_file": flicker(list(steadied(frames, closed=closed))),
    }


def summary(reports: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The worst and the median of the ways of one kind, and all of them."""
    ratios, contrasts = ([way[key] for way in reports.values()] for key in ("ratio", "contrast"))
    return {
        "worst": max(ratios),
        "median": float(np.median(ratios)),
        "greyest": min(contrasts),
        "ways": reports,
    }


Draw = Callable[..., Sequence[UInt8Array]]


class Way(NamedTuple):
    """What `TextToArt.interpolate` is asked for, and what the way is called."""

    kind: str
    name: str
    first: str
    how: dict[str, Any]


def ways(seed: int) -> list[Way]:
    """All ways that start from one seed."""
    found = [Way("pairs", f"{one} to {two}", one, {"second": two}) for one, two in PAIRS]
    for number, (one, two) in enumerate(PAIRS[:SEED_WAYS], 1):
        other = (seed + number) % (MAX_SEED + 1)
        how = {"second": two, "to_seed": other, "loop": True}
        found += [
            Way("seeds", f"{one} to seed {other}", one, {"to_seed": other}),
            Way("loops", f"{one} to {two}, seed {other}, and back", one, how),
        ]
    return found


def measured(draw: Draw, seed: int, frames: int) -> tuple[dict[str, Any], list[list[UInt8Array]]]:
    """Draw all ways and measure them.

    Args:
        draw: frames of a way, (H, W, 3) each; takes what `TextToArt.interpolate` takes.

    Returns:
        The report, and some frames of each way to look at.
    """
    from tqdm import tqdm

    found: dict[str, dict[str, dict[str, float]]] = {}
    shown = []
    for way in tqdm(ways(seed), unit="way"):
        drawn = draw(way.first, seed=seed, frames=frames, **way.how)
        report = way_report(drawn, closed="loop" in way.how)
        found.setdefault(way.kind, {})[way.name] = report
        places = np.linspace(0, len(drawn) - 1, min(SHOWN, len(drawn))).round().astype(int)
        shown.append([drawn[place] for place in places])
    return {kind: summary(reports) for kind, reports in found.items()}, shown


def sheet(rows: Sequence[Sequence[UInt8Array]]) -> UInt8Array:
    """Frames as one picture, a way a row."""
    size = (SHOWN_SIDE, SHOWN_SIDE)
    return np.concatenate(
        [
            np.concatenate([np.asarray(image_from_pixels(frame).resize(size)) for frame in row], 1)
            for row in rows
        ]
    )


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--frames", type=click.IntRange(4, MAX_FRAMES), default=24, show_default=True,
              help="Of each way.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=7, show_default=True,
              help="Of each way's first frame.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.option("--sheet", "sheet_path", type=click.Path(path_type=Path),
              help="Also draw ten frames of each way, a way a row, into this picture.")  # fmt: skip
@click.pass_context
def motion(
    context: click.Context,
    bundle: Path | None,
    frames: int,
    seed: int,
    json_path: Path | None,
    sheet_path: Path | None,
) -> None:
    """Measure whether ways are smooth; exit 1 if a gate fails."""
    from bench.gates import Outcome, judge_all, load_gates
    from bench.report import check_outputs, write_json
    from t2a_edge.pipeline import TextToArt

    gates = load_gates(GATES)
    check_outputs([json_path, sheet_path], None)
    with TextToArt(bundle) as engine:
        report, shown = measured(drawn_by(engine), seed, frames)
        about = {"bundle": engine.bundle.bundle_hash, "frames": frames, "seed": seed}
    judgements = judge_all(gates, report)
    for kind, figures in report.items():
        click.echo(f"{kind}: largest difference over median, contrast, flicker (in a file)")
        for name, way in figures["ways"].items():
            click.echo(
                f"  {name:54} {way['ratio']:6.2f} {way['contrast']:6.2f} "
                f"{way['flicker']:6.2f} ({way['flicker_in_a_file']:.2f})"
            )
    for judgement in judgements:
        value = "-" if judgement.value is None else f"{judgement.value:.2f}"
        line = f"{judgement.gate.figure:16} {value:>7} {judgement.gate.limit:>7}"
        click.echo(f"{line}  {judgement.outcome.value}  {judgement.note or judgement.gate.why}")
    whole = {**about, **report, "gates": [judgement.to_json() for judgement in judgements]}
    write_json(whole, json_path)
    if sheet_path is not None:
        write_picture(sheet(shown), sheet_path, about)
    if any(judgement.outcome is not Outcome.PASS for judgement in judgements):
        context.exit(EXIT_FAILED)


def drawn_by(engine: "TextToArt") -> Draw:
    """The pixels of the frames of a way."""

    def draw(first: str, **how: Any) -> list[UInt8Array]:
        return [artwork.pixels for artwork in engine.interpolate(first, **how)]

    return draw


if __name__ == "__main__":
    run_command(motion)
