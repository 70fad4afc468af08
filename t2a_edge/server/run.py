"""The process: load, listen, drain, end."""

import ipaddress
import logging
import math
import socket
import time
from types import FrameType

import uvicorn

from t2a_edge.errors import OptionError
from t2a_edge.server.app import build_app
from t2a_edge.server.engine import Engine
from t2a_edge.server.logs import log, log_to_stderr
from t2a_edge.server.protocol import guarded_protocol
from t2a_edge.server.service import Service
from t2a_edge.server.settings import MAX_HEAD, Settings

CLOSING_S = 5  # for connections to close after the last answer


class DrainingServer(uvicorn.Server):
    """Ends after SIGTERM or Ctrl-C when accepted work is answered; a second one ends the wait."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_s: float) -> None:
        super().__init__(config)
        self._service, self._drain_s = service, drain_s
        self._ends = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn would close its socket, and end as killed by the signal."""
        again = self._service.draining
        self._ends = 0.0 if again else time.monotonic() + self._drain_s
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second."""
        ends = await super().on_tick(counter)
        if time.monotonic() > self._ends and self._service.busy:
            log("not all was drawn in time", logging.WARNING, requests=self._service.busy)
            ends = True
        if ends:
            self._service.end()
        return ends or (self._service.draining and not self._service.busy)


def bound_socket(settings: Settings) -> socket.socket:
    """A socket that listens; an OptionError where the address cannot be had."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((settings.host, settings.port), family=family, backlog=512)
        # what it accepts inherits this; asyncio sets it for sockets that name their protocol alone,
        # and a body behind its head would wait 40 ms for the client's acknowledgement
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except OSError as exc:
        reason = exc.strerror or exc
        raise OptionError(
            f"{settings.host}:{settings.port} cannot be listened on ({reason}); "
            "name another host or port."
        ) from exc


def make_server(engine: Engine, settings: Settings) -> DrainingServer:
    """A server around an engine that is loaded; its `run` is given a `bound_socket`."""
    app = build_app(engine, settings)
    config = uvicorn.Config(
        app,
        http=guarded_protocol(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=CLOSING_S,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    return DrainingServer(config, app.state.service, settings.drain_s)


def run_server(settings: Settings) -> None:
    """Load the engine, then serve until a signal."""
    from t2a_edge.pipeline import TextToArt

    with bound_socket(settings) as listening:
        log_to_stderr()
        engine = TextToArt(settings.bundle, threads=settings.threads, provider=settings.provider)
        server = make_server(engine, settings)
        host, port = listening.getsockname()[:2]
        log("listening", host=host, port=port, bundle=engine.bundle.bundle_hash)
        if settings.token is None and not ipaddress.ip_address(host).is_loopback:
            log("other machines may ask for pictures, as there is no token", logging.WARNING)
        try:
            server.run(sockets=[listening])
        except SystemExit as exc:  # how uvicorn ends where the first picture could not be drawn
            raise OptionError("The server did not start; the log says why.") from exc
        log("stopped")
