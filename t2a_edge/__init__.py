"""Adjectives in, abstract picture out, on the edge.

>>> from t2a_edge import TextToArt
>>> TextToArt().generate("warm dark fluid", seed=7).save("art.png")
PosixPath('art.png')
"""

from typing import TYPE_CHECKING, Any

from t2a_edge.errors import T2AEdgeError

if TYPE_CHECKING:
    from t2a_edge.attributes import attribute_scores
    from t2a_edge.pipeline import Artwork, Meaning, TextToArt
    from t2a_edge.request import Request

__version__ = "0.1.0"
__all__ = [
    "Artwork", "Meaning", "Request", "T2AEdgeError", "TextToArt", "__version__", "attribute_scores",
]  # fmt: skip


def __dir__() -> list[str]:
    """Also what is not loaded yet, so that completion offers it."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Load what is heavy when it is first asked for: `--help` and errors stay instant."""
    if name == "Request":
        from t2a_edge.request import Request

        return Request
    if name in ("Artwork", "Meaning", "TextToArt"):
        from t2a_edge import pipeline

        return getattr(pipeline, name)
    if name == "attribute_scores":
        from t2a_edge.attributes import attribute_scores

        return attribute_scores
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
