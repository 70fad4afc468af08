"""Kinds of values that a picture can be asked for with.

Each says how a value is checked, how it is typed (command line, address), how it is sent (JSON) and
how JSON Schema describes it. `t2a_edge.request` says which option is of which kind.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from t2a_edge.checks import number, sequence, shown, whole_number
from t2a_edge.errors import ImageError, OptionError, PromptError, T2AEdgeError
from t2a_edge.seeds import LETTER, MAX_SEED, check_seed

WHOLE_TEXT = re.compile(r"[+-]?[0-9]{1,30}")
NUMBER_TEXT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MAX_SIDE = 65_535  # pixels; the model says how many of them it draws
SIDE_TEXT = re.compile(r"[0-9]{1,9}")
YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True)
class Kind:
    """A value of any kind: what it may be is checked where it is used.

    Attributes:
        metavar: what stands for a value in the help.
        in_address: whether the query of an address may have it.
        in_json: whether JSON may.
        error: raised for a value that is none; its sentence begins with the option's name.
    """

    metavar: ClassVar[str] = "VALUE"
    in_address: ClassVar[bool] = True
    in_json: ClassVar[bool] = True
    error: ClassVar[type[T2AEdgeError]] = OptionError

    def check(self, name: str, value: Any) -> Any:
        """The value as a plain Python one; an error where it is none of this kind."""
        return self._check(name, value)

    def from_text(self, name: str, text: str) -> Any:
        """The value that somebody typed, or an address has."""
        return self._from_text(name, text)

    def from_json(self, name: str, value: Any) -> Any:
        """The value that JSON has."""
        return self._from_json(name, value)

    def schema(self) -> dict[str, Any]:
        """What JSON Schema says of it."""
        return self._schema()

    def _check(self, name: str, value: Any) -> Any:
        return value

    def _from_text(self, name: str, text: str) -> Any:
        return self._check(name, text)

    def _from_json(self, name: str, value: Any) -> Any:
        return self._check(name, value)

    def _schema(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `least` to `most`."""

    metavar: ClassVar[str] = "INTEGER"
    least: int
    most: int

    def _check(self, name: str, value: Any) -> int:
        return whole_number(name, value, self.least, self.most)

    def _from_text(self, name: str, text: str) -> int:
        return self._check(name, int(text) if WHOLE_TEXT.fullmatch(text) else text)

    def _from_json(self, name: str, value: Any) -> int:
        return self._check(name, whole(value))

    def _schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number(Kind):
    """A number from `least` to `most`."""

    metavar: ClassVar[str] = "FLOAT"
    least: float
    most: float

    def _check(self, name: str, value: Any) -> float:
        return number(name, value, self.least, self.most)

    def _from_text(self, name: str, text: str) -> float:
        return self._check(name, float(text) if NUMBER_TEXT.fullmatch(text) else text)

    def _schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Seed(Kind):
    """A whole number from 0 to 2^53 - 1, or a text that stands for one."""

    metavar: ClassVar[str] = "SEED"

    def _check(self, name: str, value: Any) -> int:
        return check_seed(value)

    def _from_json(self, name: str, value: Any) -> int:
        return check_seed(whole(value))

    def _schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": f"{LETTER.pattern}|^ *[0-9]{{1,15}} *$"}
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_SEED}, text]}


@dataclass(frozen=True)
class Words(Kind):
    """A prompt; what may stand in it is checked where it is parsed."""

    metavar: ClassVar[str] = "WORDS"
    error: ClassVar[type[T2AEdgeError]] = PromptError

    def _check(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise PromptError(f"{name} is {shown(value)}; expected adjectives, as text.")
        return value

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "examples": ["warm dark:1.4 -busy"]}


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    metavar: ClassVar[str] = ""

    def _check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise OptionError(f"{name} is {shown(value)}; expected true or false.")
        return value

    def _from_text(self, name: str, text: str) -> bool:
        known = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
        return self._check(name, known.get(text.lower(), text))

    def _schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    of: tuple[str, ...]

    def _check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.of:
            raise OptionError(f"{name} is {shown(value)}; expected {', '.join(self.of)}.")
        return value

    def _schema(self) -> dict[str, Any]:
        return {"enum": list(self.of)}


@dataclass(frozen=True)
class Pixels(Kind):
    """A number of pixels; the model says which fit."""

    metavar: ClassVar[str] = "PIXELS"

    def _from_text(self, name: str, text: str) -> int:
        if not WHOLE_TEXT.fullmatch(text):
            raise OptionError(f"{name} is {shown(text)}; expected a whole number of pixels.")
        return int(text)

    def _from_json(self, name: str, value: Any) -> Any:
        return whole(value)

    def _schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0}


@dataclass(frozen=True)
class Size(Kind):
    """Width and height in pixels: a pair, one number for both, or text such as 512x384.

    The model says which fit.
    """

    metavar: ClassVar[str] = "WIDTHxHEIGHT"

    def _check(self, name: str, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            parts = value.strip().lower().replace("×", "x").split("x")
            if len(parts) > 2 or not all(SIDE_TEXT.fullmatch(part) for part in parts):
                raise OptionError(
                    f"{name} is {shown(value)}; expected width and height in pixels, such as "
                    "512x384."
                )
            value = int(parts[0]), int(parts[-1])
        elif isinstance(value, int) and not isinstance(value, bool):
            value = value, value
        pair = sequence(value) or ()
        if len(pair) != 2:
            raise OptionError(f"{name} is {shown(value)}; expected width and height in pixels.")
        width, height = (
            whole_number(f"The {side} of the size", own, 1, MAX_SIDE)
            for side, own in zip(("width", "height"), pair, strict=True)
        )
        return width, height

    def _from_json(self, name: str, value: Any) -> tuple[int, int]:
        listed = isinstance(value, list)
        return self._check(name, [whole(side) for side in value] if listed else whole(value))

    def _schema(self) -> dict[str, Any]:
        side = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
        return {"type": "array", "items": side, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Given(Kind):
    """An object of this process, which no text stands for."""

    in_address: ClassVar[bool] = False
    in_json: ClassVar[bool] = False


@dataclass(frozen=True)
class Picture(Kind):
    """A picture: a path, a Pillow image, an array, or the bytes of a file; read where it is used.

    What is sent is the file in base64, never a path.
    """

    metavar: ClassVar[str] = "PICTURE"
    in_address: ClassVar[bool] = False  # nobody names a file of the server's
    error: ClassVar[type[T2AEdgeError]] = ImageError

    def _from_json(self, name: str, value: Any) -> bytes:
        try:
            if isinstance(value, str) and value:
                return base64.b64decode(value, validate=True)
        except ValueError:  # letters that are none of it, or not ASCII
            pass
        raise ImageError(f"{name} is no base64; expected that of a picture's file.")

    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "contentEncoding": "base64"}


def whole(value: Any) -> Any:
    """7.0 as 7: JSON has one kind of number, and JSON Schema calls both whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
