"""One server's parts, and how a request waits for its work."""

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.routing import BaseRoute

from t2a_edge import __version__
from t2a_edge.errors import OptionError
from t2a_edge.request import Request as PictureRequest
from t2a_edge.server.batching import Batcher, Pace, QueueFullError, UnwantedError, Work
from t2a_edge.server.engine import Engine
from t2a_edge.server.logs import log
from t2a_edge.server.metrics import Metrics
from t2a_edge.server.settings import Settings

LEFT = 499  # the client has gone: nobody reads this status but the log
RECORD = "t2a_edge.record"  # key of the ASGI scope
OTHER = "other"  # the path, as it is counted, of what is none of our own
ENDING_S = 5.0  # that runs may take to end when the server does
HUNG = 3  # deadlines of silence after which the engine counts as hung


class RefusalError(Exception):
    """A request that is answered with an error: a status and one sentence."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Record:
    """One request, for its log line.

    Attributes:
        deadline: of `time.monotonic`.
        batch: works that shared its run; 0 where none was begun.
        queue: where its work is; a request that has some is answered before the server ends.
        route: what answers it.
        takes_method: whether the route takes the request's method.
    """

    path: str
    deadline: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    status: int = 0
    batch: int = 0
    queue: Batcher | None = None
    prompt: str | None = None
    route: BaseRoute | None = None
    takes_method: bool = False


class Service:
    """Engine, queues and counters of one application.

    There are two queues, each with its own thread: what costs more than a plain picture does not
    hold up the others.

    Attributes:
        draining: no more work is taken.
        failure: why the first picture could not be drawn.
        leave_by: of `time.monotonic`; runs that last longer at the end are left behind.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.settings = engine, settings
        self.metrics = Metrics(
            {"plain": lambda: self.plain.waiting, "large": lambda: self.large.waiting},
            lambda: self.busy,
            {
                "version": __version__,
                "bundle": engine.bundle.bundle_hash,
                "provider": engine.provider,
            },
            lambda: self.silent_s,
        )
        self.busy = 0  # requests with work that are not answered yet
        self.started = False
        self._prepare()

    def _prepare(self) -> None:
        """All that a start needs anew: threads, and an event of the loop that runs now."""
        self.pace = Pace()
        self.plain, self.large = (
            Batcher(
                self.engine.draw,
                max_batch=self.settings.max_batch,
                max_wait_s=self.settings.max_wait_ms / 1000,
                max_queue=self.settings.max_queue,
                on_run=self.metrics.on_run,
                pace=self.pace,
            )
            for _ in range(2)
        )
        self.drawn = self.draining = False
        self.failure: BaseException | None = None
        self.over = asyncio.Event()  # nothing is drawn any more
        self.leave_by = math.inf

    @property
    def alive(self) -> bool:
        """Whether the threads that draw run."""
        return self.plain.alive and self.large.alive

    @property
    def left_running(self) -> bool:
        """Whether a thread still draws."""
        return self.plain.alive or self.large.alive

    @property
    def silent_s(self) -> float:
        """For how long a queue's engine has answered nothing while work waits."""
        return max(self.plain.silent_s, self.large.silent_s)

    def start(self) -> None:
        """Begin to draw, again after an end; a first picture shows that the model works.

        Raises:
            OptionError: it runs already.
        """
        if self.started and not self.over.is_set():
            raise OptionError(
                "The application runs already; make another with create_app to serve it twice."
            )
        self._prepare()
        self.started = True
        self.plain.start()
        self.large.start()
        first = Work(PictureRequest("warm", seed=0))
        self._first = first.future
        self.plain.submit([first])
        first.future.add_done_callback(self._on_first)

    def _on_first(self, first: "Future[Any]") -> None:
        """Called in the thread that drew."""
        if first.cancelled() or first is not self._first:  # it ended before, or was started anew
            return
        self.failure = first.exception()
        if self.failure is None:
            self.drawn = True
            log("ready")
        else:
            log("the first picture failed", logging.ERROR, error=str(self.failure))

    def end(self) -> None:
        """Draw no more; who still waits is told so."""
        self.draining = True
        self.over.set()
        self.plain.end()
        self.large.end()

    def join(self) -> None:
        """Wait a little for runs that have begun."""
        ends = min(self.leave_by, time.monotonic() + ENDING_S)
        for queue in (self.plain, self.large):
            queue.join(max(0.0, ends - time.monotonic()))

    def check_alive(self) -> None:
        """A RefusalError where this process is to be started anew."""
        self._check_started()
        if self.failure is not None:
            raise RefusalError(503, "The first picture could not be drawn; the log says why.")
        if not self.alive and not self.draining:
            raise RefusalError(503, "A thread that draws has ended; start the server anew.")
        if self.silent_s > HUNG * self.settings.deadline_s:
            raise RefusalError(503, "The engine hangs; start the server anew.")

    def check_ready(self) -> None:
        """A RefusalError where requests are better sent elsewhere."""
        self._check_started()
        if self.draining:
            raise self.ending()
        self.check_alive()
        if not self.drawn:
            raise RefusalError(
                503, "The server is not ready; wait until it has drawn its first picture."
            )
        self._check_moving()

    def _check_started(self) -> None:
        if not self.started:
            raise RefusalError(
                503,
                "Nothing draws here: the application was mounted without its lifespan; "
                "run it, as docs/server.md shows.",
            )

    def _check_moving(self) -> None:
        within = self.settings.deadline_s
        if self.silent_s > within:
            raise RefusalError(
                503,
                f"The engine has answered nothing for {within:g} s; ask another server, or later.",
                Retry_After=str(math.ceil(within)),
            )

    def submit(self, record: Record, works: Sequence[Work]) -> None:
        """Queue works until the request's deadline; a RefusalError where that cannot be."""
        self._check_started()
        if self.draining:
            raise self.ending()
        self._check_moving()
        cost = sum(work.cost for work in works)
        if cost > self.settings.max_queue:
            raise RefusalError(
                422,
                f"The request costs as much as {cost} plain pictures; "
                f"expected {self.settings.max_queue} or fewer: ask for fewer or smaller ones.",
            )
        for work in works:
            work.deadline = record.deadline
        queue = self.large if any(work.cost > 1 for work in works) else self.plain
        try:
            queue.submit(works)
        except QueueFullError as exc:
            after = exc.retry_after_s
            raise RefusalError(
                429,
                f"The server is busy, {exc.waiting} pictures wait; try again in {after} s.",
                Retry_After=str(after),
            ) from exc
        record.queue = queue
        self.busy += 1

    def drop(self, record: Record, works: Sequence[Work]) -> None:
        """Draw no more for a request; what is drawn already stays."""
        record.batch = max(work.batch for work in works)
        if record.queue is not None:
            record.queue.drop(works)

    def finish(self, record: Record, method: str) -> dict[str, Any]:
        """Count a request that is over, and say what its log line has."""
        if record.queue is not None:
            self.busy -= 1
        seconds = time.monotonic() - record.started
        status = record.status or LEFT
        self.metrics.on_request(record.path, status, seconds)
        prompt: dict[str, Any] = {} if record.prompt is None else {"prompt": record.prompt}
        return {
            "id": record.id, "method": method, "path": record.path, "status": status,
            "ms": round(1000 * seconds, 1), "batch": record.batch, **prompt,
        }  # fmt: skip

    async def results(self, request: Request, works: Sequence[Work]) -> list[Any]:
        """Results of works that are queued now; dropped where the client leaves or time is up."""
        record: Record = request.scope[RECORD]
        self.submit(record, works)
        gathered = asyncio.gather(*(asyncio.wrap_future(work.future) for work in works))
        gathered.add_done_callback(_looked_at)
        try:
            await self.wait(request, gathered)
            try:
                return list(gathered.result())
            except asyncio.CancelledError:
                raise self.ending() from None
        except UnwantedError as exc:
            raise self.late() from exc
        finally:
            self.drop(record, works)
            gathered.cancel()

    async def wait(self, request: Request, wanted: "asyncio.Future[Any]") -> None:
        """Until it is done; a RefusalError where the client leaves first or time is up."""
        record: Record = request.scope[RECORD]
        gone, over = asyncio.create_task(_gone(request)), asyncio.create_task(self.over.wait())
        try:
            left_s = max(0.0, record.deadline - time.monotonic())
            done, _ = await asyncio.wait(
                {wanted, gone, over}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
            over.cancel()
        if wanted not in done:
            raise RefusalError(LEFT, "The client has left.") if gone in done else self.late()

    def late(self) -> RefusalError:
        """The answer after the deadline, or where the server ended before it."""
        if self.over.is_set():
            return self.ending()
        return RefusalError(
            504,
            f"The answer was not ready within {self.settings.deadline_s:g} s; "
            "ask for less, or later.",
        )

    def ending(self) -> RefusalError:
        """The answer of a server that ends."""
        return RefusalError(503, "The server is about to stop; ask another one.", Retry_After="1")


def _looked_at(done: "asyncio.Future[Any]") -> None:
    """Tell asyncio that nothing is overlooked where a request ended before its work."""
    if not done.cancelled():
        done.exception()


async def _gone(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
