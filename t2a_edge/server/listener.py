"""Accepts connections, as many as the server and the process have room for."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Sized

from t2a_edge.server.logs import log
from t2a_edge.server.protocol import NO_ROOM, GuardedProtocol, raw_answer
from t2a_edge.server.refusals import Reason, Refusals

BACKLOG = 512  # connections that the system keeps until they are accepted
SPARE = 8  # connections beyond the most, for health probes
YIELD_S = 0.005  # that a busy process leaves a connection to those that share its socket
PAUSE_S = 0.25  # before another try where the process may open no more files
NO_ROOM_HERE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
UNSENT = 65_536  # bytes that the system takes of an answer ahead of its client


class Listener:
    """One socket's connections, accepted one after another.

    asyncio's own accepts as many as wait before it looks at any, and where the process may open no
    more files it writes a traceback for each try.

    Args:
        listening: the socket; it is made to listen here.
        make_protocol: a protocol for a connection.
        open_connections: those that are open now.
        most: of them; beyond these, `SPARE` serve probes and all others are answered 503.
        busy: whether this process has work, where others accept from the same socket: one that
            is idle takes the next connection then. None is alone.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], GuardedProtocol],
        open_connections: Sized,
        most: int,
        refusals: Refusals,
        busy: Callable[[], bool] | None = None,
    ) -> None:
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._listening, self._make, self._open = listening, make_protocol, open_connections
        self._most, self._refusals, self._busy = most, refusals, busy
        self._task = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Until none is accepted any more."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection = await self._next(loop)
            except OSError as exc:  # the client has left again, or there is no room
                if exc.errno in NO_ROOM_HERE:
                    self._refusals.note(Reason.NO_FILES)
                    await asyncio.sleep(PAUSE_S)
                else:
                    await asyncio.sleep(0)
                continue
            try:
                await self._begin(loop, connection)
            except Exception:  # one connection does not end the others
                connection.close()
                log("a connection failed", logging.ERROR, exc=True)

    async def _next(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        if self._busy is None:
            return (await loop.sock_accept(self._listening))[0]
        while True:
            await _readable(loop, self._listening)
            if self._busy():
                await asyncio.sleep(YIELD_S)
            with contextlib.suppress(BlockingIOError):  # another process was faster
                connection, _ = self._listening.accept()
                connection.setblocking(False)
                return connection

    async def _begin(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        if len(self._open) >= self._most + SPARE:
            self._refusals.note(Reason.LIMIT)
            with connection, contextlib.suppress(OSError):
                connection.send(raw_answer(503, NO_ROOM))
            await asyncio.sleep(0)  # others have their turn
            return
        protocol = self._make()
        if len(self._open) >= self._most:
            protocol.make_spare()
        _show_what_is_taken(connection)
        await loop.connect_accepted_socket(lambda: protocol, connection)


async def _readable(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
    """Until somebody connects."""
    came = asyncio.Event()
    loop.add_reader(listening, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(listening)


def _show_what_is_taken(connection: socket.socket) -> None:
    """Leave most of an answer in this process, where it shows whether the client takes it.

    The system would take megabytes ahead, and then nothing for as long as these last.
    """
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
