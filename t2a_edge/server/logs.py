"""The log: one JSON object a line, on stderr."""

import json
import logging
import sys
import time
from typing import Any

LOGGER = logging.getLogger("t2a_edge.server")
FIELDS = "fields"  # of a record: what its line has beside the usual


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON.

    Args:
        always: what each line has beside the record's own fields.
    """

    def __init__(self, **always: Any) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, event and the record's own fields."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._always,
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log(event: str, level: int = logging.INFO, exc: bool = False, **fields: Any) -> None:
    """Write one line."""
    LOGGER.log(level, event, extra={FIELDS: fields}, exc_info=exc)


def log_to_stderr(**always: Any) -> None:
    """Send our lines, and warnings of all else in this process, to stderr.

    Args:
        always: what each line has.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(**always))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    LOGGER.setLevel(logging.INFO)
