"""Values that a caller or a file may hold by mistake or malice, each told by JSON alone.

What JSON has no word for is an object with the key "$", which `real` turns into the value:

    {"$": "array", "dtype": "float32", "shape": [2, 3], "fill": 0.5}
    {"$": "power", "base": 10, "to": 5000}     a whole number of 5001 digits
    {"$": "deep", "levels": 100000}            brackets in brackets
"""

import copy
import decimal
import fractions
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

DTYPES = ("uint8", "int8", "int64", "uint64", "float16", "float32", "float64", "bool", "complex64",
          "<U3", "S2", "object", "datetime64[s]")  # fmt: skip
KINDS = ("int64", "uint8", "float32", "float64", "float16", "bool_", "complex64", "str_")
NUMBERS = (0, 1, -1, 2, 3, 7, 255, 256, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63,
           2**64, -(2**63), 10**30, 0.5, -0.0, 1.0, 1e-308, 1e308, -1e308, float("nan"),
           float("inf"), float("-inf"), 3.5, 1e16)  # fmt: skip
TEXTS = ("", " ", "warm", "warm dark", "warm:2 -busy", "\x00", "\ud800", "a\nb", "7", "-1", "nan",
         "0x10", "/dev/zero", "/dev/null", "../x", ".", "..", "/", "é", "e\u0301", "\u202e",
         "x" * 300,
         "\U0001f3a8", "true", "null", "png", "a/b", "a\\b", "warm\u200bdark", "１", "-", ":",
         "warm:1e400", "warm:-0", "--help")  # fmt: skip


def _special() -> st.SearchStrategy[Any]:
    shape = st.lists(st.sampled_from([0, 1, 2, 3, 31, 32, 33, 64]), max_size=4)
    fills = st.sampled_from([0, 1, 255, -1, 0.5, 128])
    array = st.fixed_dictionaries(
        {"$": st.just("array"), "dtype": st.sampled_from(DTYPES), "shape": shape, "fill": fills}
    )
    scalar = st.fixed_dictionaries(
        {
            "$": st.just("scalar"),
            "kind": st.sampled_from(KINDS),
            "value": st.sampled_from([0, 1, 7, 255, 0.5, 3.0]),
        }
    )
    plain = st.sampled_from(
        [
            {"$": "power", "base": 10, "to": 5000}, {"$": "power", "base": -10, "to": 400},
            {"$": "deep", "levels": 50}, {"$": "deep", "levels": 5_000}, {"$": "object"},
            {"$": "bytes", "hex": ""}, {"$": "bytes", "hex": "7761726d"}, {"$": "set"},
            {"$": "tuple", "items": [32, 32]}, {"$": "fraction"}, {"$": "decimal"},
            {"$": "complex"}, {"$": "path", "text": "art.png"}, {"$": "text", "length": 100_000},
            {"$": "generator"}, {"$": "type"}, {"$": "function"}, {"$": "range", "to": 3},
            {"$": "int subclass"}, {"$": "failing"},
        ]
    )  # fmt: skip
    return st.one_of(array, scalar, plain)


def plain_json() -> st.SearchStrategy[Any]:
    """Values that JSON has words for; and "$" for those that only a text can write."""
    written = st.sampled_from([{"$": "deep", "levels": 20_000}, {"$": "digits", "count": 5_000},
                               {"$": "text", "length": 10_000}])  # fmt: skip
    leaves = st.one_of(
        st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS),
        st.integers(-300, 300), st.floats(allow_nan=True), st.text(max_size=6), written,
    )  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(TEXTS), inner, max_size=2)
        ),
        max_leaves=4,
    )


def hostile() -> st.SearchStrategy[Any]:
    """Any value that Python code may pass by mistake."""
    return st.one_of(
        st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS),
        st.integers(-300, 300), st.text(max_size=12), _special(),
        st.lists(st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), _special()),
                 max_size=3),
        st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), max_size=2),
    )  # fmt: skip


class _Whole(int):
    """A whole number of a class of its own."""


class _Failing:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        raise RuntimeError("no length")


def real(value: Any) -> Any:
    """The Python value of a hostile one."""
    if isinstance(value, list):
        return [real(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: real(item) for key, item in value.items()}
    return _MAKERS[value["$"]](value)


def _array(given: dict[str, Any]) -> Any:
    return np.full(given["shape"], given["fill"]).astype(given["dtype"])


def _deep(given: dict[str, Any]) -> Any:
    value: list[Any] = []
    for _ in range(given["levels"]):
        value = [value]
    return value


def _anything(*_: Any) -> None:
    """A function that takes whatever it is given."""


_MAKERS: dict[str, Any] = {
    "array": _array,
    "scalar": lambda given: getattr(np, given["kind"])(given["value"]),
    "power": lambda given: given["base"] ** given["to"],
    "digits": lambda given: 10 ** given["count"],
    "deep": _deep,
    "object": lambda _: object(),
    "bytes": lambda given: bytes.fromhex(given["hex"]),
    "set": lambda _: {"warm"},
    "tuple": lambda given: tuple(real(given["items"])),
    "fraction": lambda _: fractions.Fraction(1, 3),
    "decimal": lambda _: decimal.Decimal("0.5"),
    "complex": lambda _: 1j,
    "path": lambda given: Path(given["text"]),
    "text": lambda given: "w" * given["length"],
    "generator": lambda _: (word for word in ["warm", 7]),
    "type": lambda _: int,
    "function": lambda _: _anything,  # what a function raises itself is its own affair
    "range": lambda given: range(given["to"]),
    "int subclass": lambda _: _Whole(7),
    "failing": lambda _: _Failing(),
}


def json_text(value: Any) -> str:
    """A value of `plain_json` as a JSON text, also where no JSON library would write it."""
    pieces: list[str] = []

    def marked(item: Any) -> Any:
        if isinstance(item, list):
            return [marked(part) for part in item]
        if isinstance(item, dict):
            kind = item.get("$")
            if kind == "deep":
                pieces.append("[" * item["levels"] + "]" * item["levels"])
            elif kind == "digits":
                pieces.append("1" * item["count"])
            elif kind == "text":
                pieces.append('"' + "w" * item["length"] + '"')
            else:
                return {key: marked(part) for key, part in item.items()}
            return f"@piece {len(pieces) - 1}@"
        return item

    text = json.dumps(marked(value))
    for number, piece in enumerate(pieces):
        text = text.replace(f'"@piece {number}@"', piece)
    return text


def edits() -> st.SearchStrategy[Any]:
    """Changes of a JSON document: where (which child, level by level) and what."""
    return st.lists(
        st.fixed_dictionaries(
            {
                "where": st.lists(st.integers(0, 30), max_size=5),
                "what": st.sampled_from(["set", "set", "set", "delete", "add", "double"]),
                "value": plain_json(),
            }
        ),
        min_size=1,
        max_size=3,
    )


def edited(document: Any, changes: list[dict[str, Any]]) -> Any:
    """A copy of a JSON document with changes; these stay as they are."""
    holder = [copy.deepcopy(document)]
    for change in copy.deepcopy(changes):  # a change may go into the value of one before it
        parent, key = _found(holder, change["where"])
        if change["what"] == "delete" and parent is not holder:
            del parent[key]
        elif change["what"] == "add" and isinstance(parent[key], dict):
            parent[key]["unheard-of"] = change["value"]
        elif change["what"] == "double" and isinstance(parent[key], list):
            parent[key] += copy.deepcopy(parent[key])
        else:
            parent[key] = change["value"]
    return holder[0]


def _found(holder: list[Any], where: list[int]) -> tuple[Any, Any]:
    parent, key = holder, 0
    for step in where:
        inner = parent[key]
        if not isinstance(inner, dict | list) or not inner or "$" in inner:
            break
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        parent, key = inner, list(keys)[step % len(inner)]
    return parent, key
