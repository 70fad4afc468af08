"""One spelling for all that looks alike: wide letters, quotes, dashes, commas, full stops.

web/src/core/spelling.js and examples/cpp/spelling.hpp hold the same rules; docs/prompts.md lists
them.
"""

import re
import unicodedata
from functools import lru_cache

from t2a_edge.errors import PromptError

CHARACTERS = 4096  # whose spelling is remembered
MARK = '"'  # what every quote and bracket is spelled as
LONG_DASH = "—"  # separates the words that it stands between, as "--" does
_APOSTROPHES = "'`´‘’‛′ʹʻʼ՚"
INSIDE = "'·׳״་"  # belong to a word where it goes on at both sides
_LONG_DASHES = "—―⸺⸻"
_COLONS = ":∶꞉"
_DECIMAL_POINTS = ".٫"
_MARKS = '"*<>'  # beside those of the categories below
_MARK_CATEGORIES = {"Ps", "Pe", "Pi", "Pf", "Pc"}  # brackets, quotes, underscores
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
_NO_LETTERS = " ,:.-" + MARK + LONG_DASH
_BETWEEN_PIECES = re.compile(r'"|(?<!\d)\.|\.(?!\d)|(?<=[^-])--+')
GROUP = (
    "The prompt has a minus or a weight at a quote or bracket that is around several adjectives; "
    'expected one of its own for each, such as "-busy -dense" or "warm:1.4 dark:1.4".'
)


def spelled(text: str) -> str:
    """Letters in Unicode's NFKC and folded; one character each for spaces, marks, dashes, colons.

    What nobody sees is left out. Punctuation that has no meaning in a prompt is a space.
    """
    seen = "".join(c for c in text if not _unseen(c)).replace("´", "'")  # NFKC takes it apart
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return _in_place("".join(map(_character, folded)))


def tokens(text: str) -> list[tuple[str, bool]]:
    """The parts of what `spelled` gave: "-busy", "dark:1.4".

    Returns:
        Each part without its marks, and whether one opens before it that does not close behind it.

    Raises:
        PromptError: a minus or a weight is of marks that are around several words.
    """
    together = " ".join(text.replace(",", " ").split()).replace(" :", ":").replace(": ", ":")
    found = []
    for part in together.split():
        word, colon, number = part.partition(":")
        if colon and word.endswith(MARK) and MARK not in word.rstrip(MARK):
            raise PromptError(GROUP)
        opened = word.lstrip(MARK)
        if opened.startswith("-" + MARK):
            opened = "-" + opened[1:].lstrip(MARK)
            if MARK not in opened + number:
                raise PromptError(GROUP)
        pieces = [piece for piece in _BETWEEN_PIECES.split(opened) if piece]
        if colon:
            pieces[-1:] = [f"{''.join(pieces[-1:])}:{number.strip(MARK).rstrip('.')}"]
        opens = part.startswith(MARK) and MARK not in part.lstrip(MARK)
        found += [(piece, opens and place == 0) for place, piece in enumerate(pieces)]
    return found


@lru_cache(CHARACTERS)
def _unseen(character: str) -> bool:
    """Zero-width, bidirectional and other format characters; fillers; variation selectors."""
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF
    return selector or character in _UNSEEN or unicodedata.category(character) == "Cf"


@lru_cache(CHARACTERS)
def _character(character: str) -> str:
    """What a folded character is in a prompt."""
    category = unicodedata.category(character)
    for found, spelling in ((_APOSTROPHES, "'"), (_COLONS, ":"), (_DECIMAL_POINTS, "."),
                            (_LONG_DASHES, LONG_DASH), (_MARKS, MARK)):  # fmt: skip
        if character in found:
            return spelling
    if character in INSIDE + ",":
        return character
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category in _MARK_CATEGORIES:
        return MARK
    tone = 0x1F3FB <= ord(character) <= 0x1F3FF  # of an emoji's skin; Unicode has it as Sk
    if character.isspace() or category[0] == "P" or (category in ("Sm", "Sc", "Sk") and not tone):
        return " "
    return character


def _in_place(text: str) -> str:
    """What depends on the neighbours: apostrophes, long dashes, decimal commas."""
    found, number = [], False  # whether only digits stand behind a colon
    for place, character in enumerate(text):
        before, after = text[place - 1 : place] or " ", text[place + 1 : place + 2] or " "
        inside = before not in _NO_LETTERS + INSIDE and after not in _NO_LETTERS + INSIDE
        if character in INSIDE and not inside:
            character = MARK if character == "'" else " "
        elif character == LONG_DASH:
            character = " " if before not in _NO_LETTERS and after not in _NO_LETTERS else "-"
        elif character == "," and number and before.isdecimal() and after.isdecimal():
            character = "."
        number = character == ":" or (number and (character.isdecimal() or character in ' "'))
        found.append(character)
    return "".join(found)
