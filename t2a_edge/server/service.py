"""One server's parts, and how a request waits for its work."""

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from t2a_edge.server.batching import Batcher, ExpiredError, QueueFullError, Work
from t2a_edge.server.engine import Engine
from t2a_edge.server.metrics import Metrics
from t2a_edge.server.settings import Settings

LEFT = 499  # the client has gone: nobody reads this status but the log
RECORD = "t2a_edge.record"  # key of the ASGI scope


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
        batch: pictures that shared its run; 0 where none was drawn.
    """

    path: str
    deadline: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    status: int = 0
    batch: int = 0
    prompt: str | None = None


class Service:
    """Engine, queue and counters of one application."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.settings = engine, settings
        self.metrics = Metrics(lambda: self.batcher.waiting)
        self.batcher = Batcher(
            engine.draw,
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            max_queue=settings.max_queue,
            on_run=self.metrics.on_run,
        )
        self.ready = False
        self.draining = threading.Event()
        self.open_requests = 0

    @property
    def idle(self) -> bool:
        """Whether every accepted request is answered and nothing is drawn."""
        return self.open_requests == 0 and self.batcher.idle

    def submit(self, record: Record, works: Sequence[Work]) -> None:
        """Queue works until the request's deadline; a RefusalError where that cannot be."""
        if self.draining.is_set():
            raise RefusalError(
                503, "The server is about to stop; ask another one.", Retry_After="1"
            )
        cost = sum(work.cost for work in works)
        if cost > self.settings.max_queue:
            raise RefusalError(
                422,
                f"The request costs as much as {cost} plain pictures; "
                f"expected {self.settings.max_queue} or fewer: ask for fewer or smaller ones.",
            )
        for work in works:
            work.deadline = record.deadline
        try:
            self.batcher.submit(works)
        except QueueFullError as exc:
            after = exc.retry_after_s
            raise RefusalError(
                429,
                f"The queue of {self.settings.max_queue} pictures is full; try again in {after} s.",
                Retry_After=str(after),
            ) from exc

    async def results(self, request: Request, works: Sequence[Work]) -> list[Any]:
        """Results of works that are queued now; dropped where the client leaves or time is up."""
        record: Record = request.scope[RECORD]
        self.submit(record, works)
        gathered = asyncio.gather(*(asyncio.wrap_future(work.future) for work in works))
        try:
            await self.wait(request, gathered)
            return list(gathered.result())
        except ExpiredError as exc:
            raise self.late() from exc
        finally:
            record.batch = max(work.batch for work in works)
            self.batcher.drop(works)
            gathered.cancel()

    async def wait(self, request: Request, wanted: "asyncio.Future[Any]") -> None:
        """Until it is done; a RefusalError where the client leaves first or the deadline passes."""
        record: Record = request.scope[RECORD]
        gone = asyncio.create_task(_gone(request))
        try:
            left_s = max(0.0, record.deadline - time.monotonic())
            done, _ = await asyncio.wait(
                {wanted, gone}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            gone.cancel()
        if wanted not in done:
            raise RefusalError(LEFT, "The client has left.") if gone in done else self.late()

    def late(self) -> RefusalError:
        """The answer after the deadline."""
        return RefusalError(
            504,
            f"The answer was not ready within {self.settings.deadline_s:g} s; "
            "ask for less, or later.",
        )


async def _gone(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
