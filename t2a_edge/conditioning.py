"""What a prompt, or the way from one prompt to another, tells the engines."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import number
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.runner import Runner
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]

MIDDLE = 0.5  # of the way to the second prompt, beyond which it chooses the form


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
    runner: Runner,
    spec: Spec,
    prompt: Prompt,
    blend: Prompt | None = None,
    amount: float = 0.5,
) -> Conditioning:
    """What steers the painter.

    All words of a blend are read at once: those of the first prompt fade as those of the second one
    grow, and where one prompt has no share its words are left out. The form is chosen by the
    prompt with the larger share, the first one at a half: so both ends are what either prompt
    gives alone, and the composition changes once, half way.

    Args:
        runner: runs the text engine.
        blend, amount: a second prompt and its share, 0 to 1.

    Raises:
        OptionError: the amount is out of range.
    """
    amount = number("The amount", amount, 0, 1)
    shares = [(prompt, 1.0, True)]
    if blend is not None:
        shares = [(prompt, 1 - amount, amount <= MIDDLE), (blend, amount, amount > MIDDLE)]
    typed = [
        (term.word, share * term.weight, term.weight * chooses)
        for part, share, chooses in shares
        if share > 0
        for term in part.terms
    ]
    size = max(spec.max_words, len(typed))
    text_bytes, _ = text_bytes_from_words([word for word, _, _ in typed], size, spec.max_bytes)
    weights, form_weights = np.zeros((2, size), dtype=np.float32)
    weights[: len(typed)] = [weight for _, weight, _ in typed]
    form_weights[: len(typed)] = [weight for _, _, weight in typed]
    return Conditioning(runner.text(text_bytes[None])[0], weights, form_weights)
