"""What a bundle's manifest may say: one schema with bounds, checked before anything is done."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from t2a_edge.checks import shown, whole_number
from t2a_edge.errors import BundleError
from t2a_edge.spec import Spec

PRECISIONS = ("fp32", "fp16", "int8", "ptq-int8")  # the last is INT8 without training
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # no folder, no hidden file
SHA256 = re.compile(r"[0-9a-f]{64}")
CONTROL = re.compile(r"[^\n\t -~\xa0-\U0010ffff]")
MOST_FILES = 32
MOST_FILE_BYTES = 2**30
MOST_WORDS = 100_000
MOST_CHARACTERS = 100_000  # of a text
MOST_PARAMETERS = 10**12


class FileEntry(NamedTuple):
    """How the manifest names a file: its bytes, and their sha256 in hexadecimal."""

    size_bytes: int
    sha256: str


class Manifest(NamedTuple):
    """The parts of a manifest that the runtime makes use of at load.

    Attributes:
        spec: shapes and sampling defaults.
        vocabulary: adjectives that training used.
        precision: of the engines: fp32, fp16, int8 or ptq-int8.
        files: each file's entry by its name.
    """

    spec: Spec
    vocabulary: tuple[str, ...]
    precision: str
    files: Mapping[str, FileEntry]


def read_manifest(values: Mapping[str, Any]) -> Manifest:
    """Check a manifest of this format, all of it.

    Args:
        values: as `t2a_edge.documents.parse_json` gives them.

    Raises:
        BundleError: a key is missing, or a value is of another kind or out of bounds.
    """
    for name in REQUIRED:
        if name not in values:
            raise BundleError(f"It has no key {name!r}.")
    for name, check in CHECKS.items():
        if name in values:
            check(name, values[name])
    spec = Spec.from_json(values["spec"])
    vocabulary = _vocabulary(values["vocabulary"], spec.max_bytes)
    return Manifest(spec, vocabulary, values["precision"], _files(values["files"]))


def _expected(name: str, value: Any, expected: str) -> BundleError:
    return BundleError(f"Its {name} is {shown(value)}; expected {expected}.")


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _expected(name, value, "an object")
    return value


def _text(name: str, value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= MOST_CHARACTERS
    if not fits or CONTROL.search(value):  # a terminal would do what it says
        raise _expected(
            name, value, f"text of at most {MOST_CHARACTERS} characters, none of them for control"
        )
    return str(value)


def _texts(name: str, value: Any) -> None:
    for key, text in _mapping(name, value).items():
        _text(name, key)
        _text(f"{name}.{shown(key)}", text)


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda name, value: whole_number(f"Its {name}", value, least, most, error=BundleError)


def _precision(name: str, value: Any) -> None:
    if not isinstance(value, str) or value not in PRECISIONS:
        raise _expected(name, value, f"one of {', '.join(PRECISIONS)}")


def _sha256(name: str, value: Any) -> str:
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise _expected(name, value, "a sha256, 64 hexadecimal digits")
    return value


REQUIRED = ("spec", "vocabulary", "precision", "files", "checkpoint_sha256")
CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "about": _texts,
    "card": _mapping,
    "checkpoint_sha256": _sha256,
    "integer_kernels": _mapping,
    "licence": _text,
    "noise": _text,
    "opset": _whole(1, 1000),
    "parameters": _whole(0, MOST_PARAMETERS),
    "parity": _mapping,
    "post_training": _mapping,
    "precision": _precision,
    "scores": _mapping,
    "source_commit": _text,
    "versions": _texts,
}


def _vocabulary(value: Any, most_bytes: int) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_WORDS:
        raise _expected("vocabulary", value, f"a list of 1 to {MOST_WORDS} words")
    for word in value:
        fits = isinstance(word, str) and 1 <= len(word.encode("utf-8")) <= most_bytes
        if not fits or not word.isprintable() or word != word.strip():
            raise _expected(
                "vocabulary", word, f"words of 1 to {most_bytes} bytes, and nothing else"
            )
    return tuple(value)


def _files(value: Any) -> dict[str, FileEntry]:
    if not isinstance(value, Mapping) or len(value) > MOST_FILES:
        raise _expected("files", value, f"an object of at most {MOST_FILES} files")
    found = {}
    for name, entry in value.items():
        if not NAME.fullmatch(name):
            raise _expected("files", name, "plain names of files in the bundle's folder")
        entry = _mapping(f"files.{name}", entry)
        size = whole_number(
            f"Its files.{name}.bytes", entry.get("bytes"), 1, MOST_FILE_BYTES, error=BundleError
        )
        found[name] = FileEntry(size, _sha256(f"files.{name}.sha256", entry.get("sha256")))
    if sum(entry.size_bytes for entry in found.values()) > MOST_FILE_BYTES:
        raise BundleError(f"Its files have more than {MOST_FILE_BYTES} bytes together.")
    return found
