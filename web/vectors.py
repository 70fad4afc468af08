"""What Python makes of prompts, recipes, names: tests/vectors/prompts.json, tests/web/vectors.json.

Run `python -m web.vectors` after a change of t2a_edge/prompt.py, spelling.py, recipe.py or the
bundle, and to fill in a prompt that was added to prompts.json as {"typed": "..."}.
"""

import json
from typing import Any

import numpy as np

from t2a_edge.artwork import Artwork
from t2a_edge.bundle import load_bundle
from t2a_edge.errors import PromptError
from t2a_edge.layout import Layout
from t2a_edge.prompt import parse_prompt
from t2a_edge.recipe import Recipe, pack_recipe
from t2a_edge.sampler import SamplingOptions
from web.prepare import ROOT, manifest

VECTORS = ROOT / "tests" / "web" / "vectors.json"
PROMPTS = ROOT / "tests" / "vectors" / "prompts.json"
NAMED = (
    ("warm dark fluid", "", 7),
    ("warm dark:1.4 -busy", "vary", 12),
    ("-busy", "", 0),
    ("暖か тёплый 🔥", "", 2**53 - 1),
    ("ж" * 32 + " " + "ж" * 32, "", None),
    ("__a__", "", 1),
    ("🔥", "", 3),
    ("", "", None),
)


def prompt_vector(typed: str, spec: dict[str, Any]) -> dict[str, Any]:
    """What one typed text is read as, or the sentence that it is refused with."""
    try:
        prompt = parse_prompt(typed, max_words=spec["max_words"], max_bytes=spec["max_bytes"])
    except PromptError as error:
        return {"typed": typed, "error": str(error)}
    terms = [[term.word, term.weight] for term in prompt.terms]
    others = list(prompt.other_words)
    return {"typed": typed, "terms": terms, "others": others, "text": prompt.text}


def prompt_vectors() -> list[dict[str, Any]]:
    """The typed texts of the file, with what is made of each today."""
    spec = load_bundle(None).spec.to_json()
    written = json.loads(PROMPTS.read_text(encoding="utf-8"))
    return [prompt_vector(row["typed"], spec) for row in written]


def recipe_vectors() -> list[dict[str, Any]]:
    """Grids by a rule that any language can follow, and their recipes."""
    bundle = load_bundle(None)
    size, count = bundle.spec.image_size, sum(side**2 for side in bundle.spec.scales)
    found = []
    for factor, step in ((7, 3), (0, 511), (131, 17)):
        indices = (np.arange(count) ** 2 * factor + step) % bundle.spec.codebook_size
        recipe = Recipe(indices, Layout(), (0, 0, size, size))
        text = pack_recipe(recipe, bundle.spec, str(bundle.manifest["checkpoint_sha256"]))
        found.append({"factor": factor, "step": step, "recipe": text})
    return found


def name_vector(prompt: str, changed: str, seed: int | None) -> dict[str, Any]:
    """The file name that the library gives a picture."""
    options = SamplingOptions(guidance_scale=1.0, temperature=1.0, top_k=0)
    nothing = np.zeros((1, 1, 3), np.uint8)
    art = Artwork(
        pixels=nothing, prompt=prompt, blend=None, unknown_words=(), seed=seed, options=options,
        bundle_hash="", indices=np.zeros(0, np.int64), layout=Layout(), crop=(0, 0, 1, 1),
        recipe="", changed=changed,
    )  # fmt: skip
    return {"prompt": prompt, "changed": changed, "seed": seed, "name": art.file_name}


def vectors() -> dict[str, Any]:
    """All of them, with the manifest that they hold for."""
    about = manifest()
    return {
        "manifest": {name: about[name] for name in ("spec", "checkpoint")},
        "recipes": recipe_vectors(),
        "names": [name_vector(*named) for named in NAMED],
    }


def written(value: Any, indent: int | None = 1) -> str:
    """As it stands in a file."""
    return json.dumps(value, ensure_ascii=True, indent=indent, sort_keys=True)


if __name__ == "__main__":
    VECTORS.write_text(written(vectors()) + "\n", encoding="utf-8")
    rows = ",\n ".join(written(row, None) for row in prompt_vectors())
    PROMPTS.write_text(f"[{rows}]\n", encoding="utf-8")
