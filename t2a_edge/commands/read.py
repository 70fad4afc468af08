"""Commands that draw recipes, explain words and measure pictures: decode, explain, measure."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    engine_options,
    json_lines_option,
    output_options,
)
from t2a_edge.commands.output import Notes, Stopwatch, Writer, limited
from t2a_edge.commands.words import (
    LONGEST_RECIPE,
    STANDARD_INPUT,
    WordsCommand,
    complete_words,
    lines_of_input,
    prompts_from,
)
from t2a_edge.errors import ImageError

if TYPE_CHECKING:
    from t2a_edge.meaning import Meaning

SHOWN_HUE, SHOWN_FORM = 0.1, 0.5  # scores from which `measure` names a hue, a word of form


@click.command(short_help="Draw the picture of a recipe.")
@click.argument("recipe")
@output_options
@engine_options
def decode(recipe: str, output: OutputOptions, engine: EngineOptions) -> None:
    """Draw the picture of RECIPE, the text that `t2a-edge inspect --recipe` prints.

    The pixels are those of the picture that it was taken from. In place of RECIPE, - reads recipes
    from standard input, one a line.

    \b
    Examples:
      t2a-edge inspect art.png --recipe > recipe.txt
      t2a-edge decode - --out again.png < recipe.txt
    """  # noqa: D301
    from t2a_edge.recipe import unpack_recipe

    output.out.check(output.picture_format)
    with engine.load() as loaded:
        recipes: Iterator[str] = iter((recipe,))
        if (recipe,) == STANDARD_INPUT:
            recipes = lines_of_input(
                "a recipe",
                lambda text: unpack_recipe(text, loaded.spec, loaded.model),
                LONGEST_RECIPE,
            )
        writer = Writer(output, loaded)
        for text in limited(recipes, output.out):
            watch = Stopwatch()
            artwork = loaded.decode(text)
            writer.save(artwork, watch.ms, f"recipe-{_digest(text)}.png")


def _digest(text: str) -> str:
    """Eight digits that tell recipes apart."""
    import hashlib

    return hashlib.sha256(text.strip().encode()).hexdigest()[:8]


@click.command(cls=WordsCommand, short_help="Tell what adjectives are taken to mean.")
@click.argument("words", nargs=-1, shell_complete=complete_words)
@json_lines_option
@engine_options
def explain(words: tuple[str, ...], as_json: bool, engine: EngineOptions) -> None:
    """Tell what each of WORDS is taken to mean, whether training used it or not.

    Names the known adjectives nearest to it, by cosine similarity, and the visual axes that it
    moves, with their poles: the strength is how much nearer the word is to the adjectives of this
    pole than to those of the other, from 0 to 2.

    \b
    Examples:
      t2a-edge explain stormy
      t2a-edge explain warm -busy zesty --json
    """  # noqa: D301
    with engine.load() as loaded:
        notes = Notes(loaded, show=True, unknown=False)  # the answer names what is not known
        for prompt in prompts_from(words, loaded.parse):
            notes.tell(loaded.parse(prompt))
            for meaning in loaded.explain(prompt):
                if as_json:
                    click.echo(json.dumps(_meaning_as_json(meaning)))
                else:
                    click.echo("\n".join(_meaning_lines(meaning)))


def _meaning_as_json(meaning: "Meaning") -> dict[str, Any]:
    return {
        "word": meaning.word,
        "weight": meaning.weight,
        "known": meaning.known,
        "nearest": [{"word": word, "similarity": round(like, 4)} for word, like in meaning.nearest],
        "axes": [
            {"axis": axis, "pole": pole, "strength": round(strength, 4)}
            for axis, pole, strength in meaning.axes
        ],
    }


def _meaning_lines(meaning: "Meaning") -> list[str]:
    near = ", ".join(f"{word} {like:.2f}" for word, like in meaning.nearest)
    moves = ", ".join(
        f"{pole} {strength:.2f}" if axis == "hue" else f"{axis} to {pole} {strength:.2f}"
        for axis, pole, strength in meaning.axes
    )
    weight = "" if meaning.weight == 1 else f", weight {meaning.weight:g}"
    known = "a known adjective" if meaning.known else "not among the known adjectives"
    return [
        f"{meaning.word}: {known}{weight}",
        f"  near   {near}",
        f"  {'avoids' if meaning.weight < 0 else 'moves':7}{moves or 'no axis clearly'}",
    ]


@click.command(short_help="Measure visual attributes of pictures.")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_lines_option
def measure(pictures: tuple[Path, ...], as_json: bool) -> None:
    """Measure how strongly PICTURES show each visual attribute, from their pixels.

    Any picture will do. An axis has a score from -1 to 1, whose sign is its pole; hues and words
    of form have scores from 0 to 1.

    \b
    Examples:
      t2a-edge measure art.png
      t2a-edge measure pictures/*.png --json
    """  # noqa: D301
    from t2a_edge.attributes import attribute_scores  # here: other commands need no measures
    from t2a_edge.image import read_pixels

    for picture in pictures:
        pixels = read_pixels(picture)
        try:
            scores = attribute_scores(pixels)
        except ImageError as exc:
            raise ImageError(f"{picture}: {exc}") from exc
        if as_json:
            rounded = {name: round(score, 4) for name, score in scores.items()}
            click.echo(json.dumps({"picture": str(picture), "scores": rounded}))
        else:
            click.echo("\n".join([str(picture), *score_lines(scores)]))


def score_lines(scores: dict[str, float]) -> list[str]:
    """Axes with the pole that they are at, one a line; then hues and words that show, on two."""
    from t2a_edge.attribute_table import WORD_MEASURES
    from t2a_edge.vocabulary import AXES, HUES

    lines = []
    for axis in AXES:
        if axis.name in scores:
            score = scores[axis.name]
            pole = axis.positive if score > 0 else axis.negative
            lines.append(f"  {axis.name:12}{score:+.2f}  {pole}")
    for title, names, low in (("hues", HUES, SHOWN_HUE), ("form", WORD_MEASURES, SHOWN_FORM)):
        shown = sorted((n for n in names if scores[n] >= low), key=lambda n: -scores[n])
        lines.append(f"  {title:12}{', '.join(f'{n} {scores[n]:.2f}' for n in shown) or 'none'}")
    return lines
