"""What the Python library draws, for the page's tests to compare with.

`python -m web.reference FOLDER [BUNDLE]` writes drawn.json, cases.json and a PNG for each case.
"""

import json
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge import Artwork, TextToArt
from web.prepare import write_models

UInt8Array = npt.NDArray[np.uint8]

CASES: tuple[dict[str, Any], ...] = (
    {"prompt": "warm dark fluid", "seed": 7},
    {"prompt": "icy geometric -busy", "seed": 2**53 - 1, "steps": 3},
    {"prompt": "dark:1.4 calm:0.5 glowing", "seed": 123456789, "temperature": 2.5},
    {"prompt": "vibrant dense chaotic", "seed": 0, "guidance_scale": 1.5, "form_strength": 0.75},
)
UNKNOWN = ("joyous", "qwzx", "тёплый")
ASKED: dict[str, Any] = {"prompt": "warm cool:0.7 -striped", "seed": 11}


def picture(height: int, width: int) -> UInt8Array:
    """A picture by a rule: (height, width, 3) uint8."""
    rows, columns = np.mgrid[:height, :width]
    discs = (rows - height // 3) ** 2 + (columns - width // 2) ** 2 < (height // 4) ** 2
    colours = [rows * 3 + columns, 200 * discs, rows * columns // 5]
    return (np.stack(colours, axis=-1) % 256).astype(np.uint8)


def write_reference(folder: Path, bundle: Path | None = None) -> None:
    """Draw `CASES` as a visitor of the page would ask for them."""
    folder.mkdir(parents=True, exist_ok=True)
    model = TextToArt(bundle, provider="cpu")
    written = []
    for number, case in enumerate(CASES):
        artwork = model.generate(**case)
        artwork.save(folder / f"case-{number}.png")
        written.append(
            {
                "link": case,
                "file": f"case-{number}.png",
                "name": artwork.file_name,
                "recipe": artwork.recipe,
                "indices": artwork.indices.tolist(),
                "pixels": artwork.pixels.tobytes().hex(),
            }
        )
    (folder / "cases.json").write_text(json.dumps(written), encoding="utf-8")


def write_drawn(folder: Path, bundle: Path | None = None) -> None:
    """Draw and change pictures in every way that there is, by any model, into drawn.json.

    The model's engines lie beside it as the page has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = TextToArt(bundle, provider="cpu")
    write_models(model.bundle, folder / "models")
    rows = [{"name": name, **row} for name, row in _drawn(model)]
    nearest = {word: model.nearest_words(word, 1)[0] for word in UNKNOWN}
    whole = {"rows": rows, "nearest": nearest}
    (folder / "drawn.json").write_text(json.dumps(whole), encoding="utf-8")


def _drawn(model: TextToArt) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of each case, what is asked, and what comes of it."""
    size = model.spec.image_size
    half, cell = size // 2, size // model.spec.scales[-1]
    form = picture(size // 2 + 5, size - 3)
    yield "plain", _asked(model.generate)
    yield "one step", _asked(model.generate, steps=1)
    yield (
        "other options",
        _asked(model.generate, steps=5, guidance_scale=6.3, temperature=3.3, form_strength=0.6),
    )
    yield "no guidance", _asked(model.generate, guidance_scale=0.0, temperature=0.0)
    for amount in (0.25, 0.5, 0.75, 1.0):
        yield f"blend {amount}", _asked(model.generate, blend="pale:1.5 -dark", amount=amount)
    yield "form", _asked(model.generate, form=form)
    yield "form, loosely", _asked(model.generate, form=form, form_strength=0.3)
    wide = (size + 3 * cell, size)
    yield "wide", _asked(model.generate, size=wide)
    yield "wide form", _asked(model.generate, size=wide, form=form, form_strength=0.8)
    yield "tile", _asked(model.tile, tile=(size, size))
    yield "wide tile", _asked(model.tile, tile=(size + half, size), form=form, form_strength=0.5)
    plain, odd = model.generate(**ASKED), model.generate(**ASKED, size=wide)
    tile = model.tile(**ASKED)
    for strength in (0.0, 0.3, 0.5, 0.8, 1.0):
        yield f"varied {strength}", _changed(model.vary, plain, strength=strength)
    yield "varied, form", _changed(model.vary, plain, strength=0.6, form=form)
    yield "varied, wide", _changed(model.vary, odd, strength=0.7, steps=2)
    yield "varied, tile", _changed(model.vary, tile, strength=0.4)
    mask = np.zeros((size, size), dtype=np.bool_)
    mask[: half + cell // 2, half:] = True
    yield "inpainted", _changed(model.inpaint, plain, mask=mask)
    yield "inpainted, tile, hard", _changed(model.inpaint, tile, mask=mask, feather=0)
    yield "inpainted, form", _changed(model.inpaint, plain, mask=mask, form=form)
    again = model.inpaint(plain, mask, seed=3)
    yield "inpainted again", _changed(model.inpaint, again, mask=mask[::-1].copy())
    yield "inpainted, all", _changed(model.inpaint, plain, mask=np.ones_like(mask))
    yield "wider", _changed(model.outpaint, plain, margins=(half, 0, 0, cell))
    yield "wider, odd", _changed(model.outpaint, odd, margins=(0, cell, cell, 0), form=form)


def _asked(act: Callable[..., Artwork], **options: Any) -> dict[str, Any]:
    """A picture that is drawn from its words."""
    told = {**options, **({"size": options["tile"]} if "tile" in options else {})}
    told.pop("tile", None)
    return _row("draw", act(**ASKED, **told), {**options, **ASKED})


def _changed(act: Callable[..., Artwork], artwork: Artwork, **options: Any) -> dict[str, Any]:
    """A picture that is made of another one, with its words."""
    told, seed = dict(options), 5
    if "margins" in told:
        sides = ("left", "right", "top", "bottom")
        told.update(zip(sides, told.pop("margins"), strict=True))
    found = act(artwork, seed=seed, **told)
    return _row(act.__name__, found, {**options, "seed": seed, "of": artwork.recipe})


def _row(how: str, artwork: Artwork, told: dict[str, Any]) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in told.items()}
    prompt = {"prompt": artwork.prompt, "blend": artwork.blend}
    return {
        "how": how, "told": {**plain, **prompt}, "options": asdict(artwork.options),
        "form": artwork.form,
        "recipe": artwork.recipe, "indices": zlib.crc32(artwork.indices.astype("<i4").tobytes()),
        "size": list(artwork.size), "pixels": zlib.crc32(artwork.pixels.tobytes()),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """Arrays as their shape and bytes in hexadecimal."""
    if not isinstance(value, np.ndarray):
        return value
    return {"shape": list(value.shape), "bytes": value.astype(np.uint8).tobytes().hex()}


if __name__ == "__main__":
    own = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    write_reference(Path(sys.argv[1]), own)
    write_drawn(Path(sys.argv[1]), own)
