"""What a prompt, or the way from one prompt to another, tells the engines."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import number
from t2a_edge.flow_runner import FlowRunner
from t2a_edge.flow_spec import FlowSpec
from t2a_edge.prompt import Prompt, text_bytes_from_words

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Conditioning:
    """The words that steer a picture, in the order typed.

    Attributes:
        text_embedding: (W, T) float32.
        word_weights: (W,) float32, -4 to 4: as typed, times the share of the word's prompt; 0 is no
            word, below 0 a word to avoid.
        form_weights: (W,) float32, the same for the choice of a form.
    """

    text_embedding: Float32Array
    word_weights: Float32Array
    form_weights: Float32Array


def conditioning(
    runner: FlowRunner,
    spec: FlowSpec,
    prompt: Prompt,
    blend: Prompt | None = None,
    amount: float = 0.5,
) -> Conditioning:
    """What steers the painter.

    All words of a blend are read at once, and those of the first prompt fade as those of the second
    one grow. The form is chosen by the first prompt whatever the amount is, so the composition
    stays.

    Args:
        runner: runs the text engine.
        blend, amount: a second prompt and its share, 0 to 1.

    Raises:
        OptionError: the amount is out of range.
    """
    amount = number("The amount", amount, 0, 1)
    terms, others = prompt.terms, () if blend is None else blend.terms
    words = [term.word for term in (*terms, *others)]
    size = max(spec.max_words, len(words))
    text_bytes, _ = text_bytes_from_words(words, size, spec.max_bytes)
    weights, form_weights = np.zeros((2, size), dtype=np.float32)
    form_weights[: len(terms)] = [term.weight for term in terms]
    share = 1 - amount if blend is not None else 1
    weights[: len(words)] = [
        *(share * term.weight for term in terms), *(amount * term.weight for term in others)
    ]  # fmt: skip
    return Conditioning(runner.text(text_bytes[None])[0], weights, form_weights)
