"""What a prompt, or the way from one prompt to another, tells the engines."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import number
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.runner import Runner
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Conditioning:
    """The words that steer a picture, in the order typed.

    Attributes:
        text_embedding: (W, T) float32.
        word_weights: (W,) float32, -4 to 4: as typed, times the share of the word's prompt; 0 is no
            word, below 0 a word to avoid.
        form_weights: (W,) float32, as typed, for the choice of a form.
        other_weights: the same of a second prompt, which chooses a form of its own; None where one
            prompt chooses.
        share: of the way from the one form to the other, 0 to 1.
    """

    text_embedding: Float32Array
    word_weights: Float32Array
    form_weights: Float32Array
    other_weights: Float32Array | None = None
    share: float = 0.0


def conditioning(
    runner: Runner,
    spec: Spec,
    prompt: Prompt,
    blend: Prompt | None = None,
    amount: float = 0.5,
) -> Conditioning:
    """What steers the painter.

    All words of a blend are read at once: those of the first prompt fade as those of the second one
    grow, and where one prompt has no share its words are left out. Each prompt chooses a form, and
    the picture's lies between them. So both ends are what either prompt gives alone.

    Args:
        runner: runs the text engine.
        blend, amount: a second prompt and its share, 0 to 1.

    Raises:
        OptionError: the amount is out of range.
    """
    amount = number("The amount", amount, 0, 1)
    shares = [(prompt, 1.0)] if blend is None else [(prompt, 1 - amount), (blend, amount)]
    parts = [(part.terms, share) for part, share in shares if share > 0]
    typed = [(term.word, share * term.weight) for terms, share in parts for term in terms]
    size = max(spec.max_words, len(typed))
    text_bytes, _ = text_bytes_from_words([word for word, _ in typed], size, spec.max_bytes)
    weights, form_weights, other_weights = np.zeros((3, size), dtype=np.float32)
    weights[: len(typed)] = [weight for _, weight in typed]
    start = 0
    for own, (terms, _) in zip((form_weights, other_weights), parts, strict=False):
        own[start : start + len(terms)] = [term.weight for term in terms]
        start += len(terms)
    embedding = runner.text(text_bytes[None])[0]
    if len(parts) == 1:
        return Conditioning(embedding, weights, form_weights)
    return Conditioning(embedding, weights, form_weights, other_weights, amount)
