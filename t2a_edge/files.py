"""Files, written whole or not at all, to where `cp` would write them.

Links are followed and stay; a file that may not be written, a folder and a link to nothing are
refused; a device, a FIFO and a file of several hard links are written into. Any other file is
replaced by a finished one that keeps its mode and owner. A new file has the mode that the system
gives it: the process's umask is never touched, since all threads share it.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from t2a_edge.errors import OptionError, T2AEdgeError

MOST_NAMES = 100_000  # of one stem, before a number is no longer looked for
IN_PLACE = ("/dev/", "/proc/")  # below them a path stands for an open file, and has no folder


def check_target(
    path: Path, *, is_folder: bool = False, error: type[T2AEdgeError] = OptionError
) -> None:
    """An error if a file plainly cannot be written to a path; nothing is made or changed.

    Args:
        is_folder: files are to be written into a folder of this path.
    """
    with _told(path, error):
        if is_folder:
            _check_folder(path)
        else:
            _found(path)


def is_open_file(path: Path) -> bool:
    """Whether a path is that of a device, a FIFO, or a file that is open, such as /dev/stdout."""
    if not path.exists() or path.is_dir():
        return False
    return not path.is_file() or str(path.absolute()).startswith(IN_PLACE)


def write_whole(path: Path, content: bytes, *, error: type[T2AEdgeError] = OptionError) -> None:
    """Write a file whole or not at all; its folder is made if it is missing.

    A device, a FIFO, a file of several hard links or of another owner is written into instead.

    Raises:
        T2AEdgeError: as `error`, where that cannot be done.
    """
    with _told(path, error):
        found = _found(path)
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content, None)
        elif is_open_file(path) or found.st_nlink > 1:
            _write_into(path, content)
        else:
            try:
                _replace(path.resolve(), content, found)
            except PermissionError:  # the folder is closed, or the owner another: the file is open
                _write_into(path, content)


def write_new(
    path: Path,
    content: bytes,
    taken: Collection[Path] = (),
    *,
    error: type[T2AEdgeError] = OptionError,
) -> Path:
    """Write a file under a name that nobody typed: no other file is ever overwritten.

    A number is added to the name where a file of other content has it; a file that holds these
    bytes already is left as it is.

    Args:
        path: the file that is wanted; its folder is made if it is missing.
        taken: paths that are not to be used, even for the same bytes.

    Returns:
        The path of the file that holds the content.

    Raises:
        T2AEdgeError: as `error`, where that cannot be done.
    """
    with _told(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        try:
            _write(temporary, content)
            for candidate in _numbered(path):
                if candidate not in taken and _claim(candidate, temporary, content):
                    return candidate
            raise FileExistsError(errno.EEXIST, f"{MOST_NAMES} files have such a name")
        finally:
            temporary.unlink(missing_ok=True)


def _found(path: Path) -> os.stat_result | None:
    """What is at a path, links followed; None for nothing. An OSError if it cannot be written."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise FileNotFoundError(errno.ENOENT, "it is a link to nothing") from None
        _check_folder(path.parent)
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ENXIO, "it is a socket")
    _check_access(path, os.W_OK)
    return found


def _check_folder(folder: Path) -> None:
    """An OSError unless files can be made in a folder, or it can be made itself."""
    if folder.is_symlink() and not folder.exists():
        raise FileNotFoundError(errno.ENOENT, f"{folder} is a link to nothing")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"it runs through {folder}, which is no folder")
    _check_access(folder, os.W_OK | os.X_OK)


def _check_access(path: Path, how: int) -> None:
    if not os.access(path, how, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, f"no permission to write to {path}")


def _write_into(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as opened:
        view = memoryview(content)
        while view:
            view = view[opened.write(view) :]


def _temporary(path: Path) -> Path:
    return path.with_name(f".t2a-edge-{os.urandom(8).hex()}")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as opened:  # the kernel takes the umask off: mode 0666 less its bits
        opened.write(content)


def _replace(path: Path, content: bytes, old: os.stat_result | None) -> None:
    """Put a finished file in the place of an old one, with the old one's owner and mode."""
    temporary = _temporary(path)
    try:
        _write(temporary, content)
        if old is not None:
            own = temporary.stat()
            if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid):
                os.chown(temporary, old.st_uid, old.st_gid)
            temporary.chmod(stat.S_IMODE(old.st_mode))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, MOST_NAMES):
        yield path.with_stem(f"{path.stem}-{number}")


def _claim(path: Path, temporary: Path, content: bytes) -> bool:
    """Whether a path holds the content now: it is new, or had it before."""
    try:
        os.link(temporary, path)  # fails where something is there, whoever wrote it meanwhile
    except FileExistsError:
        return _holds(path, content)
    except OSError:  # a file system without links
        try:
            path.open("xb").close()
        except FileExistsError:
            return _holds(path, content)
        os.replace(temporary, path)
    return True


def _holds(path: Path, content: bytes) -> bool:
    try:
        found = path.stat()
        plain = stat.S_ISREG(found.st_mode) and found.st_size == len(content)
        return plain and path.read_bytes() == content
    except OSError:  # a link to nothing, or no permission to read
        return False


@contextmanager
def _told(path: Path, error: type[T2AEdgeError]) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = getattr(exc, "strerror", None) or exc
        raise error(f"{path} cannot be written ({reason}); name a path that can.") from exc
