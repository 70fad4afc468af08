"""What a target is, what counts as a failure, and where failures are kept."""

import contextlib
import hashlib
import importlib
import json
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

from t2a_edge.errors import T2AEdgeError

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
PACKAGES = ("t2a_edge", "train", "bench")
MODULES = ("text", "bundles", "pictures", "training", "library", "command", "server")
SECONDS = 20.0  # that one input may take
MEMORY = 2 * 2**30  # bytes that inputs may ask for beyond what libraries have

Try = Callable[[Any], None]


class HungError(BaseException):
    """One input took longer than it may; no `except Exception` swallows it."""


class BrokenContractError(Exception):
    """A call ended in a way that it must not, without an exception of its own."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What targets work with.

    Attributes:
        bundle: the tiny INT8 bundle.
        checkpoint: the tiny model's safetensors file.
        scratch: an empty folder.
    """

    bundle: Path
    checkpoint: Path
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class Target:
    """One surface that is fed.

    Attributes:
        opened: a context manager that gives what is called with one input after the other.
        seeds: valid inputs, where inputs are bytes.
        values: of inputs that are JSON values.
        module: where it stands.
        slow: an input may draw pictures; the quick test tries fewer.
    """

    name: str
    opened: Callable[[Places], contextlib.AbstractContextManager[Try]]
    seeds: Callable[[Places], list[bytes]] | None = None
    values: SearchStrategy[Any] | None = None
    module: str
    slow: bool = False


TARGETS: dict[str, Target] = {}


def target(
    name: str,
    *,
    seeds: Callable[[Places], list[bytes]] | None = None,
    values: SearchStrategy[Any] | None = None,
    slow: bool = False,
) -> Callable[[Callable[[Places], Iterator[Try]]], Callable[[Places], Iterator[Try]]]:
    """Register a generator that yields what is called with each input."""

    def register(function: Callable[[Places], Iterator[Try]]) -> Callable[[Places], Iterator[Try]]:
        opened = contextlib.contextmanager(function)
        TARGETS[name] = Target(
            name=name, opened=opened, seeds=seeds, values=values, module=function.__module__,
            slow=slow,
        )  # fmt: skip
        return function

    return register


def load_targets(*modules: str) -> dict[str, Target]:
    """All targets by name, or those of some modules; imports what they test."""
    for module in modules or [f"tests.fuzz.{name}" for name in MODULES]:
        importlib.import_module(module)
    return TARGETS


def must(condition: bool, text: str) -> None:
    """A failure of the input where the condition does not hold."""
    if not condition:
        raise BrokenContractError(text)


@dataclass(frozen=True)
class Failure:
    """What an input led to.

    Attributes:
        key: the same for inputs that fail alike: exception and place.
        text: the traceback.
    """

    key: str
    text: str = field(compare=False)


def outcome(call: Try, given: Any) -> Failure | None:
    """Try one input: None where it returns or is refused by one of our errors."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call(given)
    except T2AEdgeError as exc:
        return _unclear(exc)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        return Failure(_key(exc), "".join(traceback.format_exception(exc)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _unclear(exc: T2AEdgeError) -> Failure | None:
    """Our own error, where its text is none for a person."""
    text = str(exc)
    if text and len(text) < 2_000:
        return None
    return Failure(f"too long a text, or none, at {_place(exc)}", f"{len(text)}: {text[:500]}")


def _key(exc: BaseException) -> str:
    detail = f": {exc}" if isinstance(exc, BrokenContractError) else ""
    return f"{type(exc).__name__}{detail[:80]} at {_place(exc)}"


def _place(exc: BaseException) -> str:
    """The deepest line of ours that an exception passed."""
    frames = traceback.extract_tb(exc.__traceback__)
    ours = [
        f for f in frames if Path(f.filename).is_relative_to(ROOT) and ".venv" not in f.filename
    ]
    inside = [f for f in ours if "tests" not in Path(f.filename).relative_to(ROOT).parts] or ours
    if not inside:
        return "an unknown place"
    return f"{Path(inside[-1].filename).relative_to(ROOT)}:{inside[-1].name}"


@contextlib.contextmanager
def clocked() -> Iterator[None]:
    """Raises HungError in an input that takes too long."""

    def late(*_: object) -> None:
        raise HungError(f"more than {SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, late)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """A MemoryError for what asks for more than `MEMORY` beyond what is mapped now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def as_bytes(given: Any) -> bytes:
    """An input as it is kept in a file."""
    if isinstance(given, bytes):
        return given
    return (json.dumps(given, sort_keys=True) + "\n").encode("ascii")


def from_bytes(owner: Target, kept: bytes) -> Any:
    """An input from its file."""
    return kept if owner.values is None else json.loads(kept)


def corpus_of(owner: Target) -> list[Path]:
    """Inputs that failed once."""
    folder = CORPUS / owner.name
    return sorted(folder.iterdir()) if folder.is_dir() else []


def keep(owner: Target, given: Any, folder: Path = CORPUS) -> Path:
    """Write an input to the corpus."""
    content = as_bytes(given)
    suffix = "bin" if owner.values is None else "json"
    path = folder / owner.name / f"{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
