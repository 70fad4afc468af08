"""Adjectives of form and pattern beyond the shipped vocabulary: what was drawn, and its names.

A family marks on its scene what it drew there ("checkered", once the board stands); each mark has
the words that people type for it. A word is given only where its mark was made, and only if the
picture is not so even in colour that it cannot be made out.
"""

from collections.abc import Iterable
from functools import cache

VISIBLE = 2.3  # how far forms must stand off from their surroundings, in L*, to be named
SOFT = ("misty",)  # forms that are named however faint they are
# marks of fine or even patterns, which have to stand off further
NEEDS: dict[str, float] = {
    "camouflaged": 4.0, "kaleidoscopic": 6.0, "ornamental": 6.0, "plaid": 4.0, "threadlike": 3.5,
    "orbital": 3.0, "webbed": 3.5, "pointillist": 4.0,
}  # fmt: skip

# mark -> its words, the plainest first
FORMS: dict[str, tuple[str, ...]] = {
    mark: tuple(words.split())
    for mark, words in {
        "arched": "arched vaulted",
        "banded": "banded barred",
        "biomorphic": "biomorphic amoebic",
        "braided": "braided plaited twisted",
        "branching": "branching branched dendritic arboreal",
        "brushed": "brushed brushy streaky",
        "bubbly": "bubbly bubbling foamy",
        "calligraphic": "calligraphic",
        "camouflaged": "camouflaged mottled patchy",
        "cellular": "cellular",
        "checkered": "checkered chequered checked",
        "cloudy": "cloudy billowing",
        "coiled": "coiled spiraling",
        "collaged": "collaged cutout",
        "concentric": "concentric",
        "contoured": "contoured topographic stratified",
        "cracked": "cracked fissured crackled",
        "crystalline": "crystalline prismatic",
        "cubist": "cubist",
        "dabbed": "dabbed dappled",
        "dotted": "dotted spotted",
        "dripping": "dripping dripped drippy runny",
        "faceted": "faceted",
        "feathery": "feathery feathered plumed",
        "fanned": "fanned",
        "flaming": "flaming flickering blazing",
        "floral": "floral flowery blooming",
        "folded": "folded pleated creased",
        "fragmented": "fragmented shattered",
        "gridded": "gridded compartmented",
        "halftone": "halftone",
        "harlequin": "harlequin argyle",
        "hatched": "hatched crosshatched scratchy",
        "herringbone": "herringbone",
        "hieroglyphic": "hieroglyphic symbolic runic",
        "honeycombed": "honeycombed hexagonal",
        "inked": "inked inky blotted",
        "jumbled": "jumbled",
        "kaleidoscopic": "kaleidoscopic",
        "knotted": "knotted interlaced entwined",
        "labyrinthine": "labyrinthine mazelike",
        "latticed": "latticed trellised crisscrossed",
        "leafy": "leafy foliate botanical",
        "looped": "looped looping loopy",
        "marbled": "marbled veined",
        "meandering": "meandering winding serpentine sinuous",
        "misty": "misty foggy",
        "mosaic": "mosaic tiled tessellated",
        "nested": "nested",
        "orbital": "orbital elliptical",
        "ornamental": "ornamental ornate decorative",
        "patchwork": "patchwork quilted",
        "pebbled": "pebbled",
        "pixelated": "pixelated pixellated",
        "plaid": "plaid tartan",
        "pointillist": "pointillist flecked",
        "rayed": "rayed radiating sunburst",
        "ribboned": "ribboned ribbonlike",
        "ringed": "ringed",
        "rippled": "rippled rippling",
        "scaly": "scaly scalloped",
        "speckled": "speckled flecked",
        "spiky": "spiky splintered",
        "splashed": "splashed spattered",
        "stacked": "stacked",
        "starry": "starry stellar",
        "stepped": "stepped terraced",
        "stippled": "stippled",
        "streaming": "streaming",
        "tangled": "tangled scribbled snarled",
        "tessellated": "tessellated triangular",
        "tilted": "tilted slanted",
        "threadlike": "threadlike stringy fibrous",
        "tiled": "tiled",
        "undulating": "undulating",
        "washed": "washed watery",
        "webbed": "webbed weblike cobwebbed",
        "wispy": "wispy smoky",
        "woven": "woven interwoven",
        "zigzag": "zigzag zigzagging",
    }.items()
}
UPRIGHT = "upright"  # the mark of a picture with a top: it is mirrored, never turned


@cache
def form_words() -> tuple[str, ...]:
    """All adjectives of form that the studio knows beyond the shipped vocabulary."""
    return tuple(sorted({word for words in FORMS.values() for word in words}))


def forms_shown(marks: Iterable[str], visible: float) -> dict[str, tuple[str, ...]]:
    """Marks of a picture that can be named, each with its words.

    Args:
        marks: what was drawn.
        visible: how far the picture's forms stand off from what is about them, in L*.
    """
    return {
        m: FORMS[m] for m in sorted(marks)
        if m in FORMS and (m in SOFT or visible >= NEEDS.get(m, VISIBLE))
    }  # fmt: skip
