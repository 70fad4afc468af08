"""The paths of the server."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from t2a_edge import __version__
from t2a_edge.animation import about_frames, encoded_animation
from t2a_edge.edit import layout_of_size
from t2a_edge.pipeline import Artwork
from t2a_edge.request import Request as PictureRequest
from t2a_edge.server import schemas
from t2a_edge.server.access import is_probe
from t2a_edge.server.answers import (
    BINARY,
    PICTURES,
    answered,
    as_json,
    check_count,
    check_format,
    headers_of,
    offered,
)
from t2a_edge.server.batching import Kind, Work
from t2a_edge.server.problem import MEDIA_TYPE
from t2a_edge.server.service import RECORD, RefusalError, Service

PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"content": PROBLEM, "description": text}
    for status, text in {
        400: "The bytes are no HTTP, or the body is no JSON.",
        401: "The bearer token is missing or wrong.",
        403: "A page of another origin sends an upload.",
        408: "The body did not come in time.",
        413: "The body is too large.",
        415: "The body is said to be no JSON.",
        421: "The server does not answer to this name.",
        422: "A value cannot be used.",
        429: "The queue is full; Retry-After says when to try again.",
        431: "The head is too large.",
        500: "The server failed.",
        503: "The server is about to stop, or not ready yet.",
        504: "The deadline passed.",
    }.items()
}
READING: dict[int | str, dict[str, Any]] = {
    status: FAILURES[status] for status in (400, 401, 408, 413, 421, 431, 500)
}
STATE: dict[int | str, dict[str, Any]] = {
    status: FAILURES[status] for status in (400, 408, 413, 421, 431, 500, 503)
}
MAX_FORM_PIXELS = 2048 * 2048
router = APIRouter()


def service_of(request: Request) -> Service:
    """The parts of the application that the request came to."""
    service: Service = request.app.state.service
    return service


def check_prompts(request: Request, *prompts: str | None) -> None:
    """A RefusalError for a prompt that is too long for this server; they go into the log."""
    service, record = service_of(request), request.scope[RECORD]
    known = [prompt for prompt in prompts if prompt is not None]
    if service.settings.log_prompts:
        record.prompt = " | ".join(known)
    most = service.settings.max_prompt
    for prompt in known:
        if len(prompt) > most:
            raise RefusalError(
                422, f"The prompt has {len(prompt)} characters; expected {most} or fewer."
            )


def check_most(name: str, value: int, most: int) -> None:
    """A RefusalError for more than this server allows."""
    if value > most:
        raise RefusalError(422, f"{name} is {value}; this server allows {most} or fewer.")


async def accepted(request: Request, asked: PictureRequest) -> PictureRequest:
    """What is asked for, with its form read, where this server and its model draw it.

    Raises:
        RefusalError: it is more than the server allows.
        T2AEdgeError: the model cannot draw it.
    """
    service = service_of(request)
    settings = service.settings
    check_prompts(request, asked.prompt, asked.blend)
    for name, value, most in (
        ("count", asked.count, settings.max_count),
        ("frames", asked.frames or 0, settings.max_frames),
        ("size", max(asked.size or [0]), settings.max_size),
    ):
        check_most(name, value, most)
    service.engine.check(asked)
    return await asyncio.to_thread(asked.loaded, MAX_FORM_PIXELS)


def works_of(service: Service, asked: PictureRequest) -> list[Work]:
    """A work for each picture; those of the plain size share runs with other requests."""
    return [work_of(service, one) for one in asked.pictures()]


def work_of(service: Service, one: PictureRequest) -> Work:
    """A picture; one of another size stops between two steps when nobody waits for it."""
    spec = service.engine.bundle.spec
    side = spec.image_size
    layout, _ = layout_of_size(spec, one.size or (side, side), wrap=one.tile)
    cost = cost_of(service, one.steps, len(layout.windows))
    if layout.is_plain:
        return Work(one, cost=cost)

    def draw(work: Work) -> Artwork:
        artworks = service.engine.draw([one], on_step=lambda _: work.check_wanted())
        artwork: Artwork = artworks[0]
        return artwork

    return Work(alone=draw, kind=Kind.SIZED, cost=cost)


def cost_of(service: Service, steps: int | None, windows: int = 1) -> int:
    """How many plain pictures one costs: its windows, as often as its steps are those of one."""
    usual = service.engine.bundle.spec.steps
    return windows * -(-(steps or usual) // usual)


@router.post(
    "/v1/generate",
    responses={
        200: PICTURES,
        **FAILURES,
    },
)
async def generate(request: Request, asked: schemas.GenerateAsked) -> Response:
    """Draw pictures of a prompt: the same seed gives the same ones, alone or in a batch."""
    service, name = service_of(request), check_format(asked.format)
    wanted = await accepted(request, asked.request())
    check_count(wanted.count, name)
    return await answered(await service.results(request, works_of(service, wanted)), name)


@router.post(
    "/v1/interpolate",
    responses={
        200: {
            "model": schemas.Pictures,
            "description": "An animated WebP, or JSON where that is asked for.",
            "content": {"image/webp": BINARY},
        },
        **FAILURES,
    },
)
async def interpolate(request: Request, asked: schemas.InterpolateAsked) -> Response:
    """Draw the way from one prompt to another, from one seed to another, or both at once."""
    service, wanted = service_of(request), await accepted(request, asked.request())
    artworks = await service.results(request, works_of(service, wanted))
    if asked.format == "json":
        return await as_json(artworks)
    content = await asyncio.to_thread(animated, artworks, asked.frame_ms, wanted.loop)
    return Response(content, media_type="image/webp", headers=headers_of(artworks[0]))


def animated(artworks: Sequence[Artwork], frame_ms: int, loop: bool) -> bytes:
    """Artworks as one WebP that plays them for ever, and says how it was made."""
    about = about_frames(artworks[0], len(artworks), round(1000 / frame_ms, 3))
    pictures = [artwork.pixels for artwork in artworks]
    return encoded_animation(pictures, "webp", frame_ms, about, closed=loop)


@router.post("/v1/explain", responses=FAILURES)
async def explain(request: Request, asked: schemas.ExplainAsked) -> schemas.Explained:
    """Say what each word of a prompt means to the model."""
    service = service_of(request)
    check_prompts(request, asked.prompt)
    service.engine.parse(asked.prompt)
    work = Work(alone=lambda _: service.engine.explain(asked.prompt), kind=Kind.EXPLAIN)
    (meanings,) = await service.results(request, [work])
    return schemas.Explained(words=[meaning_word(meaning) for meaning in meanings])


def meaning_word(meaning: Any) -> schemas.Word:
    """A `Meaning` for JSON."""
    return schemas.Word(
        word=meaning.word,
        weight=meaning.weight,
        known=meaning.known,
        nearest=[schemas.Near(word=word, cosine=cosine) for word, cosine in meaning.nearest],
        axes=[
            schemas.Axis(axis=axis, pole=str(pole), strength=strength)
            for axis, pole, strength in meaning.axes
        ],
    )


@router.get("/v1/info", responses=READING)
async def info(request: Request) -> schemas.Info:
    """Say which model is served, and what a request may ask for."""
    service = service_of(request)
    settings, bundle = service.settings, service.engine.bundle
    return schemas.Info(
        version=__version__,
        bundle=bundle.bundle_hash,
        provider=service.engine.provider,
        image_size=bundle.spec.image_size,
        **asdict(service.engine.options()),
        vocabulary=len(bundle.vocabulary),
        formats=sorted(offered()),
        limits=schemas.Limits(
            count=settings.max_count,
            frames=settings.max_frames,
            size=settings.max_size,
            prompt_characters=settings.max_prompt,
            words=bundle.spec.max_words,
            body_bytes=settings.max_body,
            upload_bytes=settings.max_upload,
            deadline_s=settings.deadline_s,
            batch=settings.max_batch,
            queue=settings.max_queue,
        ),
    )


@router.get("/healthz", responses=STATE)
@is_probe
async def healthz(request: Request) -> schemas.State:
    """Say whether the process can draw; one that cannot is to be started anew."""
    service_of(request).check_alive()
    return schemas.State(state="alive")


@router.get("/readyz", responses=STATE)
@is_probe
async def readyz(request: Request) -> schemas.State:
    """Say whether to send requests here."""
    service_of(request).check_ready()
    return schemas.State(state="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **READING,
    },
)
async def metrics(request: Request) -> Response:
    """Give the counters in Prometheus' text format."""
    text = service_of(request).metrics.text()
    return Response(text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
