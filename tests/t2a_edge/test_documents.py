"""Files of others: what is read, and what is not even opened."""

import json
import os
import socket
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.documents import DEEPEST, is_file, is_folder, parse_json, read_bytes, sha256_of

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(NESTED)
def test_plain_json_is_read_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "Expecting value", id="nothing"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice", id="twice"),
        pytest.param('{"a": NaN}', "NaN is no number", id="nan"),
        pytest.param("[-Infinity]", "-Infinity is no number", id="infinity"),
        pytest.param("1e309", "a number is too large", id="1e309"),
        pytest.param("9" * 5000, "a number has 5000 digits", id="digits"),
        pytest.param(r'["\ud800"]', "a text has half a surrogate pair", id="surrogate"),
        pytest.param(r'{"\udcff": 1}', "a text has half a surrogate pair", id="surrogate-key"),
        pytest.param("[" * 100_000, "more than 32 deep", id="brackets"),
        pytest.param("[" * 33 + "]" * 33, "more than 32 deep", id="33-levels"),
        pytest.param('{"a":' * 50_000, "more than 32 deep", id="objects"),
        pytest.param(b"[\xff\xfe]", "byte 1 is no UTF-8", id="no-utf-8"),
        pytest.param("\ufeff{}", "BOM", id="bom"),
    ],
)
def test_other_json_is_told(text: str | bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_json(text)


@pytest.mark.parametrize("content", [b"a" * 9000 + b"\xff", '["' + "a" * 9000 + '\\ud800"]'])
def test_what_is_told_does_not_hold_all_that_was_read(content: str | bytes) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011 - its length is looked at
        parse_json(content)
    assert len(repr(told.value)) < 200


def test_what_may_be_nested_is_read() -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


@given(
    st.binary(max_size=60) | st.text(alphabet='[]{},:"0123456789eE+-.\\u truefalsn', max_size=60)
)
def test_no_text_raises_anything_but_a_value_error(content: bytes | str) -> None:
    try:
        parse_json(content)
    except ValueError:
        return


def test_a_regular_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    link = tmp_path / "link"
    link.symlink_to(path)  # as the caches of model hubs have them
    assert read_bytes(path, 3) == read_bytes(link, 3) == b"abc"
    assert sha256_of(path, 3).startswith("ba7816bf")
    for read in (read_bytes, sha256_of):
        with pytest.raises(OSError, match="it has 3 bytes; expected at most 2"):
            read(path, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and /dev/zero")
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it waits for ever
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "to-pipe").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket"))
        for name in ("pipe", "zero", "to-pipe", "socket", "."):
            with pytest.raises(OSError, match="it is no regular file"):
                read_bytes(tmp_path / name, 100)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none", 100)
    with pytest.raises(ValueError, match="null"):
        read_bytes(Path("a\0b"), 100)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=r"loop|symbolic"):
        read_bytes(loop, 100)


def test_no_more_memory_is_set_aside_than_a_file_has(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert read_bytes(path, 2**30) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_name_that_no_file_can_have_is_none(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / ("w" * 300), tmp_path / "loop", Path("a\0b"), tmp_path / "none"):
        assert not is_file(path)
        assert not is_folder(path)
    assert is_folder(tmp_path)
    assert is_file(Path(__file__))
