"""What Python makes of prompts, recipes, forms: tests/vectors/prompts.json, tests/web/vectors.json.

Run `python -m web.vectors` after a change of what they are of in t2a_edge, and to fill in a prompt
that was added to prompts.json as {"typed": "..."}. No trained model has a part in them.
"""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from t2a_edge.artwork import Artwork
from t2a_edge.errors import PromptError
from t2a_edge.fields import field_of_form, noise_field, shares_beyond, stretched, windows_of
from t2a_edge.form import SIDE, SPREAD, evened, form_of
from t2a_edge.layout import Layout, latent_numbers, window_cells, window_weights
from t2a_edge.morph import form_between
from t2a_edge.pixels import sent_pixels
from t2a_edge.prompt import parse_prompt
from t2a_edge.recipe import Pasted, Recipe, pack_recipe
from t2a_edge.request import SamplingOptions
from t2a_edge.spec import Spec
from web.prepare import ROOT
from web.reference import picture

VECTORS = ROOT / "tests" / "web" / "vectors.json"
PROMPTS = ROOT / "tests" / "vectors" / "prompts.json"
SPEC = Spec(
    image_size=256, scales=(1, 2, 4, 8, 16, 32), codebook_size=512, code_dim=64, max_words=8,
    max_bytes=32, depth=64, forms=2048,
)  # fmt: skip
MODEL = "0123456789abcdef" * 4
OPTIONS = SamplingOptions(guidance_scale=2.5, steps=8, form_strength=1.0, temperature=0.5)
SHARES = (0.0, 1e-6, 0.1, 0.333333, 0.5, 0.75, 0.999, 1.0)
BETWEEN = [([64, 64], [90, 130]), ([90, 130], [300, 40]), ([1, 1], [64, 64])]
RULES = ((7, 3), (0, 511), (131, 17))
NAMED: tuple[tuple[Any, ...], ...] = (
    ("warm dark fluid", None, "", 7, (2, 2, False)),
    ("warm dark:1.4 -busy", None, "vary", 12, (2, 2, False)),
    ("warm -dark", ("-busy", 0.25), "", 3, (2, 2, False)),
    ("warm", ("pale", 0.333333), "", 3, (2, 3, False)),
    ("warm", ("pale", 1e-5), "outpaint", 4, (4, 4, False)),
    ("mossy", None, "tile", 5, (2, 2, True)),
    ("-busy", None, "", 0, (2, 2, False)),
    ("暖か тёплый 🔥", None, "", 2**53 - 1, (2, 2, False)),
    ("ж" * 32 + " " + "ж" * 32, None, "", None, (2, 2, False)),
    ("__a__", None, "", 1, (2, 2, False)),
    ("🔥", None, "", 3, (2, 2, False)),
    ("", None, "", None, (2, 2, False)),
)
SHAPES = ((256, 256), (64, 64), (100, 70), (31, 200), (5, 3), (1, 1), (301, 512))
LAYOUTS = ((2, 2, False), (2, 5, False), (3, 3, True), (16, 2, False))
MODES = ("RGB", "RGBA", "L", "LA")


def prompt_vector(typed: str) -> dict[str, Any]:
    """What one typed text is read as, or the sentence that it is refused with."""
    try:
        prompt = parse_prompt(typed, max_words=SPEC.max_words, max_bytes=SPEC.max_bytes)
    except PromptError as error:
        return {"typed": typed, "error": str(error)}
    terms = [[term.word, term.weight] for term in prompt.terms]
    others = list(prompt.other_words)
    return {"typed": typed, "terms": terms, "others": others, "text": prompt.text}


def prompt_vectors() -> list[dict[str, Any]]:
    """The typed texts of the file, with what is made of each today."""
    written = json.loads(PROMPTS.read_text(encoding="utf-8"))
    return [prompt_vector(row["typed"]) for row in written]


def _indices(layout: Layout, factor: int, step: int) -> npt.NDArray[np.int64]:
    """By a rule that any language can follow."""
    count = len(layout.windows) * SPEC.positions
    return (np.arange(count, dtype=np.int64) ** 2 * factor + step) % SPEC.codebook_size


def _shown(layout: Layout) -> tuple[int, int, int, int]:
    height, width = layout.grid(SPEC.image_size)
    return 0, 0, width, height


def recipe_vectors() -> list[dict[str, Any]]:
    """Indices by a rule, of several layouts, and their recipes."""
    found = []
    for (factor, step), shape in zip(RULES, LAYOUTS, strict=False):
        layout = Layout(*shape)
        recipe = Recipe(_indices(layout, factor, step), layout, _shown(layout))
        found.append(
            {
                "factor": factor,
                "step": step,
                "layout": list(shape),
                "crop": list(recipe.crop),
                "recipe": pack_recipe(recipe, SPEC, MODEL),
            }
        )
    return found


def pasted_vector() -> dict[str, Any]:
    """A picture that was inpainted twice: what its recipe says."""
    layout, crop = Layout(), (0, 0, 256, 256)
    mask = picture(256, 256)[..., 1] > 0
    recipe = Recipe(_indices(layout, *RULES[0]), layout, crop)
    for number, (factor, step) in enumerate(RULES[1:]):
        pasted = Pasted(np.roll(mask, number, 0), 8 - number, recipe)
        recipe = Recipe(_indices(layout, factor, step), layout, crop, pasted)
    return {"recipe": pack_recipe(recipe, SPEC, MODEL), "mask": checked(mask.astype(np.uint8))}


def name_vector(
    prompt: str,
    blend: tuple[str, float] | None,
    changed: str,
    seed: int | None,
    layout: tuple[int, int, bool],
) -> dict[str, Any]:
    """The file name that the library gives a picture, and what is written into it."""
    own = Layout(*layout)
    height, width = own.grid(SPEC.image_size)
    art = Artwork(
        pixels=np.zeros((height, width, 3), np.uint8), prompt=prompt, blend=blend,
        unknown_words=(), seed=seed, options=OPTIONS, bundle_hash="feed",
        indices=np.zeros(0, np.int64), layout=own, crop=(0, 0, width, height), recipe="abc",
        changed=changed, form="f00d" if changed else "",
    )  # fmt: skip
    return {"name": art.file_name, "description": art.metadata}


def form_vectors() -> list[dict[str, Any]]:
    """Forms of pictures by the rule of `web.reference.picture`."""
    return [
        {"shape": [h, w], "form": checked(form_of(picture(h, w))),
         "wide": checked(form_of(picture(h, w), (SIDE, 160)))}
        for h, w in SHAPES
    ]  # fmt: skip


def between_vectors() -> list[dict[str, Any]]:
    """Forms on the way between those of two pictures."""
    found = []
    for one, other in BETWEEN:
        first, second = (
            form_of(picture(*shape)).astype(np.float32) / np.float32(SPREAD)
            for shape in (one, other)
        )
        forms = [form_between(first, second, share) for share in SHARES]
        found.append({"shapes": [one, other], "forms": [checked(form) for form in forms]})
    return found


def layout_vectors() -> list[dict[str, Any]]:
    """What is made of a picture's form, of noise and of positions over several layouts."""
    found = []
    for rows, columns, wrap in LAYOUTS:
        layout = Layout(rows, columns, wrap)
        height, width = layout.grid(SIDE)
        crop = (8, 0, columns * 128 - 16, rows * 128 - 8)
        field = field_of_form(SPEC, picture(90, 130), layout, crop)
        kept = picture(height, width)[..., 1] > 0
        found.append(
            {
                "layout": [rows, columns, wrap],
                "crop": list(crop),
                "numbers": checked(latent_numbers(layout, SPEC.side).astype("<i4")),
                "last": checked(window_cells(layout, 8, layout.windows[-1]).astype("<i4")),
                "field": checked(field),
                "stretched": checked(stretched(noise_field(3, Layout()), layout)),
                "evened": checked(evened(windows_of(field, layout))),
                "noise": checked(noise_field(2**53 - 1, layout)),
                "shares": checked(shares_beyond(kept, wrap=wrap)),
            }
        )
    return found


def png_vectors() -> list[dict[str, Any]]:
    """Pictures as Pillow writes them, and as it reads them."""
    found = []
    for mode in MODES:
        picture_of = Image.fromarray(np.dstack([picture(9, 13), picture(9, 13)[..., 0]]), "RGBA")
        file = io.BytesIO()
        picture_of.convert(mode).save(file, "PNG")
        pixels = sent_pixels("It", file.getvalue(), most=1000)
        text = base64.b64encode(file.getvalue()).decode("ascii")
        found.append({"mode": mode, "file": text, "pixels": checked(pixels)})
    return found


def checked(values: npt.NDArray[Any]) -> int:
    """The CRC-32 of an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def vectors() -> dict[str, Any]:
    """All of them, with the manifest that they hold for."""
    return {
        "manifest": {"spec": SPEC.to_json(), "checkpoint": MODEL},
        "recipes": recipe_vectors(),
        "pasted": pasted_vector(),
        "names": [name_vector(*named) for named in NAMED],
        "forms": form_vectors(),
        "shares": list(SHARES),
        "between": between_vectors(),
        "layouts": layout_vectors(),
        "weights": {str(side): checked(window_weights(side)) for side in (2, 8, 16, 256)},
        "pngs": png_vectors(),
    }


def written(value: Any, indent: int | None = 1) -> str:
    """As it stands in a file."""
    return json.dumps(value, ensure_ascii=True, indent=indent, sort_keys=True)


if __name__ == "__main__":
    VECTORS.write_text(written(vectors()) + "\n", encoding="utf-8")
    rows = ",\n ".join(written(row, None) for row in prompt_vectors())
    PROMPTS.write_text(f"[{rows}]\n", encoding="utf-8")
