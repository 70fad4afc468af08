"""A runner of the engines in plain numpy: each says what it was given."""

import numpy as np

from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing, Given
from t2a_edge.prompt import parse_prompt
from t2a_edge.request import SamplingOptions
from t2a_edge.runner import Runner
from t2a_edge.spec import Spec

SPEC = Spec(
    image_size=32, scales=(1, 2, 4, 8), codebook_size=32, code_dim=8, max_words=4, max_bytes=16,
    depth=4, forms=6, steps=4,
)  # fmt: skip
PLACES = SPEC.side**2
STEP = np.float32(0.25)  # of a latent from one code to the next


class FakeRunner(Runner):
    """Each engine is a simple function of all that it is given; calls are kept.

    Attributes:
        painted, chosen: what the painter and the forms engine were given.
        composed: how many windows the composer was given.
    """

    def __init__(self):
        self.painted, self.chosen, self.composed = [], [], 0

    def text(self, text_bytes):
        first = text_bytes[..., :2].astype(np.float32)
        return first / np.float32(100)  # (B, W, 2)

    def forms(self, inputs):
        self.chosen.append(inputs)
        words = (inputs.text_embedding[..., 0] * inputs.word_weights).sum(-1)
        choice = (inputs.noise + np.cos(words)[:, None] * np.arange(SPEC.forms)).argmax(-1)
        waves = np.sin(np.arange(64) * (choice[:, None] + 1) / 10 + inputs.crop[:, :1])
        forms = waves[:, :, None] * np.cos(np.arange(64) / 9 + inputs.crop[:, 1:])[:, None]
        return (2 * forms).astype(np.float32), choice

    def painter(self, inputs):
        self.painted.append(inputs)
        words = (inputs.text_embedding[..., 1] * inputs.word_weights).sum(-1)
        told = inputs.guidance * words + inputs.level + inputs.form_level
        half = inputs.form.reshape(len(words), 2, 32, 2, 32).mean((2, 4)).reshape(-1, PLACES)
        near = inputs.latents.mean(1, keepdims=True, dtype=np.float32)
        clean = np.sin(told)[:, None, None] + half[..., None] + np.float32(0.3) * near
        return (clean + np.float32(0.2) * inputs.latents).astype(np.float32)

    def composer(self, latents):
        self.composed += len(latents)
        codes = np.rint(latents.reshape(len(latents), -1) / STEP).astype(np.int64) + 16
        indices = np.zeros((len(latents), SPEC.positions), dtype=np.int64)
        indices[:, : codes.shape[1]] = codes.clip(0, SPEC.codebook_size - 1)
        return indices

    def encoder(self, indices):
        codes = indices[:, : PLACES * SPEC.depth].reshape(-1, PLACES, SPEC.depth)
        return ((codes - 16) * STEP).astype(np.float32)

    def decoder(self, indices):
        grey = (indices[:, :PLACES] * 8).reshape(-1, 2, 2)
        pixels = grey.repeat(16, 1).repeat(16, 2)
        return pixels[..., None].repeat(3, -1).astype(np.uint8)


def options(**changed) -> SamplingOptions:
    plain = {
        "guidance_scale": 2.5, "steps": 4, "form_strength": 1.0, "temperature": 0.5
    }  # fmt: skip
    return SamplingOptions(**{**plain, **changed})


def drawing_of(
    runner: Runner, spec: Spec, prompt: str, seed: int = 7, *, blend: str | None = None,
    amount: float = 0.5, form: np.ndarray | None = None, given: Given | None = None, **changed,
) -> Drawing:  # fmt: skip
    """A drawing of a prompt, with some options changed."""
    first, second = (
        None if text is None else parse_prompt(text, max_words=8, max_bytes=spec.max_bytes)
        for text in (prompt, blend)
    )
    words = conditioning(runner, spec, first, second, amount)
    return Drawing(words, seed, options(**changed), form, given)
