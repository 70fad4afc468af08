"""Pictures of several requests in one run of the engines: a bounded queue and one thread."""

import atexit
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NEWEST = 0.3  # share of the newest run in the mean time that a unit of cost takes
MARGIN = 1.2  # by which a run may take longer than those before it
LEAVING_S = 5.0  # at the end of a process: for a run to end


class Kind(StrEnum):
    """What a work does; each kind has its own pace."""

    PLAIN = "plain"
    SIZED = "sized"
    STREAM = "stream"
    EXPLAIN = "explain"
    CHANGE = "change"
    DECODE = "decode"
    MEASURE = "measure"


class QueueFullError(Exception):
    """The queue has no room, or none in time.

    Attributes:
        waiting: cost of what waits.
        retry_after_s: when there may be room.
    """

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(waiting, retry_after_s)
        self.waiting, self.retry_after_s = waiting, retry_after_s


class UnwantedError(Exception):
    """The deadline has passed, or the client has left, before the work was done."""


@dataclass(eq=False)
class Work:
    """One picture to draw with others, or something that runs alone.

    Attributes:
        request: what `draw` is given; None where it runs alone.
        alone: is called instead, with this work. It may ask whether it is still wanted.
        kind: what it does; those of one kind take about as long for each unit of cost.
        cost: how many plain pictures it takes as long as, as a guess.
        deadline: of `time.monotonic`; it is not wanted after that.
        future: its result.
        batch: how many pictures shared its run.
        left: nobody waits for it any more.
    """

    request: Any = None
    alone: "Callable[[Work], Any] | None" = None
    kind: Kind = Kind.PLAIN
    cost: int = 1
    deadline: float = math.inf
    future: Future[Any] = field(default_factory=Future)
    batch: int = 0
    left: bool = False

    def check_wanted(self) -> None:
        """An UnwantedError if nobody waits for it any more."""
        if self.left or time.monotonic() > self.deadline:
            raise UnwantedError


class Pace:
    """Seconds for a unit of cost, of each kind of work, as the newest runs took."""

    def __init__(self) -> None:
        self.seconds_each: dict[Kind, float] = {}

    def seconds(self, works: Iterable[Work]) -> float:
        """How long they take; a kind that never ran counts as plain pictures of its cost."""
        plain = self.seconds_each.get(Kind.PLAIN, 0.0)
        return sum(work.cost * self.seconds_each.get(work.kind, plain) for work in works)

    def learn(self, works: Sequence[Work], seconds: float, *, finished: bool) -> None:
        """Note a run of one kind; one that was stopped shows only that it takes no less."""
        kind = works[0].kind
        each = seconds / sum(work.cost for work in works)
        guess = self.seconds_each.get(kind, self.seconds_each.get(Kind.PLAIN, 0.0))
        if finished or each > guess:
            known = self.seconds_each.get(kind, each)
            self.seconds_each[kind] = known + NEWEST * (each - known)


class Batcher:
    """A queue and the one thread that takes from it.

    Requests take turns: the pictures of a large request let those of others through.

    Args:
        draw: requests -> artworks, in one run.
        max_batch: most pictures in one run.
        max_wait_s: how long the first one waits for others.
        max_queue: most cost that waits.
        on_run: is told the pictures and the seconds of each run; 0 pictures is work that ran alone.
        pace: what is known of how long works take; queues of one engine share it.
    """

    def __init__(
        self,
        draw: Callable[[Sequence[Any]], list[Any]],
        *,
        max_batch: int,
        max_wait_s: float,
        max_queue: int,
        on_run: Callable[[int, float], None] = lambda pictures, seconds: None,
        pace: Pace | None = None,
    ) -> None:
        self._draw, self._on_run = draw, on_run
        self._max_batch, self._max_wait_s, self._max_queue = max_batch, max_wait_s, max_queue
        self._turns: deque[deque[Work]] = deque()  # of each request, what waits; never empty ones
        self._changed = threading.Condition()
        self._running: list[Work] = []
        self._stopping = False
        self._moved = 0.0  # of `time.monotonic`: when a run last began or ended, or work came
        self._pace = pace or Pace()
        self._thread = threading.Thread(target=self._loop, name="t2a-edge-draw", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()
        atexit.register(self._finish)

    def end(self) -> None:
        """Drop what waits, tell what runs that it is not wanted, and take no more."""
        with self._changed:
            self._stopping = True
            self.drop([*self._running, *(work for turn in self._turns for work in turn)])
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for what still runs."""
        self._thread.join(timeout_s)
        if not self.alive:
            atexit.unregister(self._finish)

    def _finish(self) -> None:
        """At the end of the process: one that ends while the engines run may be aborted.

        An engine that hangs does not keep the process for ever.
        """
        self.end()
        self._thread.join(LEAVING_S)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def _idle(self) -> bool:
        return not self._running and not self._turns

    @property
    def silent_s(self) -> float:
        """For how long the engine has answered nothing while work waits; 0 while none does."""
        with self._changed:
            return 0.0 if self._idle else time.monotonic() - self._moved

    @property
    def waiting(self) -> int:
        """Cost of what has not begun."""
        with self._changed:
            return sum(work.cost for turn in self._turns for work in turn)

    def submit(self, works: Sequence[Work]) -> None:
        """Queue all of them or none.

        Raises:
            QueueFullError: they do not fit; or, as fast as runs were of late, they would be done
                after their deadline.
        """
        with self._changed:
            waiting, own = self.waiting, sum(work.cost for work in works)
            ahead_s = self._ahead_s()
            left_s = min(work.deadline for work in works) - time.monotonic()
            needed_s = MARGIN * (ahead_s + self._pace.seconds(works))
            late = not self._idle and needed_s > left_s
            if self._stopping or late or waiting + own > self._max_queue:
                raise QueueFullError(waiting, max(1, math.ceil(ahead_s)))
            if self._idle:
                self._moved = time.monotonic()
            self._turns.append(deque(works))
            self._changed.notify_all()

    def _ahead_s(self) -> float:
        """Seconds until all that runs and waits is done, as fast as runs were of late."""
        running_s = self._pace.seconds(self._running)
        if self._running:
            running_s = max(0.0, running_s - (time.monotonic() - self._moved))
        return running_s + self._pace.seconds(work for turn in self._turns for work in turn)

    def drop(self, works: Sequence[Work]) -> None:
        """Take back what has not begun; what runs is told that it is not wanted."""
        if all(work.future.done() for work in works):
            return
        with self._changed:
            for work in works:
                work.left = True
                work.future.cancel()
            kept = [deque(work for work in turn if not work.left) for turn in self._turns]
            self._turns = deque(turn for turn in kept if turn)

    def _loop(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._run(batch)
            with self._changed:
                self._running = []
                self._moved = time.monotonic()

    def _next(self) -> list[Work] | None:
        """The works of the next run; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._turns or self._stopping)
            if not self._turns:
                return None
            batch = self._running = [self._take()]
            ends = time.monotonic() + self._max_wait_s
            while batch[0].alone is None and len(batch) < self._max_batch:
                if self._turns and self._turns[0][0].alone is None:
                    batch.append(self._take())
                    continue
                left_s = ends - time.monotonic()
                if self._turns or self._stopping or left_s <= 0:
                    break
                self._changed.wait(left_s)
            self._running = [work for work in batch if _begin(work)]
            return self._running

    def _take(self) -> Work:
        """The next work of the request whose turn it is; the request goes to the end of the row."""
        turn = self._turns.popleft()
        work = turn.popleft()
        if turn:
            self._turns.append(turn)
        return work

    def _run(self, batch: list[Work]) -> None:
        started = self._moved = time.monotonic()
        for work in batch:
            work.batch = len(batch)
        alone = batch[0].alone
        try:
            results = [alone(batch[0])] if alone else self._draw([work.request for work in batch])
        except Exception as exc:  # told to whoever waits for it; the thread goes on
            if isinstance(exc, UnwantedError):
                self._pace.learn(batch, time.monotonic() - started, finished=False)
            if len(batch) == 1:
                batch[0].future.set_exception(exc)
                return
            for work in batch:  # one that cannot be drawn does not spoil the others
                self._run([work])
            return
        seconds = time.monotonic() - started
        self._pace.learn(batch, seconds, finished=True)
        self._on_run(0 if alone else len(batch), seconds)
        for work, result in zip(batch, results, strict=True):
            work.future.set_result(result)


def _begin(work: Work) -> bool:
    """Whether it is still wanted; from then on it cannot be taken back."""
    if not work.future.set_running_or_notify_cancel():
        return False
    try:
        work.check_wanted()
    except UnwantedError as exc:
        work.future.set_exception(exc)
        return False
    return True
