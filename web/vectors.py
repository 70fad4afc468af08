"""What Python makes of words, recipes and names, for the page's own tests: tests/web/vectors.json.

Run `python -m web.vectors` after a change of t2a_edge/prompt.py, recipe.py or the bundle.
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
TYPED = (
    "warm dark:1.4 -busy",
    "  WARM,dark;\tfluid ",
    "warm\u3000dark\u00a0fluid\u2028pale\x1cgrey\x85red",
    "warm\u200bdark",
    "Straße CAFE\u0301 cafe\u0301",
    "ΣΟΦΟΣ ТЁПЛЫЙ İstanbul",
    "\u0390 \u1fd3 ﬁne Ꭰ ꭰ ǅ K Å",
    "warm\u037edark",
    "暖か 🔥 👩‍👩‍👧",
    "\u2212busy -calm:0.5 \u2212dark:2",
    "warm:0 -warm:0 warm:-0",
    "warm:4 warm:4.0 warm:0.1 warm:1.0 warm:+2 warm:.5 warm:2.",
    "warm:1e-5 warm:1E-4 warm:123e-9 warm:1_0e-1 warm:0.30000000000000004",
    "warm:٢ warm:１.５ warm:𝟜 warm:२.५",
    "half-tone well-lit a-b:2",
    "don't rock'n'roll (soft) [hard] #1 100%",
    "a" * 32,
    "é" * 16,
    "",
    " ,;\t",
    "a b c d e f g h i",
    "a" * 33,
    "é" * 17,
    "x" * 300,
    "🔥" * 50 + ":9",
    "-",
    "--busy",
    "-\u2212busy",
    ":2",
    "-:2",
    "warm:",
    "warm:4.0001",
    "warm:-1",
    "warm:nan",
    "warm:inf",
    "warm:1e999",
    "warm:1__0",
    "warm:_1",
    "warm:0x1",
    "warm:1:2",
    "warm:²",
    "warm:1e",
    "warm::1",
    "wa\0rm",
    "wa\x1brm",
    "wa\x7frm dark",
    "wa\x9brm",
    "\ud800warm",
)
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
    return {"typed": typed, "terms": terms, "text": prompt.text}


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
        "manifest": {name: about[name] for name in ("spec", "checkpoint", "prompt", "folds")},
        "prompts": [prompt_vector(typed, about["spec"]) for typed in TYPED],
        "recipes": recipe_vectors(),
        "names": [name_vector(*named) for named in NAMED],
    }


if __name__ == "__main__":
    text = json.dumps(vectors(), ensure_ascii=True, indent=1, sort_keys=True)
    VECTORS.write_text(text + "\n", encoding="utf-8")
