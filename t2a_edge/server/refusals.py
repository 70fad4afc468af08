"""What is refused before the application sees it: each is counted, and the log has sums."""

import logging
from collections import Counter
from enum import StrEnum

from t2a_edge.server.logs import log
from t2a_edge.server.metrics import Metrics


class Reason(StrEnum):
    """Why a connection was ended."""

    LIMIT = "too many connections"  # answered 503
    SLOW_HEAD = "slow head"  # answered 408
    SILENT = "nothing sent"  # closed without a word
    NO_HTTP = "no HTTP"  # answered 400
    UNREAD = "answer not read"  # cut
    NO_FILES = "no file left"  # not accepted yet


class Refusals:
    """Counts by reason; `tell` logs what came since it was last called.

    A line for each would let whoever connects fill the disk.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._untold: Counter[Reason] = Counter()
        for reason in Reason:  # so that each is there, as 0, before the first
            metrics.refusals.labels(reason)

    def note(self, reason: Reason) -> None:
        """Count one."""
        self._metrics.refusals.labels(reason).inc()
        self._untold[reason] += 1

    def tell(self) -> None:
        """A line for each reason that there was."""
        told, self._untold = self._untold, Counter()
        for reason, count in told.items():
            log("refused", logging.WARNING, reason=str(reason), connections=count)
