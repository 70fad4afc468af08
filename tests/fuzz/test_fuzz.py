"""Inputs that failed once, and a few hundred new ones for each target; `make fuzz` tries many."""

import contextlib
import json

import pytest

from tests.fuzz.core import (
    BrokenContractError,
    Places,
    as_bytes,
    clocked,
    corpus_of,
    from_bytes,
    little_memory,
    load_targets,
    outcome,
)
from tests.fuzz.engines import some_inputs
from tests.fuzz.shrink import smaller
from tests.fuzz.values import edited, json_text

pytest.importorskip("fastapi")
TARGETS = load_targets()
QUICK, SLOW = 200, 25  # inputs of a target; of one that may draw


@pytest.fixture(scope="module")
def places(tiny_bundle, tiny_checkpoint, tmp_path_factory) -> Places:
    scratch = tmp_path_factory.mktemp("fuzz")
    return Places(bundle=tiny_bundle, checkpoint=tiny_checkpoint, scratch=scratch)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_input_breaks_the_contract(name, places, monkeypatch):
    """It returns, or one of our errors says in one sentence why not."""
    monkeypatch.setattr("tests.fuzz.core.SECONDS", 5.0)
    owner = TARGETS[name]
    known = [from_bytes(owner, path.read_bytes()) for path in corpus_of(owner)]
    found = some_inputs(owner, places, SLOW if owner.slow else QUICK, seed=1)
    with clocked(), owner.opened(places) as call, little_memory():
        for given in (*known, *found):
            failure = outcome(call, given)
            assert failure is None, f"{as_bytes(given)!r}\n{failure.text}"


def test_a_failure_is_found_and_made_small(monkeypatch):
    """The harness can fail."""

    def call(given: bytes) -> None:
        if b"\x00" in given:
            raise ValueError("a NUL")

    with clocked():
        failure = outcome(call, b"warm\x00dark")
        assert failure is not None
        assert failure.key.startswith("ValueError at ")
        assert outcome(call, b"warm") is None
        assert smaller(b"warm\x00dark", lambda b: outcome(call, b) == failure) == b"\x00"


def test_an_input_that_hangs_is_a_failure(monkeypatch):
    monkeypatch.setattr("tests.fuzz.core.SECONDS", 0.05)

    def call(_: object) -> None:
        while True:
            pass

    with clocked():
        failure = outcome(call, b"")
    assert failure is not None
    assert failure.key.startswith("HungError")


def test_values_become_what_no_json_library_writes():
    text = json_text({"a": {"$": "deep", "levels": 3}, "b": [{"$": "digits", "count": 2}]})
    assert text == '{"a": [[[]]], "b": [11]}'
    change = {"where": [0, 1], "what": "set", "value": None}
    assert edited({"a": [1, 2]}, [change]) == {"a": [1, None]}


def test_changes_stay_as_they_are_where_a_later_one_goes_into_an_earlier_one():
    change = {"where": [], "what": "add", "value": {"$": "deep", "levels": 3}}
    before = json.dumps(change)
    edited({"a": 1}, [change, change, {"where": [1], "what": "add", "value": change["value"]}])
    assert json.dumps(change) == before


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
HEADER = b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n"


@pytest.mark.parametrize(
    ("written", "asked", "sound"),
    [
        (ANSWER + ANSWER, b"GET / GET /", True),
        (HEADER + ANSWER, b"HEAD / GET /", True),  # what HEAD gets has no body
        (ANSWER[:-1], b"GET /", True),  # a connection may be cut
        (HEADER + ANSWER, b"GET / GET /", False),
        (b"junk\r\n\r\n", b"GET /", False),
        (ANSWER + b"junk", b"HEAD /", False),
        (b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", b"GET /", False),
    ],
)
def test_a_conversation_is_whole_answers(written, asked, sound):
    from tests.fuzz.server import check_conversation

    with contextlib.nullcontext() if sound else pytest.raises(BrokenContractError):
        check_conversation(written, asked)
