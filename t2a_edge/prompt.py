"""What a person types, as bytes for the text engine.

    warm dark:1.4 -busy

An adjective pulls with weight 1, with the weight behind its colon, or away with a minus before it.
What people write around adjectives ("a very dark, not busy picture") is understood or left out.
docs/prompts.md lists what is read as what.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import PromptError
from t2a_edge.spelling import GROUP, INSIDE, spelled, tokens

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

MAX_WEIGHT = 4.0
NEGATIONS = frozenset(("not", "no", "without", "never", "neither", "nor"))
DEGREES = {  # words that change the weight of the adjective behind them
    "slightly": 0.5, "somewhat": 0.5, "bit": 0.5, "less": 0.5,
    "very": 1.5, "really": 1.5, "highly": 1.5, "more": 1.5, "extremely": 2.0,
    "quite": 1.0, "rather": 1.0, "fairly": 1.0, "too": 1.0, "so": 1.0,
}  # fmt: skip
ALTERNATIVE = "or"  # goes on with a negation: "not busy or dense" avoids both
LEFT_OUT = frozenset(
    (
        *("a", "an", "the", "this", "that", "which", "it", "is", "as", "in", "of", "with"),
        *("and", "or", "but", "also", "both", "plus", "please"),
        *("picture", "pictures", "image", "images", "photo", "photos", "photograph"),
        *("photographs", "painting", "paintings", "drawing", "drawings", "illustration"),
        *("illustrations", "artwork", "artworks", "art", "colour", "colours", "color", "colors"),
    )
)
OTHER_WORDS = NEGATIONS | DEGREES.keys() | LEFT_OUT
SHOWN_CHARACTERS = 40  # of what was typed, in an error message
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")


@dataclass(frozen=True)
class Term:
    """One adjective and how it pulls.

    Attributes:
        word: Unicode NFKC and case folded.
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
    """Adjectives ready for the text engine, in the order typed.

    Attributes:
        terms: the adjectives with their weights.
        other_words: what was typed beside them: words that were left out, such as "and", or that
            changed the adjective behind them, such as "not" and "very"; each once.
    """

    terms: tuple[Term, ...]
    other_words: tuple[str, ...] = field(default=(), compare=False)

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
        typed: adjectives between white space, commas or other punctuation; or a list of such
            texts. "dark:1.4" has a weight, 0 to 4; "-busy" and "not busy" are to be avoided.
        max_words: most adjectives.
        max_bytes: most UTF-8 bytes in one adjective.

    Raises:
        PromptError: there is no adjective, there are too many, one is too long, a weight is no
            number or out of range, a minus or a negation has no adjective of its own, a number
            stands alone, or the text has a control character or is not valid Unicode.
    """
    parts = [typed] if isinstance(typed, str) else list(typed)
    for part in parts:
        if not isinstance(part, str):
            raise PromptError(
                f"The prompt has {part!r}, a {type(part).__name__}; expected text such as "
                '"warm dark fluid".'
            )
        _check_characters(part)
    reader = _Reader()
    for token, opens in tokens(spelled(" ".join(parts))):
        reader.read(token, opens=opens)
    prompt = reader.prompt()
    if not prompt.terms:
        raise PromptError('The prompt has no adjectives; type some, such as "warm dark fluid".')
    if len(prompt.terms) > max_words:
        raise PromptError(
            f"The prompt has {len(prompt.terms)} adjectives; expected at most {max_words}. "
            "Leave some out."
        )
    for term in prompt.terms:
        size = len(term.word.encode("utf-8"))
        if size > max_bytes:
            raise PromptError(
                f"The adjective {_shown(term.word)} has {size} bytes; expected at most "
                f"{max_bytes}. Shorten it."
            )
    return prompt


class _Reader:
    """Reads one token after another; what is no adjective changes how the next one is read."""

    def __init__(self) -> None:
        self._terms: list[Term] = []
        self._others: dict[str, None] = {}
        self._negation = ""  # that waits for its adjective
        self._degree = 1.0  # of the next adjective
        self._goes_on = False  # whether "or" goes on with a negation

    def read(self, token: str, *, opens: bool) -> None:
        """One token; `opens`: a quote or bracket opens before it that closes behind another."""
        if opens and (self._negation or self._degree != 1):
            raise PromptError(GROUP)
        term = _term(token)
        if term is None:
            return
        word = term.word
        if word not in OTHER_WORDS:
            self._adjective(term)
            return
        if token.startswith("-") or ":" in token:
            raise _no_adjective(token)
        if word in NEGATIONS:
            if self._negation:
                raise _twice_avoided(f"{self._negation} {word}")
            self._negation = word
        elif word in DEGREES:
            self._degree *= DEGREES[word]
        elif word == ALTERNATIVE and self._goes_on and not self._negation:
            self._negation = word
        self._others[word] = None

    def _adjective(self, term: Term) -> None:
        if self._negation:
            if term.weight < 0:
                raise _twice_avoided(f"{self._negation} -{term.word}")
            term = Term(term.word, -term.weight + 0.0)
        elif self._degree != 1:
            weight = min(abs(term.weight) * self._degree, MAX_WEIGHT)
            term = Term(term.word, math.copysign(weight, term.weight))
        self._goes_on, self._negation, self._degree = bool(self._negation), "", 1.0
        self._terms.append(term)

    def prompt(self) -> Prompt:
        """What was read."""
        if self._negation:
            raise PromptError(
                f'The prompt ends with "{self._negation}"; expected an adjective behind it, such '
                'as "not busy".'
            )
        return Prompt(tuple(self._terms), tuple(self._others))


def _no_adjective(token: str) -> PromptError:
    return PromptError(
        f"The prompt has {_shown(token)}; expected an adjective, with one minus before it if it is "
        'to be avoided, such as "-busy".'
    )


def _twice_avoided(shown: str) -> PromptError:
    return PromptError(
        f'The prompt has {_shown(shown)}; expected one "not" or one minus, such as "-busy".'
    )


def _term(token: str) -> Term | None:
    """A token as a term; None where nothing is left of it."""
    word, colon, number = token.partition(":")
    word = _begun(word)
    if not word and not colon:
        return None
    sign = -1.0 if word.startswith("-") else 1.0
    word = _begun(word.removeprefix("-")).rstrip("-")
    if not word or word.startswith("-"):
        raise _no_adjective(token)
    weight = 1.0
    if colon:
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not 0 <= weight <= MAX_WEIGHT:  # NaN fails too
            raise PromptError(
                f"The prompt has {_shown(token)}; expected a weight from 0 to {MAX_WEIGHT:g} "
                'behind the colon, such as "dark:1.4".'
            )
    if not any(unicodedata.category(c)[0] in "LSC" for c in word) or _NUMBER.fullmatch(word):
        raise PromptError(
            f"The prompt has the number {_shown(word)}; expected adjectives, and a number only as "
            'a weight behind a colon, such as "dark:1.4".'
        )
    return Term(word, sign * weight + 0.0)  # 0.0: no minus before a zero


def _begun(word: str) -> str:
    """Without what cannot begin a word: accents and the like that have no letter before them."""
    while word and (unicodedata.category(word[0])[0] == "M" or word[0] in INSIDE):
        word = word[1:]
    return word


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
