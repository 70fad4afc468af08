"""What a person types, as bytes for the text engine.

    warm dark:1.4 -busy

An adjective pulls with weight 1, with the weight behind its colon, or away with a minus before it.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import PromptError

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

SEPARATORS = ",;"  # may stand between adjectives beside white space
MINUS = "-\N{MINUS SIGN}"  # before an adjective that is to be avoided
MAX_WEIGHT = 4.0
SHOWN_CHARACTERS = 40  # of what was typed, in an error message


@dataclass(frozen=True)
class Term:
    """One adjective and how it pulls.

    Attributes:
        word: case folded and Unicode NFC.
        weight: -4 to 4; 1 is plain, below 0 pulls away from the word, 0 does nothing.
    """

    word: str
    weight: float = 1.0

    @property
    def text(self) -> str:
        """As one would type it."""
        # every digit, so that it is the same when it is read back
        size = repr(float(abs(self.weight))).removesuffix(".0")
        number = "" if size == "1" else f":{size}"
        return f"{'-' if self.weight < 0 else ''}{self.word}{number}"


@dataclass(frozen=True)
class Prompt:
    """Adjectives ready for the text engine, in the order typed."""

    terms: tuple[Term, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The adjectives without their weights."""
        return tuple(term.word for term in self.terms)

    @property
    def text(self) -> str:
        """The prompt as one line."""
        return " ".join(term.text for term in self.terms)


def parse_prompt(typed: str | Iterable[str], *, max_words: int, max_bytes: int) -> Prompt:
    """Split and check what was typed.

    Args:
        typed: adjectives between white space, commas or semicolons; or a list of such texts.
            "dark:1.4" has a weight, 0 to 4; "-busy" is to be avoided.
        max_words: most adjectives.
        max_bytes: most UTF-8 bytes in one adjective.

    Raises:
        PromptError: there is no adjective, there are too many, one is too long, a weight is no
            number or out of range, or the text has a control character or is not valid Unicode.
    """
    parts = [typed] if isinstance(typed, str) else list(typed)
    for part in parts:
        if not isinstance(part, str):
            raise PromptError(
                f"The prompt has {part!r}, a {type(part).__name__}; expected text such as "
                '"warm dark fluid".'
            )
        _check_characters(part)
    text = _normalised(" ".join(parts))  # before the split: NFC makes a ";" of U+037E
    for separator in SEPARATORS:
        text = text.replace(separator, " ")
    terms = tuple(_term(token) for token in text.split())
    if not terms:
        raise PromptError('The prompt has no adjectives; type some, such as "warm dark fluid".')
    if len(terms) > max_words:
        raise PromptError(
            f"The prompt has {len(terms)} adjectives; expected at most {max_words}. Leave some out."
        )
    for term in terms:
        size = len(term.word.encode("utf-8"))
        if size > max_bytes:
            raise PromptError(
                f"The adjective {_shown(term.word)} has {size} bytes; expected at most "
                f"{max_bytes}. Shorten it."
            )
    return Prompt(terms)


def _term(token: str) -> Term:
    word, colon, number = token.partition(":")
    sign = -1.0 if word[:1] in tuple(MINUS) else 1.0
    word = word[1:] if sign < 0 else word
    if not word or word[0] in MINUS:
        raise PromptError(
            f"The prompt has {_shown(token)}; expected an adjective, with one minus before it if "
            'it is to be avoided, such as "-busy".'
        )
    if not colon:
        return Term(word, sign)
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= MAX_WEIGHT:  # NaN fails too
        raise PromptError(
            f"The prompt has {_shown(token)}; expected a weight from 0 to {MAX_WEIGHT:g} behind "
            'the colon, such as "dark:1.4".'
        )
    return Term(word, sign * weight + 0.0)  # 0.0: no minus before a zero


def _normalised(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", folded)  # folding takes some letters apart


def _shown(text: str) -> str:
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return f'"{short}"'


def _check_characters(text: str) -> None:
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            raise PromptError(
                "The prompt is not valid UTF-8; expected text. Type the adjectives again."
            )
        if category == "Cc" and not character.isspace():
            raise PromptError(
                f"The prompt has the control character U+{ord(character):04X}; expected "
                "adjectives. Type them again without it."
            )


def text_bytes_from_words(
    words: Sequence[str], max_words: int, max_bytes: int
) -> tuple[UInt8Array, Float32Array]:
    """Lay words out for the text engine.

    Returns:
        text_bytes (W, L) uint8, zero-padded UTF-8, and word_weights (W,) float32: 1 for a word,
        0 for padding. W is max_words and L max_bytes.
    """
    text_bytes = np.zeros((max_words, max_bytes), dtype=np.uint8)
    word_weights = np.zeros(max_words, dtype=np.float32)
    for row, word in enumerate(words):
        encoded = word.encode("utf-8")
        text_bytes[row, : len(encoded)] = np.frombuffer(encoded, dtype=np.uint8)
        word_weights[row] = 1.0
    return text_bytes, word_weights
