"""What the engines of a spec are given and give back, held against what they say themselves."""

from collections.abc import Mapping
from typing import NamedTuple

from t2a_edge.errors import BundleError
from t2a_edge.form import SIDE
from t2a_edge.spec import Spec

Shape = tuple[int | str | None, ...]  # an axis that is no number is free


BYTES = ("text_bytes", "pixels")
INTEGERS = ("indices", "crop", "choice")


class Tensors(NamedTuple):
    """An engine's inputs and outputs: name -> numpy's name of the element type, and the shape."""

    inputs: Mapping[str, tuple[str, Shape]]
    outputs: Mapping[str, tuple[str, Shape]]


def expected_shapes(spec: Spec, width: int | None) -> dict[str, dict[str, Shape]]:
    """Engine -> tensor -> the shape that the spec means; None is an axis of any length.

    Args:
        width: numbers of a text embedding, which the spec does not say.
    """
    size = spec.image_size
    words = {"text_embedding": (None, None, width), "word_weights": (None, None)}
    latents, indices = (None, spec.side**2, spec.depth), (None, spec.positions)
    form = (None, SIDE, SIDE)
    return {
        "text": {"text_bytes": (None, None, spec.max_bytes), "text_embedding": (None, None, width)},
        "forms": {
            **words, "noise": (None, spec.forms), "crop": (None, 2),
            "form": form, "choice": (None,),
        },
        "painter": {
            "latents": latents, "level": (None,), "form": form, "form_level": (None,),
            "guidance": (None,), **words, "clean": latents,
        },
        "composer": {"latents": latents, "indices": indices},
        "encoder": {"indices": indices, "latents": latents},
        "decoder": {"indices": indices, "pixels": (None, size, size, 3)},
    }  # fmt: skip


def check_interface(spec: Spec, engines: Mapping[str, Tensors]) -> None:
    """Raise a BundleError where an engine is not one of the spec.

    Args:
        engines: by name, as `t2a_edge.runner.OnnxRunner.tensors` has them.
    """
    text = {**engines["text"].inputs, **engines["text"].outputs}
    axes = text.get("text_embedding", ("", ()))[1]
    width = axes[-1] if axes and isinstance(axes[-1], int) else None
    expected = expected_shapes(spec, width)
    for name, tensors in engines.items():
        found = {**tensors.inputs, **tensors.outputs}
        if found.keys() != expected[name].keys():
            raise BundleError(
                f"The engine {name} has the inputs and outputs {', '.join(found)}; expected "
                f"{', '.join(expected[name])}. Restore or export the bundle again."
            )
        for tensor, wanted in expected[name].items():
            kind, shape = found[tensor]
            if kind != element_type(tensor) or not fits(shape, wanted):
                raise BundleError(
                    f"The engine {name} has {tensor} as {kind} {written(shape)}; the bundle's "
                    f"spec means {element_type(tensor)} {written(wanted)}. Restore or export the "
                    "bundle again."
                )


def element_type(tensor: str) -> str:
    """Numpy's name of what a tensor of this name holds."""
    return "uint8" if tensor in BYTES else "int64" if tensor in INTEGERS else "float32"


def fits(shape: Shape, wanted: Shape) -> bool:
    """Whether a shape is the wanted one, as far as that has numbers."""
    return len(shape) == len(wanted) and all(
        not isinstance(length, int) or found == length
        for found, length in zip(shape, wanted, strict=True)
    )


def written(shape: Shape) -> str:
    """A shape, for people.

    >>> written((None, 256, "words"))
    '(any, 256, any)'
    """
    return "(" + ", ".join(str(n) if isinstance(n, int) else "any" for n in shape) + ")"
