"""JSON and TOML of files that somebody may have edited: all that is wrong is a ValueError."""

import json
from collections.abc import Callable
from typing import Any


def parsed(parse: Callable[[str], Any], text: str) -> Any:
    """What `json.loads` or `tomllib.loads` makes of a text.

    Raises:
        ValueError: the text is none such, or is nested too deep to be read.

    >>> parsed(float, "0.5")
    0.5
    """
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text is; a ValueError where it is none."""
    value = parsed(json.loads, text)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value
