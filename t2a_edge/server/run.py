"""The process: load, listen, drain, end."""

import asyncio
import ipaddress
import logging
import math
import os
import queue
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from types import FrameType
from typing import Any, cast

import uvicorn
import uvicorn.config

from t2a_edge.bundle import load_bundle
from t2a_edge.errors import OptionError
from t2a_edge.server.address import bound_socket, file_taken_away, not_had, told
from t2a_edge.server.app import build_app
from t2a_edge.server.engine import Engine
from t2a_edge.server.files import within_file_limit
from t2a_edge.server.listener import BACKLOG, Listener
from t2a_edge.server.logs import log, log_to_stderr
from t2a_edge.server.memory import bound_heaps
from t2a_edge.server.page import packaged_page
from t2a_edge.server.protocol import GuardedProtocol, guarded_protocol
from t2a_edge.server.refusals import Refusals
from t2a_edge.server.service import RefusalError, Service
from t2a_edge.server.settings import MAX_HEAD, Settings
from t2a_edge.server.tracing import export_spans
from t2a_edge.server.workers import Worker, supervise

CLOSING_S = 5.0  # for connections to close after the last answer
AT_ONCE_S = 0.3  # the same, when the drain is over
CUT_S = 0.2  # for requests to end whose connections were cut
LEAVING_S = 0.9  # after the drain: the process ends, whatever hangs
EXIT_USELESS = 3  # of a worker whose engine hangs
TOLD_EVERY = 10  # ticks of 0.1 s, between two lines about what was refused


class Leaving:
    """Ends the process in time, whatever hangs: a thread that waits for nothing else.

    It is told by a signal's handler, which may interrupt the start of another thread.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        threading.Thread(target=self._wait, name="t2a-edge-leave", daemon=True).start()

    def within(self, seconds: float) -> None:
        """End the process then, with 0: it was asked to stop, and stops."""
        self._orders.put(seconds)

    def cancel(self) -> None:
        """The process ends by itself."""
        self._orders.put(None)

    def _wait(self) -> None:
        left_s = self._orders.get()
        while left_s is not None:
            try:
                left_s = self._orders.get(timeout=left_s)
            except queue.Empty:
                os._exit(0)  # each line of the log is flushed as it is written


class DrainingServer(uvicorn.Server):
    """Ends after SIGTERM or Ctrl-C when accepted work is answered; a second one ends the wait.

    Work that does not end, and clients that do not read, hold it no longer than the drain.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        settings: Settings,
        refusals: Refusals,
        worker: Worker | None = None,
    ) -> None:
        super().__init__(config)
        self._worker = worker
        self._service, self._settings, self._refusals = service, settings, refusals
        self._ends = self._noticed = math.inf
        self._silent = False
        self.leaving: Leaving | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; uvicorn would have asyncio accept without a limit."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(uvicorn.config.STARTUP_FAILURE)
        listeners: Any = [
            Listener(
                one, self._make_protocol, self.server_state.connections,
                self._settings.max_connections, self._refusals,
                None if self._worker is None else lambda: bool(self._service.busy),
            )
            for one in sockets or []
        ]  # fmt: skip
        self.servers = listeners
        self.started = True

    def _make_protocol(self) -> GuardedProtocol:
        kind: Any = self.config.http_protocol_class
        protocol: GuardedProtocol = kind(self.config, self.server_state, self.lifespan.state)
        return protocol

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn would close its socket, and end as killed by the signal.

        Who presses Ctrl-C need not wait until a load balancer has seen it.
        """
        now = time.monotonic()
        drain_s = 0.0 if self._service.draining else self._settings.drain_s
        notice_s = self._settings.drain_notice_s if sig == signal.SIGTERM else 0.0
        self._ends, self._noticed = now + drain_s, now + min(notice_s, drain_s)
        self._service.leave_by = self._ends + AT_ONCE_S
        self._service.draining = True
        if self.leaving is not None:
            self.leaving.within(drain_s + LEAVING_S)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second."""
        ends = await super().on_tick(counter)
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            cast("GuardedProtocol", connection).check_read(now)
        if counter % TOLD_EVERY == 0:
            self._refusals.tell()
            self._tell_silence()
            if self._worker is not None:
                self._look_after(self._worker)
        busy = self._service.busy
        if now > self._ends and busy:
            log("not all was drawn in time", logging.WARNING, requests=busy)
        over = now > self._ends or (self._service.draining and not busy and now > self._noticed)
        if ends or over or self._service.failure:
            self._service.end()
            return True
        return False

    def _look_after(self, worker: Worker) -> None:
        """Report to the process above, and end where it has gone, or where this one is of no use.

        It is replaced then; alone it would be for an orchestrator to do that.
        """
        if worker.orphaned and not self._service.draining:
            self.handle_exit(signal.SIGTERM, None)
        if self._service.drawn:
            worker.tell_ready()
        worker.publish(self._service.metrics.own())
        try:
            self._service.check_alive()
        except RefusalError as exc:
            if self._service.failure is None:  # a first picture that failed ends the server anyway
                log("this worker is of no use and ends", logging.ERROR, error=exc.sentence)
                os._exit(EXIT_USELESS)

    def _tell_silence(self) -> None:
        """Say when the engine hangs, and when it goes on."""
        silent = self._service.silent_s > self._settings.deadline_s
        if silent != self._silent:
            self._silent = silent
            event = "the engine has answered nothing for its deadline" if silent else "it answers"
            log(event, logging.ERROR if silent else logging.INFO)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is open, within what is left of the drain; then cut what does not close."""
        closing_s = min(CLOSING_S, max(AT_ONCE_S, self._ends - time.monotonic()))
        self.config.timeout_graceful_shutdown = closing_s + CUT_S  # type: ignore[assignment]
        cutting = asyncio.get_running_loop().call_later(closing_s, self._cut_all)
        await super().shutdown(sockets)
        cutting.cancel()
        self._refusals.tell()

    def _cut_all(self) -> None:
        for connection in list(self.server_state.connections):
            cast("GuardedProtocol", connection).cut()


def make_server(engine: Engine, settings: Settings, worker: Worker | None = None) -> DrainingServer:
    """A server around an engine that is loaded; its `run` is given a `bound_socket`.

    Args:
        worker: its place among several processes; None is alone.
    """
    app = build_app(engine, settings)
    service: Service = app.state.service
    if worker is not None:
        service.metrics.share(worker)
    refusals = Refusals(service.metrics)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(settings, refusals),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    return DrainingServer(config, service, settings, refusals, worker)


def run_server(settings: Settings) -> None:
    """Load the engine, then serve until a signal; with several workers, in as many processes.

    A run of the engines that outlasts the drain is left behind: the process ends here.
    """
    with bound_socket(settings) as listening, file_taken_away(settings.uds):
        log_to_stderr()
        if settings.workers == 1:
            _serve(settings, listening)
        else:
            load_bundle(settings.bundle)  # what is wrong with it is said once
            supervise(settings.workers, lambda worker: _serve(settings, listening, worker))


def _serve(settings: Settings, listening: socket.socket, worker: Worker | None = None) -> None:
    from t2a_edge.pipeline import TextToArt

    if worker is not None:
        log_to_stderr(worker=worker.number)
    bound_heaps()
    engine = TextToArt(settings.bundle, threads=settings.threads, provider=settings.provider)
    if settings.page is None:
        settings = replace(settings, page=packaged_page(engine.bundle.bundle_hash))
    flush_spans = export_spans() if settings.otel else None
    server = make_server(engine, within_file_limit(settings), worker)
    try:
        listening.listen(BACKLOG)
    except OSError as exc:
        raise not_had(settings, exc) from exc
    where = told(listening)
    log("listening", **where, bundle=engine.bundle.bundle_hash)
    on_this_machine = "host" not in where or ipaddress.ip_address(where["host"]).is_loopback
    if settings.token is None and not on_this_machine:
        log("other machines may ask for pictures, as there is no token", logging.WARNING)
    server.leaving = Leaving()
    server.run(sockets=[listening])
    if flush_spans is not None:
        flush_spans()
    _end(server)


def _end(server: DrainingServer) -> None:
    service = server.config.app.state.service  # type: ignore[union-attr]
    if service.failure is not None:
        raise OptionError("The first picture could not be drawn; the log says why.")
    if service.left_running:
        # Python would end while ONNX Runtime runs, which aborts the process, or wait for a run
        # that may hang for ever. All is answered and written; nothing is lost.
        log("stopped, and left a run of the engines", logging.WARNING)
        os._exit(0)
    if server.leaving is not None:
        server.leaving.cancel()
    log("stopped")
