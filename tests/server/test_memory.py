"""What bounds the server's memory."""

import ctypes
import platform
from types import SimpleNamespace

import pytest

from t2a_edge import sampler
from t2a_edge.pipeline import Request
from t2a_edge.server import memory


@pytest.fixture
def told(monkeypatch):
    """What glibc is told, by a stand-in."""
    calls = {}
    library = SimpleNamespace(mallopt=lambda name, value: calls.update({name: value}) or 1)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    for name in memory.OWN_WISH:
        monkeypatch.delenv(name, raising=False)
    return calls


def test_glibc_keeps_few_heaps_and_little_in_them(told):
    assert memory.bound_heaps()
    assert told == {-8: 2, -3: 8 << 20, -1: 16 << 20}


def test_who_sets_the_environment_is_heard(told, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "16")
    assert not memory.bound_heaps()
    assert told == {}


def test_other_c_libraries_are_left_alone(told, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))  # musl, macOS, Windows
    assert not memory.bound_heaps()
    assert told == {}


def test_the_engines_are_given_no_more_than_some_pictures_at_once(engine, monkeypatch):
    rows = []
    for name in ("forms", "painter", "composer", "decoder"):
        run = getattr(engine._runner, name)

        def counted(inputs, run=run):
            rows.append(len(inputs[0] if isinstance(inputs, tuple) else inputs))
            return run(inputs)

        monkeypatch.setattr(engine._runner, name, counted)
    pictures = engine.draw([Request("warm", seed=seed) for seed in range(sampler.CHUNK + 2)])
    assert max(rows) == sampler.CHUNK
    monkeypatch.undo()
    assert pictures[-1].indices.tolist() == (
        engine.generate("warm", seed=sampler.CHUNK + 1).indices.tolist()
    )
