"""One server's parts, and how a request waits for its work."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.routing import BaseRoute

from t2a_edge import __version__
from t2a_edge.server.batching import Batcher, QueueFullError, UnwantedError, Work
from t2a_edge.server.engine import Engine
from t2a_edge.server.metrics import Metrics
from t2a_edge.server.settings import Settings

LEFT = 499  # the client has gone: nobody reads this status but the log
RECORD = "t2a_edge.record"  # key of the ASGI scope
OTHER = "other"  # the path, as it is counted, of what is none of our own
ENDING_S = 5  # that a run may take to end when the server does


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
        )
        self.plain, self.large = (
            Batcher(
                engine.draw,
                max_batch=settings.max_batch,
                max_wait_s=settings.max_wait_ms / 1000,
                max_queue=settings.max_queue,
                on_run=self.metrics.on_run,
            )
            for _ in range(2)
        )
        self.ready = self.draining = False
        self.over = asyncio.Event()  # nothing is drawn any more
        self.busy = 0  # requests with work that are not answered yet

    @property
    def alive(self) -> bool:
        """Whether the threads that draw run."""
        return self.plain.alive and self.large.alive

    def start(self) -> None:
        """Begin to draw."""
        self.plain.start()
        self.large.start()

    def end(self) -> None:
        """Draw no more; who still waits is told so."""
        self.draining = True
        self.over.set()
        self.plain.end()
        self.large.end()

    def join(self) -> None:
        """Wait a little for runs that have begun."""
        self.plain.join(ENDING_S)
        self.large.join(ENDING_S)

    def submit(self, record: Record, works: Sequence[Work]) -> None:
        """Queue works until the request's deadline; a RefusalError where that cannot be."""
        if self.draining:
            raise self.ending()
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
