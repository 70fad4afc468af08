"""The command that tells how a picture was made, and can draw it again."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.options import EngineOptions, engine_options, json_lines_option
from t2a_edge.errors import EXIT_FAILED, ImageError
from t2a_edge.request import Request

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.image import UInt8Array
    from t2a_edge.pipeline import TextToArt

TITLES = {"guidance_scale": "guidance", "form_strength": "strength", "to_seed": "to seed"}
FIRST = ("prompt", "blend", "amount", "changed", "seed", "to_seed", "size")
"""Entries that come before all others."""
FROM_WORDS = ("", "tile")  # changes after which prompt and seed alone draw the picture again
LONGEST_SHOWN = 100  # characters of an entry


@click.command(short_help="Tell how pictures were made; draw them again.")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--recipe", "recipe_only", is_flag=True, help="Print the recipes alone, one a line.")
@click.option(
    "--redraw",
    is_flag=True,
    help="Draw them again and compare the pixels; exit code 1 where they differ.",
)
@json_lines_option
@engine_options
def inspect(
    pictures: tuple[Path, ...],
    recipe_only: bool,
    redraw: bool,
    as_json: bool,
    engine: EngineOptions,
) -> None:
    """Tell how PICTURES were made: their words, seed, options and recipe.

    Reads what t2a-edge wrote into its PNG, WebP and JPEG files. With --redraw each is drawn again:
    from its recipe and, where they are enough, from its words and seed.

    \b
    Examples:
      t2a-edge inspect art.png
      t2a-edge inspect art.png --redraw
      t2a-edge inspect art.png --recipe > recipe.txt
      t2a-edge inspect pictures/*.png --json
    """  # noqa: D301
    from t2a_edge.image import read_metadata

    differs = False
    with engine.load() if redraw else nullcontext() as loaded:
        for picture in pictures:
            about = read_metadata(picture)
            if recipe_only:
                click.echo(_recipe(picture, about))
                continue
            redrawn = {} if loaded is None else compare(loaded, picture, about)
            differs |= any(redrawn.values())
            if as_json:
                more = {"redrawn": redrawn} if redraw else {}
                click.echo(json.dumps({"picture": str(picture), **about, **more}))
            else:
                lines = [*entry_lines(about), *redrawn_lines(redrawn)]
                click.echo("\n".join([str(picture), *lines]))
    if differs:
        click.get_current_context().exit(EXIT_FAILED)


def _recipe(picture: Path, about: Mapping[str, Any]) -> str:
    """The recipe of a picture; an ImageError where it has none."""
    if isinstance(about.get("recipe"), str):
        return str(about["recipe"])
    why = "it is too old"
    if {"pictures", "frames", "grid"} & about.keys():
        why = "it holds several pictures"
    elif about.get("left_out"):
        why = "its format had no room for it; a PNG has"
    raise ImageError(
        f"{picture} has no recipe ({why}); name a picture that was saved alone, or draw it again "
        "from its prompt and seed."
    )


def entry_lines(about: Mapping[str, Any]) -> Iterator[str]:
    """One line an entry; several pictures in one file have a line each."""
    names = [name for name in FIRST if name in about]
    for name in (*names, *(name for name in about if name not in names)):
        value = about[name]
        if name == "pictures" and isinstance(value, list):
            for number, own in enumerate(value, 1):
                yield f"  {f'picture {number}':12}{shown(own)}"
        elif name == "recipe":
            yield f"  {'recipe':12}{len(str(value))} characters; --recipe prints it"
        elif name == "left_out" and isinstance(value, list):
            yield f"  {'left out':12}{shown(', '.join(map(str, value)))}"
        elif value is not None and value is not False and value != "":
            yield f"  {shown(TITLES.get(name, name)):12}{shown(value)}"


def shown(value: Any) -> str:
    """A value of the metadata as short text that does no harm to a terminal."""
    if isinstance(value, Mapping):
        words = f"{value.get('prompt', '')}"
        value = f"{words}, seed {value.get('seed')}"
    if isinstance(value, list):
        value = " x ".join(map(str, value))
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def compare(engine: "TextToArt", path: Path, about: Mapping[str, Any]) -> dict[str, int]:
    """Draw a picture again, and how far its pixels are from those of the file.

    Returns:
        "recipe", and "words" where prompt and seed are enough to draw the picture -> the largest
        difference in grey levels, 0 to 255.

    Raises:
        ImageError: the file is no single picture of ours.
        RecipeError: it is of another model, or its recipe is damaged.
    """
    from t2a_edge.image import read_pixels

    _recipe(path, about)
    artwork, stored = engine.open(path), read_pixels(path)
    found = {"recipe": _difference(artwork.pixels, stored, path)}
    named = artwork.prompt and artwork.seed is not None and not artwork.form
    if named and artwork.changed in FROM_WORDS:
        again = from_words(engine, artwork)
        found["words"] = _difference(again.pixels, stored, path)
    return found


def from_words(engine: "TextToArt", artwork: "Artwork") -> "Artwork":
    """The picture of an artwork's prompts, seeds, options and size."""
    to_seed, amount = artwork.to_seed or (None, 0.5)
    blend, amount = artwork.blend or (None, amount)
    return engine.draw(
        Request(
            artwork.prompt, seed=artwork.seed, blend=blend, to_seed=to_seed, amount=amount,
            size=artwork.size, tile=artwork.layout.wrap, **asdict(artwork.options),
        )
    )[0]  # fmt: skip


def _difference(pixels: "UInt8Array", stored: "UInt8Array", path: Path) -> int:
    """The largest difference in grey levels; 255 where the sizes differ.

    A JPEG is not quite what was drawn: the drawn pixels are stored in the same way first.
    """
    import numpy as np

    from t2a_edge.image import encoded
    from t2a_edge.pixels import opened_picture

    with opened_picture(path) as found:
        is_jpeg = found.format == "JPEG"
    if is_jpeg:
        from PIL import Image

        with Image.open(io.BytesIO(encoded(pixels, "jpeg", {}))) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    if pixels.shape != stored.shape:
        return 255
    return int(np.abs(pixels.astype(np.int16) - stored).max())


def redrawn_lines(redrawn: Mapping[str, int]) -> Iterator[str]:
    """One line for each way in which a picture was drawn again."""
    titles = {"recipe": "recipe", "words": "words and seed"}
    for way, difference in redrawn.items():
        same = "the same pixels" if difference == 0 else f"differs by up to {difference} of 255"
        yield f"  {'redrawn':12}from its {titles[way]}: {same}"
