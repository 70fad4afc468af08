"""How many connections the process may have, by the files that it may open."""

import dataclasses
import logging

from t2a_edge.errors import OptionError
from t2a_edge.server.listener import SPARE
from t2a_edge.server.logs import log
from t2a_edge.server.settings import NO_PAGE, Settings

BESIDE = 32  # files that are open beside connections: the model's, the log, the event loop's


def within_file_limit(settings: Settings) -> Settings:
    """The settings, with no more connections than the process may open files for.

    The soft limit is raised as far as the hard one allows; fewer connections are told in the log.

    Raises:
        OptionError: there is not even room for one.
    """
    each = 1 if settings.page in (None, NO_PAGE) else 2  # a file of the page, and who reads it
    needed = BESIDE + SPARE + each * settings.max_connections
    limit = _raised_limit(needed)
    if limit is None or limit >= needed:
        return settings
    fit = (limit - BESIDE - SPARE) // each
    if fit < 1:
        raise OptionError(
            f"This process may open {limit} files; expected {BESIDE + SPARE + each} or more: "
            "raise the limit with ulimit -n."
        )
    log(
        "fewer connections than were asked for, as the process may open no more files",
        logging.WARNING, max_connections=fit, asked=settings.max_connections, files=limit,
    )  # fmt: skip
    return dataclasses.replace(settings, max_connections=fit)


def _raised_limit(needed: int) -> int | None:
    """The limit of open files, raised to what is needed where that may be; None is none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if most > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # macOS has a limit below its hard one
            return soft
    return max(soft, most)
