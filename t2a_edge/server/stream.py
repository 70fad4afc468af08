"""Previews while a picture is drawn: server-sent events, one a step."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from t2a_edge.pipeline import Artwork
from t2a_edge.server import schemas
from t2a_edge.server.answers import picture
from t2a_edge.server.batching import Kind, UnwantedError, Work
from t2a_edge.server.guard import FAILED
from t2a_edge.server.logs import log
from t2a_edge.server.problem import problem_body
from t2a_edge.server.routes import FAILURES, accepted, cost_of, service_of
from t2a_edge.server.service import RECORD, Record, RefusalError, Service

EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["step", "picture", "error"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [
                    {"$ref": f"#/components/schemas/{name}"} for name in ("Preview", "Problem")
                ]
            },
        },
    },
}
router = APIRouter()


class Previews:
    """A picture that is drawn step by step in the queue's thread, for one client.

    Args:
        draw: gives a preview a step; the last is the picture.
        cost: see `t2a_edge.server.batching.Work`.
    """

    def __init__(self, draw: Callable[[], Any], cost: int) -> None:
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self._drawn: asyncio.Queue[Artwork | None] = asyncio.Queue()
        self.work = Work(alone=self._run, kind=Kind.STREAM, cost=cost)
        self.work.future.add_done_callback(lambda _: self._put(None))

    def _put(self, artwork: Artwork | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the client
            self._loop.call_soon_threadsafe(self._drawn.put_nowait, artwork)

    def _run(self, work: Work) -> None:
        """Draw, until nobody waits for it."""
        with contextlib.closing(self._draw()) as previews:
            for artwork in previews:
                work.check_wanted()
                self._put(artwork)

    async def next(self) -> Artwork | None:
        """The next one; None after the last.

        Raises:
            UnwantedError: the deadline has passed.
            CancelledError: of `concurrent.futures`, the server has ended.
        """
        artwork = await self._drawn.get()
        if artwork is None:
            self.work.future.result()
        return artwork


def event(artwork: Artwork, number: int) -> bytes:
    """One server-sent event: "step" for a preview, "picture" for the last."""
    steps = artwork.options.steps
    name = "picture" if number == steps else "step"
    shown = picture(artwork, artwork.encode("png")).model_dump()
    data = schemas.Preview(step=number, of=steps, **shown)
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()


@router.post(
    "/v1/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events `step`, then one `picture`; each one's data is a Preview. "
            "An event `error` in their place has a Problem.",
            "content": {"text/event-stream": {"itemSchema": EVENT}},
        },
        **FAILURES,
    },
)
async def stream(request: Request, asked: schemas.PictureAsked) -> StreamingResponse:
    """Draw a picture and show it after every step; a client that leaves stops the work."""
    service, record = service_of(request), request.scope[RECORD]
    (wanted,) = (await accepted(request, asked.request())).pictures()
    previews = Previews(lambda: service.engine.stream(wanted), cost_of(service, wanted.steps))
    service.submit(record, [previews.work])
    beginning = asyncio.ensure_future(previews.next())
    try:
        await service.wait(request, beginning)
        first = beginning.result()
    except BaseException as exc:
        beginning.cancel()
        service.drop(record, [previews.work])
        raise refusal(service, exc) from exc
    return StreamingResponse(
        events(service, record, previews, first),
        media_type="text/event-stream",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Seed": str(wanted.seed),
        },
    )


def refusal(service: Service, exc: BaseException) -> BaseException:
    """What ended a drawing, as the client is told."""
    if isinstance(exc, UnwantedError):
        return service.late()
    return service.ending() if isinstance(exc, futures.CancelledError) else exc


async def events(
    service: Service, record: Record, previews: Previews, first: Artwork | None
) -> AsyncIterator[bytes]:
    """All events; leaving early stops the drawing."""
    number, current = 0, first
    try:
        while current is not None:
            number += 1
            yield await asyncio.to_thread(event, current, number)
            current = await previews.next()
    except Exception as exc:
        told = refusal(service, exc)
        if not isinstance(told, RefusalError):
            log("failed", logging.ERROR, exc=True, id=record.id)
            told = RefusalError(500, FAILED)
        problem = problem_body(told.status, told.sentence, record.id)
        yield b"event: error\ndata: " + problem + b"\n\n"
    finally:
        service.drop(record, [previews.work])
