"""Pictures over HTTP: `serve(Settings(port=8080))`, or `create_app(engine, settings)` to embed.

FastAPI, uvicorn and prometheus-client come with `pip install "t2a-edge[serve]"`.
"""

import importlib.util
from typing import TYPE_CHECKING

from t2a_edge.errors import OptionError
from t2a_edge.server.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from t2a_edge.server.engine import Engine

__all__ = ["Settings", "create_app", "serve"]

NEEDED = {"fastapi": "fastapi", "uvicorn": "uvicorn", "prometheus_client": "prometheus-client"}


def check_packages() -> None:
    """An OptionError where a package of the extra is not installed."""
    missing = [name for module, name in NEEDED.items() if not importlib.util.find_spec(module)]
    if missing:
        raise OptionError(
            f"The server needs {' and '.join(missing)}, not installed here; "
            'run: pip install "t2a-edge[serve]"'
        )


def create_app(engine: "Engine", settings: Settings | None = None) -> "FastAPI":
    """The server as an ASGI application around an engine that is loaded.

    Args:
        engine: a `TextToArt`, or what behaves like it.
        settings: limits and the like; address, port and bundle are for `serve` alone.

    Raises:
        OptionError: a package of the extra is not installed.
    """
    check_packages()
    from t2a_edge.server.app import build_app

    return build_app(engine, settings or Settings())


def serve(settings: Settings) -> None:
    """Load the bundle and serve it until SIGTERM or Ctrl-C; work in the queue is finished first.

    Raises:
        BundleError: the bundle is missing or damaged.
        OptionError: a package of the extra is not installed, or the address cannot be bound.
    """
    check_packages()
    from t2a_edge.server.run import run_server

    run_server(settings)
