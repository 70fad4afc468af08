"""What the server asks of an engine; `TextToArt` has it all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from t2a_edge.bundle import Bundle
from t2a_edge.prompt import Prompt


class Engine(Protocol):
    """The part of `TextToArt` that is served; artworks are `t2a_edge.Artwork`."""

    @property
    def bundle(self) -> Bundle:
        """The model: its spec, its vocabulary, its hash."""

    @property
    def provider(self) -> str:
        """What runs the engines."""

    def parse(self, prompt: str) -> Prompt:
        """The prompt's adjectives; a PromptError if it cannot be used."""

    def draw(self, requests: Sequence[Any]) -> list[Any]:
        """Artworks of several `t2a_edge.pipeline.Request`, in one run."""

    def explain(self, prompt: str) -> list[Any]:
        """What each word of a prompt means to the model."""

    @property
    def generate(self) -> Callable[..., Any]:
        """One artwork, of any size; it tells `on_step` how far it is."""

    @property
    def stream(self) -> Callable[..., Iterator[Any]]:
        """A preview a step; the last is the artwork."""
