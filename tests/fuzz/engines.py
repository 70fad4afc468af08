"""Where inputs come from: atheris, hypothesis, or chance."""

import importlib.util
import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.core import PACKAGES, Places, Target
from tests.fuzz.mutation import LONGEST, mutated

ROUND = 1_000  # inputs after which hypothesis starts anew: it remembers all that it tried
NO_ATHERIS = "atheris is not installed, so bytes are changed by chance: pip install -e '.[fuzz]'"


def has_atheris() -> bool:
    """Whether bytes can be guided by what they reach."""
    return importlib.util.find_spec("atheris") is not None


def instrumented(load: Callable[[], Any]) -> Any:
    """Import what is tested in a way that atheris sees which branches an input takes."""
    import atheris

    with atheris.instrument_imports(include=list(PACKAGES)):
        return load()


def some_inputs(owner: Target, places: Places, count: int, seed: int) -> list[Any]:
    """The first inputs of a target: always the same ones for a seed."""
    if owner.values is None:
        assert owner.seeds is not None
        return list(islice(mutated(owner.seeds(places), seed), count))
    found: list[Any] = []
    feed_values(owner, count, seed, found.append)
    return found


def feed_values(owner: Target, count: int, start: int, call: Callable[[Any], None]) -> None:
    """Give `count` values to a call, or a few less where there are no more."""
    assert owner.values is not None

    def tried(value: Any) -> None:
        call(value)

    for number, begin in enumerate(range(0, count, ROUND)):
        how = settings(
            max_examples=min(ROUND, count - begin),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(start * 1_000_003 + number)(how(given(owner.values)(tried)))()


def feed_bytes(
    owner: Target, places: Places, count: int, start: int, call: Callable[[bytes], None]
) -> None:
    """Give `count` byte strings to a call, changed by chance."""
    assert owner.seeds is not None
    for given_bytes in islice(mutated(owner.seeds(places), start), count):
        call(given_bytes)


def feed_guided(
    owner: Target, places: Places, count: int, start: int, call: Callable[[bytes], None],
    finished: Callable[[], None],
) -> None:  # fmt: skip
    """Give `count` byte strings to a call, guided by what they reach; never returns.

    Args:
        finished: is called after the last one.
    """
    import atheris

    assert owner.seeds is not None
    folder = places.scratch / "seeds"
    folder.mkdir()
    for number, content in enumerate(owner.seeds(places)):
        (folder / str(number)).write_bytes(content[:LONGEST])
    tried = 0

    def one(content: bytes) -> None:
        nonlocal tried
        call(content)
        tried += 1
        if tried == count:
            finished()

    arguments = [sys.argv[0], f"-runs={count + 1000}", f"-seed={start}", f"-max_len={LONGEST}",
                 "-timeout=0", "-rss_limit_mb=0", "-verbosity=0", "-print_final_stats=0",
                 str(folder)]  # fmt: skip
    atheris.Setup(arguments, one, internal_libfuzzer=True)
    atheris.Fuzz()
