"""`python -m bench.attributes`: how well the attribute measures agree with annotators."""

import inspect
import json
import time
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.attribute_fit import (
    Floats,
    Samples,
    Signs,
    auc,
    auc_interval,
    axis_signs,
    fit_all,
    spearman,
    word_signs,
)
from t2a_edge import attribute_table
from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES, Measure
from t2a_edge.attributes import UNMEASURABLE, attribute_scores, attribute_statistics, evidence
from t2a_edge.command import run_command
from t2a_edge.files import write_whole
from t2a_edge.image import read_pixels
from t2a_edge.vocabulary import HUES
from train.data.pictures import find_annotations, load_rows

TABLE = Path(attribute_table.__file__)
MEASURED = 0.75  # held-out AUC from which a measure counts
FEW = 5  # held-out pictures of a pole below which its AUC says little
ALIKE = 0.8  # Spearman correlation from which two axes are reported as one idea
HEADER = (
    "measure", "statistics and weights", "n- / n+ train, held-out", "AUC train",
    "AUC held-out (95%)", "pole right", "Spearman", "verdict",
)  # fmt: skip


def annotated_words(root: Path) -> dict[str, frozenset[str]]:
    """File of a picture -> words of all its annotations."""
    found = {}
    text = find_annotations(root).read_text(encoding="utf-8")
    for line in filter(str.strip, text.splitlines()):
        row = json.loads(line)
        words = [*row["adjectives"], *(row.get("second_annotation") or ())]
        found[str(row["file"])] = frozenset(words)
    return found


def measure_pictures(root: Path) -> tuple[Samples, dict[str, Floats]]:
    """Statistics and hue scores of all pictures of a data folder, with their words."""
    words = annotated_words(root)
    rows = load_rows(root)
    statistics, hues = [], []
    for row in rows:
        pixels = read_pixels(row.path)
        statistics.append(attribute_statistics(pixels))
        scores = attribute_scores(pixels)
        hues.append([scores[hue] for hue in HUES])
    values = {name: np.array([each[name] for each in statistics]) for name in statistics[0]}
    bags = [words[row.path.relative_to(root).as_posix()] for row in rows]
    fitted = np.array([row.split == "train" for row in rows])
    return Samples(values, bags, fitted), dict(zip(HUES, np.array(hues).T, strict=True))


def score_pictures(samples: Samples, measure: Measure) -> Floats:
    """(N,) log-odds of a measure."""
    number = len(samples.words)
    return np.array(
        [
            evidence({k: float(v[i]) for k, v in samples.values.items()}, measure)
            for i in range(number)
        ]
    )


def pole_right(scores: Floats, signs: Signs) -> float:
    """Share of the pictures whose score has the sign of their pole, the mean of both poles."""
    right = scores * signs > 0
    return float(
        np.mean([right[signs == pole].sum() / max(1, (signs == pole).sum()) for pole in (-1, 1)])
    )


def table_row(
    name: str, statistics: str, scores: Floats, signs: Signs, fitted: npt.NDArray[np.bool_]
) -> tuple[str, ...]:
    """One line of the table, see HEADER; figures after the first AUC are of held-out pictures."""
    fitted_zero = name not in HUES
    held, kept = ~fitted, signs[~fitted]
    low, high = auc_interval(scores[held], kept)
    value = auc(scores[held], kept)
    counts = (int((kept < 0).sum()), int((kept > 0).sum()))
    verdict = "measured" if value >= MEASURED else "not measured"
    if value >= MEASURED > low:
        verdict = "measured weakly"
    if value >= MEASURED and min(counts) < FEW:
        verdict = f"measured; only {min(counts)} held out"
    fit_counts = f"{(signs[fitted] < 0).sum()} / {(signs[fitted] > 0).sum()}"
    return (
        name,
        statistics,
        f"{fit_counts}, {counts[0]} / {counts[1]}",
        f"{auc(scores[fitted], signs[fitted]):.3f}",
        f"{value:.3f} ({low:.2f}-{high:.2f})",
        f"{pole_right(scores[held], kept):.2f}" if fitted_zero else "",
        f"{spearman(scores[held], kept.astype(float)):.2f}",
        verdict,
    )


def statistics_text(measure: Measure) -> str:
    """`+lightness_std 0.62 -grain 0.30`: signs and standardised weights."""
    return " ".join(
        f"{'+' if term.weight > 0 else '-'}{term.statistic} {abs(term.weight):.2f}"
        for term in measure.terms
    )


def full_table(
    samples: Samples, hues: dict[str, Floats], axes: dict[str, Measure], words: dict[str, Measure]
) -> list[tuple[str, ...]]:
    """Axes, then hues, then words."""
    fitted = samples.fitted
    rows = []
    for name, measure in axes.items():
        scores, signs = score_pictures(samples, measure), axis_signs(samples.words, name)
        rows.append(table_row(name, statistics_text(measure), scores, signs, fitted))
    for hue, scores in hues.items():
        signs = word_signs(samples.words, hue)
        rows.append(table_row(hue, "share of area and chroma (not fitted)", scores, signs, fitted))
    for name, measure in words.items():
        scores, signs = score_pictures(samples, measure), word_signs(samples.words, name)
        rows.append(table_row(name, statistics_text(measure), scores, signs, fitted))
    return rows


def alike(samples: Samples, axes: dict[str, Measure]) -> list[tuple[str, str, float]]:
    """All pairs of axes with their Spearman correlation, strongest first."""
    scores = {name: score_pictures(samples, measure) for name, measure in axes.items()}
    names = list(scores)
    pairs = [(a, b, spearman(scores[a], scores[b])) for i, a in enumerate(names) for b in names[:i]]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def markdown(rows: list[tuple[str, ...]]) -> str:
    """Rows as a table that aligns in a terminal and in a document."""
    table = [HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADER))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in table
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def table_source(axes: dict[str, Measure], words: dict[str, Measure]) -> str:
    """The module `t2a_edge/attribute_table.py` with these measures."""
    head = inspect.getsource(attribute_table).split("AXIS_MEASURES")[0].rstrip()
    parts = [head, "", ""]
    for title, measures in (("AXIS_MEASURES", axes), ("WORD_MEASURES", words)):
        parts.append(f"{title}: dict[str, Measure] = {{")
        for name, measure in measures.items():
            parts += [f'    "{name}": Measure(', f"        {measure.bias},", "        ("]
            parts += [
                f'            Term("{t.statistic}", {t.mean}, {t.spread}, {t.weight}),'
                for t in measure.terms
            ]
            parts += ["        ),", "    ),"]
        parts.append("}")
    return "\n".join(parts) + "\n"


def time_ms(path: Path, runs: int = 50) -> float:
    """Median milliseconds of processor time for the scores of one picture at 256 x 256."""
    picture = np.asarray(Image.fromarray(read_pixels(path)).resize((256, 256)))
    spent = []
    for _ in range(runs):
        start = time.process_time()
        attribute_scores(picture)
        spent.append(time.process_time() - start)
    return float(np.median(spent)) * 1000


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of pictures.")
@click.option("--fit", is_flag=True, help="Fit on the training split and rewrite the constants.")
def attributes(data: Path, fit: bool) -> None:
    """Print the AUC of every attribute measure against the annotations of a data folder."""
    samples, hues = measure_pictures(data)
    axes, words = AXIS_MEASURES, WORD_MEASURES
    if fit:
        axes, words, notes = fit_all(samples)
        write_whole(TABLE, table_source(axes, words).encode())
        for note in notes:
            click.echo(f"dropped {note}")
        click.echo(f"wrote {TABLE.name}")
    click.echo(markdown(full_table(samples, hues, axes, words)))
    click.echo(f"\nAxes alike, Spearman over all {len(samples.words)} pictures:")
    for first, second, value in alike(samples, axes)[:8]:
        click.echo(f"  {first}, {second}: {value:+.2f}{'  above' if abs(value) > ALIKE else ''}")
    click.echo("\nNot scored:")
    for name, reason in UNMEASURABLE.items():
        click.echo(f"  {name}: {reason}")
    click.echo(
        f"\n{time_ms(load_rows(data)[0].path):.1f} ms of processor time a picture of 256 x 256"
    )


if __name__ == "__main__":
    run_command(attributes)
