"""Previews while a picture is drawn: server-sent events, one a scale."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from t2a_edge.pipeline import Artwork
from t2a_edge.server import schemas
from t2a_edge.server.batching import ExpiredError, Work
from t2a_edge.server.guard import failure_body
from t2a_edge.server.routes import (
    FAILURES,
    check_prompts,
    fresh_seed,
    note_prompt,
    picture,
    sampling,
    service_of,
)
from t2a_edge.server.service import Record, Service

router = APIRouter()


class Previews:
    """A picture that is drawn scale by scale in the queue's thread, for one client.

    Args:
        draw: gives a preview a scale; the last is the picture.
        scales: how many there are.
    """

    def __init__(self, draw: Callable[[], Any], scales: int) -> None:
        self._draw, self._scales = draw, scales
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._left = threading.Event()
        self.work = Work(alone=self._run)
        self.work.future.add_done_callback(lambda _: self._put(None))

    def _put(self, event: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the client
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    def _run(self) -> None:
        """Draw, until the client leaves."""
        with contextlib.closing(self._draw()) as previews:
            for number, artwork in enumerate(previews, start=1):
                if self._left.is_set():
                    return
                self._put(event(artwork, number, self._scales))

    async def next(self) -> bytes | None:
        """The next event; None after the last. Raises what drawing raised."""
        got = await self._events.get()
        if got is None:
            self.work.future.result()
        return got

    def leave(self) -> None:
        """Stop drawing."""
        self._left.set()


def event(artwork: Artwork, number: int, scales: int) -> bytes:
    """One server-sent event: "scale" for a preview, "picture" for the last."""
    name = "picture" if number == scales else "scale"
    data = schemas.Preview(
        scale=number, scales=scales, **picture(artwork, artwork.encode("png")).model_dump()
    )
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()


@router.post(
    "/v1/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events `scale`, then one `picture`; each one's data is a Preview. "
            "An event `error` in their place has a Failure.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **FAILURES,
    },
)
async def stream(request: Request, asked: schemas.PictureAsked) -> StreamingResponse:
    """Draw a picture and show it after every scale; a client that leaves stops the work."""
    service = service_of(request)
    record = note_prompt(request, service, asked.prompt)
    check_prompts(service, asked.prompt, asked.blend)
    seed = fresh_seed() if asked.seed is None else asked.seed

    def draw() -> Any:
        return service.engine.stream(
            asked.prompt, seed=seed, blend=asked.blend, amount=asked.amount, **sampling(asked)
        )

    previews = Previews(draw, len(service.engine.bundle.spec.scales))
    service.submit(record, [previews.work])
    beginning = asyncio.ensure_future(previews.next())
    try:
        await service.wait(request, beginning)
        first = beginning.result()
    except BaseException as exc:
        abandon(service, record, previews)
        beginning.cancel()
        if isinstance(exc, ExpiredError):
            raise service.late() from exc
        raise
    return StreamingResponse(
        events(service, record, previews, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Seed": str(seed)},
    )


async def events(
    service: Service, record: Record, previews: Previews, first: bytes | None
) -> AsyncIterator[bytes]:
    """All events; leaving early stops the drawing."""
    try:
        current = first
        while current is not None:
            yield current
            current = await previews.next()
    except Exception as exc:
        yield b"event: error\ndata: " + failure_body("The server failed.") + b"\n\n"
        raise exc
    finally:
        abandon(service, record, previews)


def abandon(service: Service, record: Record, previews: Previews) -> None:
    """Stop what is still drawn; nothing where all is done."""
    previews.leave()
    service.batcher.drop([previews.work])
    record.batch = previews.work.batch
