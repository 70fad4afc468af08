"""Where a server listens: an address and a port, or a Unix socket."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2a_edge.errors import OptionError
from t2a_edge.server.settings import Settings

KEPT_OUT = 0o117  # of a Unix socket's permissions: its owner and its group may connect


def bound_socket(settings: Settings) -> socket.socket:
    """A socket that has its address; an OptionError where that cannot be had.

    It listens when the server does: until then connections are refused, and no probe waits.
    """
    try:
        if settings.uds is not None:
            return _bound_file(settings.uds)
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return _bound(family, (settings.host, settings.port))
    except OSError as exc:
        raise not_had(settings, exc) from exc


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    """As `socket.create_server` makes one, which listens at once."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this lets two servers have one address
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # what it accepts inherits this; asyncio sets it for sockets that name their protocol alone,
        # and a body behind its head would wait 40 ms for the client's acknowledgement
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _bound_file(path: Path) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OptionError("This system has no Unix sockets; name a host and a port.")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(KEPT_OUT)
    try:
        _take_away_stale(path)
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


@contextlib.contextmanager
def file_taken_away(path: Path | None) -> Iterator[None]:
    """Take a Unix socket's file away at the end, unless another server has put its own there."""
    own = None if path is None else path.stat()
    try:
        yield
    finally:
        if path is not None and own is not None:
            with contextlib.suppress(OSError):
                if os.path.samestat(own, path.stat()):
                    path.unlink()


def _take_away_stale(path: Path) -> None:
    """Remove a socket's file that nobody listens on; an OSError where somebody does."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        try:
            tried.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another server listens there")


def not_had(settings: Settings, exc: OSError) -> OptionError:
    """The error of an address that cannot be had."""
    where = settings.uds or f"{settings.host}:{settings.port}"
    return OptionError(f"{where} cannot be listened on ({exc.strerror or exc}); name another one.")


def told(listening: socket.socket) -> dict[str, Any]:
    """Where a socket listens, as the log has it."""
    name = listening.getsockname()
    return {"uds": name} if isinstance(name, str) else {"host": name[0], "port": name[1]}
