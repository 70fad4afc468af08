"""What the engines of a spec are given and give back, held against what they say themselves."""

from collections.abc import Mapping
from typing import NamedTuple

from t2a_edge.errors import BundleError
from t2a_edge.scales import scale_offsets
from t2a_edge.spec import Spec

Shape = tuple[int | str | None, ...]  # an axis that is no number is free


BYTES = ("text_bytes", "pixels")
INTEGERS = ("indices", "positions", "scale", "drawn")


class Tensors(NamedTuple):
    """An engine's inputs and outputs: name -> numpy's name of the element type, and the shape."""

    inputs: Mapping[str, tuple[str, Shape]]
    outputs: Mapping[str, tuple[str, Shape]]


def expected_shapes(spec: Spec, width: int | None) -> dict[str, dict[str, Shape]]:
    """Engine -> tensor -> the shape that the spec means; None is an axis of any length.

    Args:
        width: numbers of a text embedding, which the spec does not say.
    """
    positions, coarser = spec.positions, scale_offsets(spec.scales)[-2]
    cache = (spec.layers, None, spec.heads, None, spec.head_dim)
    words = {"text_embedding": (None, None, width), "word_weights": (None, None)}
    logits = {"logits": (None, None, spec.codebook_size)}
    size = spec.image_size
    return {
        "text": {"text_bytes": (None, None, spec.max_bytes), "text_embedding": (None, None, width)},
        "transformer": {
            "indices": (None, None), "resample": (None, None), "positions": (None,), **words,
            "past_keys": cache, "past_values": cache, **logits, "keys": cache, "values": cache,
        },
        "refiner": {
            "indices": (None, coarser), "resample": (None, sum(spec.scales[:-1])), "scale": (1,),
            "drawn": (None, None, None), **words, **logits,
        },
        "decoder": {"indices": (None, positions), "pixels": (None, size, size, 3)},
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
