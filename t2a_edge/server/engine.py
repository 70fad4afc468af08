"""What the server asks of an engine; `TextToArt` has it all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from t2a_edge.bundle import Bundle
from t2a_edge.prompt import Prompt
from t2a_edge.request import Request, SamplingOptions


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

    def check(self, request: Request) -> None:
        """A T2AEdgeError where the model cannot draw it."""

    def draw(
        self, requests: Sequence[Request], *, on_step: Callable[[int], None] | None = None
    ) -> list[Any]:
        """Artworks of several requests, in one run; it tells `on_step` how far it is."""

    def options(self) -> SamplingOptions:
        """What the model draws with by default."""

    def explain(self, prompt: str) -> list[Any]:
        """What each word of a prompt means to the model."""

    def stream(self, request: Request) -> Iterator[Any]:
        """A preview a step; the last is the artwork."""
