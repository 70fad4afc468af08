"""Pictures of several requests in one run of the engines: a bounded queue and one thread."""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from t2a_edge.errors import T2AEdgeError

SMOOTHING = 0.2  # of the newest run in the mean time a picture takes
FIRST_GUESS_S = 0.1  # that a picture takes, before any was drawn


class QueueFullError(Exception):
    """The queue has no room; `retry_after_s` says when it may have some."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class ExpiredError(Exception):
    """The deadline passed before the work was begun."""


@dataclass(eq=False)
class Work:
    """One picture to draw with others, or something that runs alone.

    Attributes:
        request: what `draw` is given; None where it runs alone.
        alone: is called instead.
        cost: how many plain pictures it takes as long as.
        deadline: of `time.monotonic`; it is not begun after that.
        future: its result.
        batch: how many pictures shared its run.
    """

    request: Any = None
    alone: Callable[[], Any] | None = None
    cost: int = 1
    deadline: float = math.inf
    future: Future[Any] = field(default_factory=Future)
    batch: int = 0


class Batcher:
    """A queue and the one thread that drives the engine.

    Args:
        draw: requests -> artworks, in one run.
        max_batch: most pictures in one run.
        max_wait_s: how long the first one waits for others.
        max_queue: most cost that waits.
        on_run: is told the pictures and the seconds of each run.
    """

    def __init__(
        self,
        draw: Callable[[Sequence[Any]], list[Any]],
        *,
        max_batch: int,
        max_wait_s: float,
        max_queue: int,
        on_run: Callable[[int, float], None] = lambda pictures, seconds: None,
    ) -> None:
        self._draw, self._on_run = draw, on_run
        self._max_batch, self._max_wait_s, self._max_queue = max_batch, max_wait_s, max_queue
        self._queue: deque[Work] = deque()
        self._changed = threading.Condition()
        self._running: list[Work] = []
        self._stopping = False
        self._seconds_each = FIRST_GUESS_S
        self._thread = threading.Thread(target=self._loop, name="t2a-edge-draw", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Finish what is queued, then end; what has not begun by then is dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        self.drop(list(self._queue))

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Cost of what has not begun."""
        return sum(work.cost for work in tuple(self._queue))

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._changed:
            return not self._queue and not self._running

    def submit(self, works: Sequence[Work]) -> None:
        """Queue all of them or none; a QueueFullError if they do not fit."""
        with self._changed:
            if self._stopping or self.waiting + sum(w.cost for w in works) > self._max_queue:
                raise QueueFullError(self._retry_after_s())
            self._queue.extend(works)
            self._changed.notify_all()

    def drop(self, works: Sequence[Work]) -> None:
        """Take back what has not begun."""
        with self._changed:
            for work in works:
                work.future.cancel()
                with contextlib.suppress(ValueError):
                    self._queue.remove(work)

    def _retry_after_s(self) -> int:
        ahead = self.waiting + sum(work.cost for work in self._running)
        return max(1, math.ceil(ahead * self._seconds_each))

    def _loop(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._run(batch)
            with self._changed:
                self._running = []

    def _next(self) -> list[Work] | None:
        """The works of the next run; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            if not self._queue:
                return None
            gathered = [self._queue.popleft()]
            ends = time.monotonic() + self._max_wait_s
            while gathered[0].alone is None and len(gathered) < self._max_batch:
                if self._queue and self._queue[0].alone is None:
                    gathered.append(self._queue.popleft())
                    continue
                left_s = ends - time.monotonic()
                if self._queue or self._stopping or left_s <= 0:
                    break
                self._changed.wait(left_s)
            self._running = [work for work in gathered if _begin(work)]
            return self._running

    def _run(self, batch: list[Work]) -> None:
        started = time.perf_counter()
        for work in batch:
            work.batch = len(batch)
        alone = batch[0].alone
        try:
            results = [alone()] if alone else self._draw([work.request for work in batch])
        except T2AEdgeError as exc:
            if len(batch) == 1:
                batch[0].future.set_exception(exc)
            else:  # one that cannot be drawn does not spoil the others
                for work in batch:
                    self._run([work])
            return
        except Exception as exc:  # reported by whoever waits for it; the thread goes on
            for work in batch:
                work.future.set_exception(exc)
            return
        seconds = time.perf_counter() - started
        each = seconds / sum(work.cost for work in batch)
        self._seconds_each += SMOOTHING * (each - self._seconds_each)
        self._on_run(0 if alone else len(batch), seconds)
        for work, result in zip(batch, results, strict=True):
            work.future.set_result(result)


def _begin(work: Work) -> bool:
    """Whether it is still wanted; from then on it cannot be taken back."""
    if not work.future.set_running_or_notify_cancel():
        return False
    if time.monotonic() > work.deadline:
        work.future.set_exception(ExpiredError())
        return False
    return True
