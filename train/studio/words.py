"""Adjectives that are true of a painted composition: each word has a rule, and a salience.

A rule reads the study: the values the picture was painted with (`v`), the scores it measures
in their stead for colour, its mean L* and C*, and the traits of what was drawn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from t2a_edge.vocabulary import AXES, HUES, MOODS, poles
from train.studio.composition import Composition, Study, study
from train.studio.forms import forms_shown
from train.studio.measure import SCALES

HUE_SHARE = 0.34  # of the coloured area, from which a hue is named
COLOURED = 0.08  # of the picture: with less colour than this no hue is named
PLAIN = 0.38  # weakest value of an axis that is put into words
MOST, FEWEST = 6, 3  # adjectives to a picture
MOOD_ODDS = 0.5
PLAINLY = 1.6  # added for a word that is the one thing a picture shows: its family says which
FORM_SALIENCE = 2.6  # of a form's name: what a picture is of is said first


@dataclass(frozen=True)
class Facts:
    """A study, with the colour axes as measured and the others as painted."""

    v: Mapping[str, float]
    light: float  # mean L*
    chroma: float  # mean C*
    has: frozenset[str]
    hues: Mapping[str, float]

    def any(self, *traits: str) -> bool:
        """Whether one of the traits was drawn."""
        return any(trait in self.has for trait in traits)


def _facts(seen: Study) -> Facts:
    values = dict(seen.values)
    for axis in SCALES:
        values[axis] = float(np.clip(seen.measured.scores[axis], -1.3, 1.3))
    if seen.measured.values["chroma"] < 5:
        values["temperature"] = 0.0
    coloured = seen.measured.coloured >= COLOURED
    hues = seen.measured.hues if coloured else dict.fromkeys(HUES, 0.0)
    numbers = seen.measured.values
    return Facts(values, numbers["lightness"], numbers["chroma"], seen.traits, hues)


APART = ("red", "golden", "green", "blue", "pink")  # hues that share no colour

Rule = Callable[[Facts], bool]
# A word without a rule holds wherever its pole is plain; a rule narrows it down to what is seen.
RULES: dict[str, Rule] = {
    "cold": lambda f: f.v["temperature"] < -0.7,
    "icy": lambda f: f.light > 62 and f.v["temperature"] < -0.5,
    "wintry": lambda f: f.light > 60 and f.chroma < 22,
    "hot": lambda f: f.chroma > 32 and f.hues["red"] + f.hues["orange"] > 0.35,
    "fiery": lambda f: f.chroma > 32 and f.hues["red"] + f.hues["orange"] > 0.4,
    "sunny": lambda f: (
        f.light > 60 and f.chroma > 20 and f.hues["yellow"] + f.hues["golden"] > 0.35
    ),
    "shadowy": lambda f: f.v["contrast"] < 0.3,
    "black": lambda f: f.light < 19,
    "nocturnal": lambda f: f.light < 30 and f.v["temperature"] < 0.2,
    "bright": lambda f: f.light > 66 and f.chroma > 12,
    "luminous": lambda f: "luminous" in f.has or (f.light > 68 and f.chroma > 18),
    "pale": lambda f: f.light > 72 and f.chroma < 22,
    "white": lambda f: f.light > 84 and f.chroma < 12,
    "faded": lambda f: f.light > 52,
    "dusty": lambda f: f.chroma > 4 and f.v["texture"] > -0.2,
    "monochrome": lambda f: f.chroma < 5,
    "grey": lambda f: f.chroma < 5 and 25 < f.light < 85,
    "muted": lambda f: f.chroma > 3.5,
    "colorful": lambda f: sum(f.hues[hue] > 0.12 for hue in APART) > 1,
    "hazy": lambda f: f.any("hazy", "blurred", "atmospheric"),
    "blurred": lambda f: f.any("blurred", "hazy"),
    "stark": lambda f: f.chroma < 18,
    "crisp": lambda f: f.v["texture"] < 0.3 and not f.any("hazy", "blurred", "atmospheric"),
    "bold": lambda f: f.v["weight"] > -0.4 and not f.any("blurred"),
    "geometric": lambda f: "geometric" in f.has,
    "jagged": lambda f: "jagged" in f.has,
    "sharp": lambda f: f.any("sharp", "jagged"),
    "angular": lambda f: f.any("angular", "jagged"),
    "rigid": lambda f: f.v["order"] > 0.1 and f.v["energy"] < 0.4,
    "wavy": lambda f: "wavy" in f.has,
    "flowing": lambda f: f.any("flowing", "wavy", "fluid"),
    "fluid": lambda f: f.any("flowing", "wavy", "fluid"),
    "organic": lambda f: "organic" in f.has,
    "curved": lambda f: True,
    "scattered": lambda f: "scattered" in f.has,
    "turbulent": lambda f: f.v["energy"] > 0.3,
    "messy": lambda f: f.any("messy", "gestural", "splattered"),
    "chaotic": lambda f: f.v["order"] < -0.6 and f.v["density"] > -0.6,
    "structured": lambda f: f.any("structured", "regular", "linear", "geometric"),
    "symmetrical": lambda f: "symmetrical" in f.has,
    "regular": lambda f: "regular" in f.has,
    "balanced": lambda f: f.any("symmetrical", "balanced", "regular"),
    "empty": lambda f: f.v["density"] < -0.7,
    "busy": lambda f: f.v["energy"] > -0.2,
    "simple": lambda f: f.v["texture"] < 0.5,
    "intricate": lambda f: f.v["weight"] < 0.4,
    "rhythmic": lambda f: "rhythmic" in f.has,
    "explosive": lambda f: "explosive" in f.has,
    "restless": lambda f: f.v["order"] < 0.2,
    "serene": lambda f: f.v["order"] > -0.4,
    "quiet": lambda f: f.v["contrast"] < 0.3,
    "calm": lambda f: f.v["order"] > -0.6,
    "polished": lambda f: f.v["texture"] < -0.6,
    "flat": lambda f: f.v["depth"] < 0.4,
    "clean": lambda f: f.v["order"] > -0.5,
    "rough": lambda f: f.any("rough", "textured"),
    "gestural": lambda f: "gestural" in f.has,
    "splattered": lambda f: "splattered" in f.has,
    "grainy": lambda f: "grainy" in f.has,
    "layered": lambda f: "layered" in f.has,
    "overlapping": lambda f: "overlapping" in f.has,
    "translucent": lambda f: "translucent" in f.has,
    "atmospheric": lambda f: f.any("atmospheric", "hazy", "blurred"),
    "deep": lambda f: f.v["depth"] > 0.6,
    "linear": lambda f: "linear" in f.has,
    "striped": lambda f: "striped" in f.has,
    "vertical": lambda f: "vertical" in f.has and "horizontal" not in f.has,
    "horizontal": lambda f: "horizontal" in f.has and "vertical" not in f.has,
    "diagonal": lambda f: "diagonal" in f.has and not f.any("vertical", "horizontal"),
    "swirling": lambda f: "swirling" in f.has,
    "circular": lambda f: "circular" in f.has,
    "round": lambda f: f.any("circular", "round"),
    "radial": lambda f: "radial" in f.has,
    "spiral": lambda f: "spiral" in f.has,
    "fragile": lambda f: f.any("delicate") or f.v["weight"] < -0.7,
    "weightless": lambda f: f.v["density"] < 0.3,
    "airy": lambda f: f.v["density"] < 0.5,
    "blocky": lambda f: "blocky" in f.has or f.v["contour"] < -0.5,
    "massive": lambda f: f.v["density"] < 0.8,
}  # fmt: skip
# Said wherever they were drawn, whatever the strength of their axis
DRAWN = frozenset((
    "splattered", "striped", "spiral", "grainy", "symmetrical", "vertical", "horizontal",
    "diagonal", "translucent", "wavy", "radial", "swirling", "explosive", "jagged", "rhythmic",
    "circular", "linear", "layered", "scattered", "organic", "geometric", "angular",
))  # fmt: skip
MOOD_RULES: dict[str, Rule] = {
    "playful": lambda f: f.v["chroma"] > 0.1 and f.light > 48 and f.v["contour"] > -0.1
    and f.v["energy"] > 0 and f.v["order"] < 0.6,
    "joyful": lambda f: f.v["chroma"] > 0.3 and f.light > 55 and f.v["energy"] > 0,
    "melancholic": lambda f: f.light < 48 and f.v["chroma"] < -0.2 and f.v["energy"] < 0,
    "mysterious": lambda f: f.light < 36 and f.v["energy"] < 0.3
    and (f.v["depth"] > 0.1 or f.v["contrast"] < 0),
    "tense": lambda f: f.v["contrast"] > 0.2 and f.v["contour"] < -0.35 and f.v["energy"] > 0.1,
    "dreamy": lambda f: f.v["contrast"] < 0 and f.v["contour"] > -0.1 and f.v["energy"] < 0.2
    and f.light > 45 and f.v["texture"] < 0.6,
    "aggressive": lambda f: f.v["energy"] > 0.4 and f.v["contrast"] > 0
    and (f.v["contour"] < -0.3 or f.any("splattered", "jagged")) and f.v["temperature"] > -0.4,
    "harmonious": lambda f: f.v["order"] > 0.25 and f.v["contrast"] < 0.4 and f.v["energy"] < 0.3,
    "cosmic": lambda f: f.light < 42 and (f.any("stars", "spiral", "swirling")
    or (f.any("circular", "luminous") and f.v["depth"] > 0)),
    "elegant": lambda f: f.v["weight"] < -0.2 and f.v["density"] < 0.2 and f.v["order"] > -0.3
    and f.v["texture"] < 0.5,
}  # fmt: skip


def true_words(composition: Composition, seen: Study, plain: float = PLAIN) -> dict[str, float]:
    """All known adjectives that hold, each with its salience (about 0.4 to 2).

    Words of one axis are all of one pole; `plain` is the weakest value that counts.
    """
    facts = _facts(seen)
    found: dict[str, float] = {}
    for axis in AXES:
        value = facts.v[axis.name]
        words = axis.positive_words if value > 0 else axis.negative_words
        asked = 0.45 * (abs(composition.attributes.get(axis.name, 0.0)) >= PLAIN)
        for word in words:
            drawn = word in DRAWN and word in facts.has
            if not drawn and abs(value) < plain:
                continue
            if drawn and abs(value) < 0.12:
                continue  # near the middle the pole itself is in doubt
            if word not in RULES or RULES[word](facts):
                special = 0.35 * (word in RULES)  # narrower words say more
                shows = PLAINLY * (f"shows:{word}" in facts.has)
                found[word] = min(abs(value), 1.0) + asked + special + 0.3 * drawn + shows
    for hue, share in facts.hues.items():
        if share >= HUE_SHARE or (hue in composition.hues and share >= 0.2):
            found[hue] = 0.5 + share + 0.4 * (hue in composition.hues)
    for mood, rule in MOOD_RULES.items():
        if rule(facts):
            found[mood] = 0.4
    return found


def adjectives(
    composition: Composition,
    rng: np.random.Generator,
    seen: Study | None = None,
    *,
    forms: bool = False,
) -> tuple[str, ...]:
    """Draw 3 to 6 adjectives that are true of a composition, most salient first.

    Args:
        composition: as painted.
        rng: which of the true words are said, and how many.
        seen: its study, where there is one; painted small when not given.
        forms: say words of form and pattern too that the shipped vocabulary does not have.

    Returns:
        Known adjectives, and words of `train.studio.forms` if asked; at most two of one
        axis, never both poles of one; moods come last.
    """
    seen = seen or study(composition)
    true = true_words(composition, seen)
    if sum(word not in MOODS for word in true) < 2 * MOST:
        # a picture with nothing strong about it: its milder sides are named
        true = true_words(composition, seen, PLAIN / 2) | true
    wanted = int(rng.integers(FEWEST, MOST + 1))
    moods = [word for word in true if word in MOODS]
    said: dict[str, float] = {}
    if moods and rng.random() < MOOD_ODDS:
        said[str(rng.choice(moods))] = 0.0
    of_axis: dict[str, int] = {}
    shown = forms_shown(seen.traits, seen.visible) if forms else {}
    for words in shown.values():
        # one name for each form: the plainest as often as all its others
        odds = [0.5, *[0.5 / (len(words) - 1)] * (len(words) - 1)] if len(words) > 1 else [1.0]
        true[str(rng.choice(words, p=odds))] = FORM_SALIENCE
    # Gumbel noise on salience draws without replacement in proportion to its exponential
    rank = {w: 3.2 * s + rng.gumbel() for w, s in true.items() if w not in MOODS}
    ranked = sorted(rank, key=rank.__getitem__, reverse=True)
    # one word of colour or light and one of form come first, where there are such
    firsts = {_of_colour(word): word for word in reversed(ranked)}
    ranked = list(dict.fromkeys((*firsts.values(), *ranked)))
    for word in ranked:
        axis = poles().get(word, ("hue" if word in HUES else "form", 0))[0]
        two = axis in ("hue", "direction", "form") or f"shows:{word}" in seen.traits
        most = 2 if two else 1 + (rng.random() < 0.18)
        if len(said) >= wanted or of_axis.get(axis, 0) >= most or _clash(word, said):
            continue
        of_axis[axis] = of_axis.get(axis, 0) + 1
        said[word] = true[word]
    return tuple(sorted(said, key=said.__getitem__, reverse=True))


def _of_colour(word: str) -> bool:
    return word in HUES or poles().get(word, ("", 0))[0] in SCALES


_NEAR = ({"golden", "yellow", "earthy"}, {"brown", "earthy"}, {"teal", "blue"}, {"teal", "green"},
         {"red", "brown"}, {"orange", "golden", "earthy"}, {"vertical", "horizontal", "diagonal"},
         {"monochrome", "grey"}, {"monochrome", *HUES}, {"grey", *HUES})  # fmt: skip


def _clash(word: str, said: Mapping[str, float]) -> bool:
    """Whether a word only says again, or denies, one that was said."""
    return any(word in near and near & said.keys() for near in _NEAR[:8]) or any(
        word in near and (word in HUES) != (other in HUES)
        for near in _NEAR[8:] for other in near & said.keys()
    )  # fmt: skip
