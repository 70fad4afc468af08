"""Files go where `cp` would put them, whole or not at all."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from t2a_edge import files
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.files import check_target, write_new, write_whole

NOBODY = 65534
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX links and modes")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path: Path, said: str) -> None:
    """Neither the check before nor the writing itself lets a path pass."""
    with pytest.raises(OptionError, match=said):
        check_target(path)
    with pytest.raises(ImageError, match=said):
        write_whole(path, b"new", error=ImageError)


# ---- modes


@posix
def test_the_umask_is_never_touched(tmp_path, monkeypatch):
    def touched(_mask):
        raise AssertionError("the umask belongs to all threads")

    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", touched)
            write_whole(tmp_path / "whole", b"1")
            write_new(tmp_path / "new", b"1")
    finally:
        os.umask(before)
    for name in ("whole", "new"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


@posix
def test_files_of_several_threads_have_one_mode(tmp_path):
    def write(number: int) -> None:
        for i in range(50):
            write_whole(tmp_path / f"{number}-{i}", b"1")

    before = os.umask(0o077)
    try:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@posix
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, mode):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(mode)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


# ---- links, devices, folders


@posix
def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert names(tmp_path) == ["link", "real"]


@posix
def test_a_link_to_nothing_or_in_a_circle_is_refused(tmp_path):
    (tmp_path / "lost").symlink_to("missing")
    (tmp_path / "round").symlink_to("round")
    refused(tmp_path / "lost", "a link to nothing")
    refused(tmp_path / "round", "cannot be written")
    assert names(tmp_path) == ["lost", "round"]


@posix
def test_hard_links_stay_one_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old and longer")
    os.link(tmp_path / "a", tmp_path / "b")
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "b").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_nlink == 2


@posix
def test_a_fifo_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    content, read = bytes(range(256)) * 1000, []  # more than a pipe holds
    thread = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    thread.start()
    check_target(tmp_path / "pipe")
    write_whole(tmp_path / "pipe", content)
    thread.join(30)
    assert read == [content]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert names(tmp_path) == ["pipe"]


@posix
def test_a_device_is_written_into():
    write_whole(Path("/dev/null"), b"1")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_folder_and_a_path_through_a_file_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    refused(tmp_path / "folder", "it is a folder")
    refused(tmp_path / "file" / "a", "which is no folder")
    refused(tmp_path / ("a" * 300), "too long")
    refused(tmp_path / "a\0b", "cannot be written")
    assert names(tmp_path) == ["file", "folder"]


@posix
def test_who_may_not_write_is_told_before_and_a_closed_folder_s_open_file_is_written(tmp_path):
    program = f"""
import os, sys
from pathlib import Path
from t2a_edge.errors import OptionError
from t2a_edge.files import check_target, write_whole
if os.geteuid() == 0:
    os.setgid({NOBODY}); os.setuid({NOBODY})
folder = Path(sys.argv[1])
for name in ("read-only", "missing", "below/missing"):
    for write in (check_target, lambda path: write_whole(path, b"new")):
        try:
            write(folder / name)
            print("written", name)
        except OptionError as exc:
            print("permission" in str(exc))
write_whole(folder / "open", b"new")
"""
    (tmp_path / "read-only").write_bytes(b"old")
    (tmp_path / "read-only").chmod(0o444)
    (tmp_path / "open").write_bytes(b"old")
    (tmp_path / "open").chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):
            folder.chmod(0o555 if folder == tmp_path else folder.stat().st_mode | 0o555)
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env={**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    tmp_path.chmod(0o755)
    if "PermissionError" in ended.stderr and "setgid" in ended.stderr:
        pytest.skip("needs the right to become another user")
    assert (ended.stderr, ended.stdout.split()) == ("", ["True"] * 6)
    assert (tmp_path / "read-only").read_bytes() == b"old"
    assert (tmp_path / "open").read_bytes() == b"new"
    assert names(tmp_path) == ["open", "read-only"]


# ---- names that nobody typed


def test_another_file_of_the_name_is_never_overwritten(tmp_path):
    path = tmp_path / "made" / "a.png"
    assert write_new(path, b"1") == path
    assert write_new(path, b"1") == path  # the same again
    assert write_new(path, b"2").name == "a-2.png"
    assert write_new(path, b"3").name == "a-3.png"
    assert write_new(path, b"2").name == "a-2.png"
    assert write_new(path, b"1", {path}).name == "a-4.png"
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == {
        "a.png": b"1", "a-2.png": b"2", "a-3.png": b"3", "a-4.png": b"1",
    }  # fmt: skip


@posix
def test_what_is_no_plain_file_keeps_its_name(tmp_path):
    (tmp_path / "a.png").symlink_to("missing")
    (tmp_path / "a-2.png").mkdir()
    os.mkfifo(tmp_path / "a-3.png")
    assert write_new(tmp_path / "a.png", b"1").name == "a-4.png"
    assert names(tmp_path) == ["a-2.png", "a-3.png", "a-4.png", "a.png"]


def test_two_writers_of_one_name_lose_nothing(tmp_path):
    contents = [bytes([number]) * 1000 for number in range(16)]
    threads = [
        threading.Thread(target=write_new, args=(tmp_path / "a.png", content))
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == contents


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def no_links(*_paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert write_new(tmp_path / "a.png", b"1").name == "a.png"
    assert write_new(tmp_path / "a.png", b"2").name == "a-2.png"
    assert write_new(tmp_path / "a.png", b"1").name == "a.png"
    assert names(tmp_path) == ["a-2.png", "a.png"]
