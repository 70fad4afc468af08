"""The ASGI application: routes, errors as sentences, an OpenAPI document that is true."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Route

from t2a_edge import __version__
from t2a_edge.errors import BundleError, T2AEdgeError
from t2a_edge.server import changes, pictures, routes, stream
from t2a_edge.server.access import is_open
from t2a_edge.server.document import openapi_document
from t2a_edge.server.engine import Engine
from t2a_edge.server.entry import Entry
from t2a_edge.server.guard import FAILED, Guard
from t2a_edge.server.logs import log
from t2a_edge.server.page import Page
from t2a_edge.server.problem import EXAMPLE, NO_JSON, problem_answer, sentence_of
from t2a_edge.server.service import RefusalError, Service
from t2a_edge.server.settings import NO_PAGE, Settings

SHOWN = 80  # characters of a value that was sent, in an error


def build_app(engine: Engine, settings: Settings) -> FastAPI:
    """The application around one engine."""
    service = Service(engine, settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()  # the first picture is drawn meanwhile: probes do not wait for the engine
        try:
            yield
        finally:
            service.end()
            await asyncio.to_thread(service.join)

    app = FastAPI(
        title="t2a-edge", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False, description="Adjectives in, abstract picture out.",
        routes=[
            *routes.router.routes, *pictures.router.routes, *stream.router.routes,
            *changes.router.routes,
        ],
    )  # fmt: skip
    app.state.service = service
    for route in app.routes:
        if isinstance(route, Route) and route.path == app.openapi_url:
            is_open(route.endpoint)
    app.add_middleware(Guard, service=service)  # the innermost: refusals have CORS headers too
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization", "Content-Type", "X-Request-ID", "traceparent", "tracestate",
            ],
            expose_headers=[
                "X-Seed", "X-Unknown-Words", "X-Request-ID", "Retry-After", "ETag", "traceparent",
            ],
        )  # fmt: skip
    app.add_middleware(Entry, service=service)
    if settings.page not in (None, NO_PAGE):
        app.mount("/", is_open(Page(settings.page)))
    _add_error_handlers(app)
    app.openapi = lambda: openapi_document(app, service)  # type: ignore[method-assign]
    return app


def _add_error_handlers(app: FastAPI) -> None:
    async def refused(request: Request, exc: Any) -> Response:
        return problem_answer(request.scope, exc.status, exc.sentence, exc.headers)

    async def unfit(request: Request, exc: Any) -> Response:
        if isinstance(exc, BundleError):
            log("failed", logging.ERROR, error=str(exc))
            broken = "The server's bundle cannot be used; its log says why."
            return problem_answer(request.scope, 500, broken)
        return problem_answer(request.scope, 422, " ".join(str(exc).split()))

    async def invalid(request: Request, exc: Any) -> Response:
        return problem_answer(request.scope, *sentence_of_errors(exc.errors()))

    async def http(request: Request, exc: Any) -> Response:
        sentence = (
            NO_JSON if exc.status_code == 400 else sentence_of(exc.status_code, request.scope)
        )
        return problem_answer(request.scope, exc.status_code, sentence, exc.headers)

    async def failed(request: Request, _: Any) -> Response:
        return problem_answer(request.scope, 500, FAILED)

    app.add_exception_handler(Exception, failed)  # outside all of ours; the server logs it
    app.add_exception_handler(RefusalError, refused)
    app.add_exception_handler(T2AEdgeError, unfit)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def sentence_of_errors(errors: Any) -> tuple[int, str]:
    """The status and one sentence for the first thing that is wrong with a body."""
    error = errors[0]
    if error["type"] == "json_invalid":
        return 400, NO_JSON
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    if not where:
        return 422, f"The body is no JSON object; send one such as {EXAMPLE}."
    if error["type"] == "missing":
        return 422, f"{where} is missing; send a JSON object that has it."
    if error["type"] == "extra_forbidden":
        return 422, f"{_short(where)} is no key of this request; /openapi.json lists them."
    expected = error["msg"].removeprefix("Input should be ").removeprefix("String should have ")
    got = _short(repr(error.get("input")))
    return 422, f"{where} is {got}; expected: {expected}."


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
