"""What a server is told: address, limits, batches. Each is an option of `t2a-edge serve`."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2a_edge.errors import OptionError

WINDOW = 256  # pixels along a side of a plain picture, which costs 1
LARGEST_SIZE = 2048
LEAST_TOKEN = 8  # characters
ORIGIN = re.compile(r"\*|https?://[^\s/,*]+")
WHOLE = {
    "max_batch": (1, 256), "max_queue": (1, 100_000), "max_body": (64, 100_000_000),
    "max_count": (1, 1000), "max_frames": (2, 1000), "max_prompt": (1, 100_000),
    "max_connections": (1, 100_000), "threads": (1, 1024),
    "keep_alive_s": (1, 600), "port": (0, 65535),
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
        bundle: folder of another bundle than the shipped one.
        provider: what runs the engines: auto, cpu, cuda or tensorrt.
        threads: cores that one operation may use.
        token: bearer token that /v1 and /metrics ask for, 8 or more visible ASCII characters;
            None asks for none.
        origins: web origins that browsers may call from; "*" is any.
        page: folder with an index.html that is served at /.
        max_batch: most pictures in one run of the engines.
        max_wait_ms: how long a picture waits for others to share its run.
        max_queue: most pictures that wait; a request beyond them, or one that would not be drawn
            before its deadline, is answered 429. Pictures of other sizes wait in a queue of their
            own, as long, and count as many as they have windows: 49 for 1024 x 1024.
        deadline_s: from a request's arrival to its answer; 504 after it.
        max_body: bytes of a request's body; 413 beyond them.
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
        log_prompts: prompts are written to the log.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    bundle: Path | None = None
    provider: str = "auto"
    threads: int = 1
    token: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    page: Path | None = None
    max_batch: int = 8
    max_wait_ms: float = 2.0
    max_queue: int = 64
    deadline_s: float = 30.0
    max_body: int = 16_384
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

    def __post_init__(self) -> None:
        for name, (least, most) in WHOLE.items():
            self._check(name, int, least, most)
        for name, (low, high) in NUMBERS.items():
            self._check(name, int | float, low, high)
        self._check("max_size", int, WINDOW, LARGEST_SIZE)
        if self.max_size % 8:
            raise OptionError(f"max_size is {self.max_size}; expected a multiple of 8.")
        if not self.host:
            raise OptionError("host is empty; expected an address such as 127.0.0.1.")
        if self.token is not None and not re.fullmatch(
            rf"[\x21-\x7e]{{{LEAST_TOKEN},}}", self.token
        ):
            raise OptionError(
                f"The token is unfit; expected {LEAST_TOKEN} or more visible ASCII characters."
            )
        for origin in self.origins:
            if not ORIGIN.fullmatch(origin):
                raise OptionError(
                    f"The origin is {origin!r}; expected one such as https://example.org, or *."
                )
        if self.page is not None and not (self.page / "index.html").is_file():
            raise OptionError(f"{self.page} has no index.html; name the folder of a built page.")
        self._check_queue()

    def _check(self, name: str, kind: Any, least: float, most: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
            number = "a whole number" if kind is int else "a number"
            raise OptionError(f"{name} is {value!r}; expected {number} from {least:g} to {most:g}.")

    def _check_queue(self) -> None:
        """The costliest picture, and the most of the plain ones, must fit an empty queue."""
        need = max(self.max_frames, self.max_count, size_cost(self.max_size, self.max_size))
        if self.max_queue < need:
            raise OptionError(
                f"max_queue is {self.max_queue}; expected {need} or more for these limits, as the "
                "largest request must fit."
            )


def size_cost(width: int, height: int, window: int = WINDOW) -> int:
    """How many plain pictures one of this size costs: its windows, which overlap by half."""

    def along(pixels: int) -> int:
        return max(1, math.ceil(pixels / (window / 2)) - 1)

    return along(width) * along(height)
