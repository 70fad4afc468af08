"""What a person types, as bytes for the text engine."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import PromptError

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

SEPARATORS = ",;"  # may stand between adjectives beside white space
SHOWN_CHARACTERS = 40  # of what was typed, in an error message


@dataclass(frozen=True)
class Prompt:
    """Adjectives ready for the text engine.

    Attributes:
        words: case folded and Unicode NFC, in the order typed.
    """

    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """The adjectives as one line."""
        return " ".join(self.words)


def parse_prompt(typed: str | Iterable[str], *, max_words: int, max_bytes: int) -> Prompt:
    """Split and check what was typed.

    Args:
        typed: adjectives between white space, commas or semicolons; or a list of such texts.
        max_words: most adjectives.
        max_bytes: most UTF-8 bytes in one adjective.

    Raises:
        PromptError: there is no adjective, there are too many, one is too long, or the text has a
            control character or is not valid Unicode.
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
    words = tuple(text.split())
    if not words:
        raise PromptError('The prompt has no adjectives; type some, such as "warm dark fluid".')
    if len(words) > max_words:
        raise PromptError(
            f"The prompt has {len(words)} adjectives; expected at most {max_words}. Leave some out."
        )
    for word in words:
        size = len(word.encode("utf-8"))
        if size > max_bytes:
            raise PromptError(
                f"The adjective {_shown(word)} has {size} bytes; expected at most {max_bytes}. "
                "Shorten it."
            )
    return Prompt(words)


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
