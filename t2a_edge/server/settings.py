"""What a server is told: address, limits, batches. Each is an option of `t2a-edge serve`."""

import ipaddress
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2a_edge.checks import (
    MAX_COUNT,
    MAX_FRAMES,
    MAX_THREADS,
    file_path,
    number,
    shown,
    whole_number,
)
from t2a_edge.documents import is_file
from t2a_edge.errors import OptionError

WINDOW = 256  # pixels along a side of a plain picture, which costs 1
LARGEST_SIZE = 2048
CELL = 8  # pixels, of the finest grid
LEAST_TOKEN = 8  # characters
MAX_HEAD = 16_384  # bytes of a request's head
TOKEN = re.compile(rf"[\x21-\x7e]{{{LEAST_TOKEN},}}")
ORIGIN = re.compile(r"\*|https?://[^\s/,*]+")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")  # of paths, as a proxy is told it
NO_PAGE = Path("none")
LONGEST_SOCKET = 107  # bytes of a Unix socket's path, where Linux ends; macOS has 103
HOST_NAME = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")  # and IPv4 addresses
WHOLE = {
    "max_batch": (1, 256), "max_queue": (1, 100_000), "max_body": (64, 100_000_000),
    "max_upload": (64, 100_000_000),
    "max_count": (1, MAX_COUNT), "max_frames": (2, MAX_FRAMES), "max_prompt": (1, 100_000),
    "max_connections": (1, 100_000), "threads": (1, MAX_THREADS),
    "keep_alive_s": (1, 600), "port": (0, 65535), "workers": (1, 64),
}  # fmt: skip
NUMBERS = {
    "max_wait_ms": (0, 10_000), "deadline_s": (0.01, 3600), "body_timeout_s": (0.1, 600),
    "header_timeout_s": (0.1, 600), "write_timeout_s": (0.1, 600), "drain_s": (0, 3600),
    "drain_notice_s": (0, 3600),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one server, checked.

    Attributes:
        host: address to listen on; the default is reached from this machine alone.
        port: 0 takes a free one, which the log names.
        uds: path of a Unix socket to listen on, in place of an address and a port. Its owner and
            its group may connect. A socket that nobody listens on any more is replaced, a file of
            another kind is not.
        root_path: prefix under which a proxy shows the server, such as /art; requests may come
            with it or, where the proxy takes it off, without.
        workers: processes that share one socket; each has a model, queues and limits of its own.
        bundle: folder of another bundle than the shipped one.
        provider: what runs the engines: auto, cpu, cuda or tensorrt.
        threads: cores that one operation may use.
        token: bearer token that /v1 and /metrics ask for, 8 or more visible ASCII characters;
            None asks for none, an empty one is an error.
        origins: web origins that browsers may call from, uploads included; "*" is any.
        allowed_hosts: names and addresses that a request's Host may have, without a port; "*" is
            any, "*.example.org" all below a name. Without some, a connection that comes in on a
            loopback address must name one, or `host`; a server that listens on other addresses
            answers to any name. /healthz and /readyz also answer to every address, and every
            path to the address that the connection came to.
        page: folder with an index.html that is served at /; "none" is none. None is the package's
            own page for `serve`, where the bundle is the shipped one, and none for `create_app`.
        max_batch: most pictures in one run of the engines.
        max_wait_ms: how long a picture waits for others to share its run.
        max_queue: most pictures that wait; a request beyond them, or one that would not be drawn
            before its deadline, is answered 429. Pictures of other sizes wait in a queue of their
            own, as long, and count as many as they have windows: 49 for 1024 x 1024. So do those
            of more steps than the model's: with twice as many each counts as two.
        deadline_s: from a request's arrival to its answer; 504 after it.
        max_body: bytes of a request's body, a form in it included; 413 beyond them.
        max_upload: the same where pictures are sent: to vary, inpaint, outpaint, decode and
            measure.
        max_count: pictures of one request.
        max_frames: frames of one interpolation.
        max_size: pixels along a side of a picture.
        max_prompt: characters of a prompt.
        max_connections: open connections; further ones are answered 503, but for health probes.
        body_timeout_s: within this a body must have come; 408 after it.
        header_timeout_s: within this a request's head must have come; closed after it.
        write_timeout_s: within this a client must take 16 KiB of what waits for it, or all of it;
            its connection is cut after it.
        keep_alive_s: how long a connection without a request stays open.
        drain_s: how long SIGTERM waits for work that was accepted; the process ends within a
            second more, whatever hangs.
        drain_notice_s: how long a server without work still answers after SIGTERM, /readyz with
            503, so that who sends requests here sees it; never longer than `drain_s`.
        log_prompts: prompts are written to the log, and to spans.
        otel: spans of requests by OpenTelemetry. `serve` sends them to where
            OTEL_EXPORTER_OTLP_ENDPOINT says; `create_app` gives them to the provider that the
            process has.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    uds: Path | None = None
    root_path: str = ""
    workers: int = 1
    bundle: Path | None = None
    provider: str = "auto"
    threads: int = 1
    token: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    page: Path | None = None
    max_batch: int = 8
    max_wait_ms: float = 2.0
    max_queue: int = 64
    deadline_s: float = 30.0
    max_body: int = 262_144
    max_upload: int = 8_388_608
    max_count: int = 8
    max_frames: int = 32
    max_size: int = 1024
    max_prompt: int = 400
    max_connections: int = 512
    body_timeout_s: float = 10.0
    header_timeout_s: float = 10.0
    write_timeout_s: float = 10.0
    keep_alive_s: int = 5
    drain_s: float = 30.0
    drain_notice_s: float = 3.0
    log_prompts: bool = False
    otel: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in WHOLE.items():
            self._keep(name, whole_number(name, getattr(self, name), least, most))
        for name, (low, high) in NUMBERS.items():
            self._keep(name, number(name, getattr(self, name), low, high))
        size = whole_number("max_size", self.max_size, WINDOW, LARGEST_SIZE, step=CELL)
        self._keep("max_size", size)
        if not isinstance(self.host, str) or not self.host.strip():
            raise OptionError(f"host is {shown(self.host)}; expected an address such as 127.0.0.1.")
        self._check_socket()
        if not isinstance(self.root_path, str) or not PREFIX.fullmatch(self.root_path):
            raise OptionError(
                f"root_path is {shown(self.root_path)}; expected a prefix of paths such as /art."
            )
        self._keep("root_path", self.root_path.rstrip("/"))
        self._check_token()
        self._check_names(
            "origins", ORIGIN.fullmatch, "an origin such as https://example.org, or *"
        )
        self._check_names(
            "allowed_hosts",
            is_host,
            "a name or address without a port, such as art.example.org, or *",
        )
        if self.page is not None:
            if not isinstance(self.page, str | Path):
                raise OptionError(f"page is {shown(self.page)}; expected the path of a folder.")
            self._keep("page", Path(self.page))
            if self.page != NO_PAGE and not is_file(self.page / "index.html"):
                raise OptionError(
                    f"{self.page} has no index.html; name the folder of a built page, or none."
                )
        self._check_queue()

    def _keep(self, name: str, value: Any) -> None:
        """A value as it was read; the class is frozen for all others."""
        object.__setattr__(self, name, value)

    def _check_socket(self) -> None:
        if self.uds is None:
            return
        self._keep("uds", file_path("uds", self.uds))
        length = len(os.fsencode(self.uds))
        if not 0 < length <= LONGEST_SOCKET or b"\0" in os.fsencode(self.uds):
            raise OptionError(
                f"uds is {shown(str(self.uds))}; expected the path of a socket, of at most "
                f"{LONGEST_SOCKET} bytes."
            )

    def _check_token(self) -> None:
        """A token is never shown, not even one that is unfit."""
        if self.token is None:
            return
        if not isinstance(self.token, str) or not TOKEN.fullmatch(self.token):
            empty = isinstance(self.token, str) and not self.token.strip()
            raise OptionError(
                f"The token is {'empty' if empty else 'unfit'}; expected {LEAST_TOKEN} or more "
                "visible ASCII characters, or no token at all to serve without one."
            )

    def _check_names(self, field_name: str, fits: Callable[[str], Any], expected: str) -> None:
        names = getattr(self, field_name)
        listed = isinstance(names, list | tuple)
        if not listed or not all(isinstance(name, str) for name in names):
            raise OptionError(f"{field_name} is {shown(names)}; expected a list of texts.")
        self._keep(field_name, tuple(name.lower() for name in names))  # as browsers write them
        for name in getattr(self, field_name):
            if not fits(name):
                raise OptionError(f"{field_name} has {shown(name)}; expected {expected}.")

    def _check_queue(self) -> None:
        """The costliest picture, and the most of the plain ones, must fit an empty queue."""
        need = max(self.max_frames, self.max_count, size_cost(self.max_size, self.max_size))
        if self.max_queue < need:
            raise OptionError(
                f"max_queue is {self.max_queue}; expected {need} or more for these limits, as the "
                "largest request must fit."
            )


def is_host(name: str) -> bool:
    """Whether it is a host's name or address, or a pattern such as *.example.org."""
    if HOST_NAME.fullmatch(name):
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).version == 6
    except ValueError:
        return False


def size_cost(width: int, height: int, window: int = WINDOW) -> int:
    """How many plain pictures one of this size costs: its windows, which overlap by half."""

    def along(pixels: int) -> int:
        return max(1, math.ceil(pixels / (window / 2)) - 1)

    return along(width) * along(height)
