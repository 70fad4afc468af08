"""Ways in which a word is written: slips of the keyboard, endings, and strings that are no word."""

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
ENDINGS = ("ish", "y", "er", "est", "ly")
VOWELS = "aeiou"
SHORTEST = 4  # letters of a word that is misspelt; one slip makes another word of a shorter one


def _neighbour_keys() -> dict[str, str]:
    found: dict[str, str] = {}
    for row, keys in enumerate(ROWS):
        for column, key in enumerate(keys):
            near = [keys[i] for i in (column - 1, column + 1) if 0 <= i < len(keys)]
            for other in (row - 1, row + 1):
                if 0 <= other < len(ROWS):
                    shift = column if other > row else column + 1
                    near += [
                        ROWS[other][i] for i in (shift - 1, shift) if 0 <= i < len(ROWS[other])
                    ]
            found[key] = "".join(near)
    return found


NEIGHBOURS = _neighbour_keys()


def misspelt(word: str, rng: np.random.Generator) -> str:
    """One slip: two letters swapped, one dropped, doubled, or hit beside its key.

    A word of fewer than four letters is doubled in one place only.
    """
    kind = int(rng.integers(4)) if len(word) >= SHORTEST else 2
    at = int(rng.integers(len(word)))
    if kind == 0:
        at = min(at, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 3 and word[at] in NEIGHBOURS:
        near = NEIGHBOURS[word[at]]
        return word[:at] + near[int(rng.integers(len(near)))] + word[at + 1 :]
    return word[: at + 1] + word[at:]


def inflected(word: str, ending: str) -> str:
    """A word with one of `ENDINGS`, by the common rules of spelling.

    >>> inflected("red", "ish"), inflected("pale", "er"), inflected("hazy", "est")
    ('reddish', 'paler', 'haziest')
    """
    doubled = (
        ending != "ly"
        and 3 <= len(word) <= 4
        and word[-1] not in VOWELS + "wxy"
        and word[-2] in VOWELS
        and word[-3] not in VOWELS
    )
    if ending == "ly" and word.endswith("le") and word[-3:-2] not in VOWELS:
        return word[:-1] + "y"
    if ending == "ly" and word.endswith("ic"):
        return word + "ally"
    if word.endswith("y") and word[-2:-1] not in VOWELS:
        return word[:-1] + ("" if ending[0] in "iy" else "i") + ending
    if word.endswith("e") and ending != "ly":
        return word[:-1] + ending
    return word + (word[-1] if doubled else "") + ending


def random_string(rng: np.random.Generator) -> str:
    """No word: 3 to 12 letters, every other time with vowels between consonants."""
    length = int(rng.integers(3, 13))
    if rng.random() < 0.5:
        return "".join(LETTERS[i] for i in rng.integers(26, size=length))
    consonants = [c for c in LETTERS if c not in VOWELS]
    return "".join(
        VOWELS[int(rng.integers(5))] if i % 2 else consonants[int(rng.integers(21))]
        for i in range(length)
    )
