"""The paths of the server."""

import asyncio
import base64
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from t2a_edge import __version__
from t2a_edge.noise import MAX_SEED
from t2a_edge.pipeline import FRESH_SEEDS, Artwork
from t2a_edge.pipeline import Request as PictureRequest
from t2a_edge.server import schemas
from t2a_edge.server.batching import Work
from t2a_edge.server.service import RECORD, Record, RefusalError, Service
from t2a_edge.server.settings import size_cost

FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Failure, "description": text}
    for status, text in {
        400: "The body is no JSON.",
        401: "The bearer token is missing or wrong.",
        408: "The body did not come in time.",
        413: "The body is too large.",
        422: "A value cannot be used.",
        429: "The queue is full; Retry-After says when to try again.",
        500: "The server failed.",
        503: "The server is about to stop, or not ready yet.",
        504: "The deadline passed.",
    }.items()
}
READING: dict[int | str, dict[str, Any]] = {
    status: FAILURES[status] for status in (400, 401, 408, 413, 500)
}
PICTURE = {"schema": {"type": "string", "format": "binary"}}
router = APIRouter()


def service_of(request: Request) -> Service:
    """The parts of the application that the request came to."""
    service: Service = request.app.state.service
    return service


def note_prompt(request: Request, service: Service, prompt: str) -> Record:
    """Check the prompt's length; keep it for the log only where that is asked for."""
    record: Record = request.scope[RECORD]
    if service.settings.log_prompts:
        record.prompt = prompt
    return record


def check_prompts(service: Service, *prompts: str | None) -> None:
    """A RefusalError or a PromptError for a prompt that cannot be used."""
    most = service.settings.max_prompt
    for prompt in prompts:
        if prompt is None:
            continue
        if len(prompt) > most:
            raise RefusalError(
                422, f"The prompt has {len(prompt)} characters; expected {most} or fewer."
            )
        service.engine.parse(prompt)


def check_most(name: str, value: int, most: int) -> None:
    """A RefusalError for a number above the server's limit."""
    if value > most:
        raise RefusalError(422, f"{name} is {value}; this server allows {most} or fewer.")


def sampling(asked: schemas.Sampling) -> dict[str, Any]:
    """The options that all drawing has."""
    return {"guidance_scale": asked.guidance_scale, "temperature": asked.temperature}


def picture(artwork: Artwork, encoded: bytes) -> schemas.Picture:
    """An artwork for JSON."""
    blend, amount = artwork.blend or (None, None)
    height, width = artwork.pixels.shape[:2]
    return schemas.Picture(
        image=base64.b64encode(encoded).decode(),
        prompt=artwork.prompt,
        blend=blend,
        amount=amount,
        seed=artwork.seed,
        width=width,
        height=height,
        guidance_scale=artwork.options.guidance_scale,
        temperature=artwork.options.temperature,
        recipe=artwork.recipe,
        unknown_words=list(artwork.unknown_words),
    )


async def as_json(artworks: Sequence[Artwork]) -> Response:
    """Artworks as JSON, their pictures as base64."""

    def make() -> str:
        return schemas.Pictures(
            images=[picture(artwork, artwork.encode("png")) for artwork in artworks]
        ).model_dump_json()

    return Response(await asyncio.to_thread(make), media_type="application/json")


def headers_of(artwork: Artwork) -> dict[str, str]:
    """What a picture's bytes are sent with."""
    return {
        "X-Seed": str(artwork.seed),
        "X-Unknown-Words": quote(" ".join(artwork.unknown_words)),
        "Cache-Control": "no-store",
    }


def generate_works(service: Service, asked: schemas.GenerateAsked) -> list[Work]:
    """A work for each picture; those of the plain size share runs with other requests."""
    if asked.seed is not None and asked.seed + asked.count - 1 > MAX_SEED:
        raise RefusalError(422, f"The last seed is above {MAX_SEED}; expected a smaller first one.")
    first = fresh_seed() if asked.seed is None else asked.seed
    works = []
    for seed in range(first, first + asked.count):
        options = {**sampling(asked), "seed": seed, "blend": asked.blend, "amount": asked.amount}
        if asked.size is None:
            works.append(Work(PictureRequest(asked.prompt, **options)))
            continue
        width, height = asked.size

        def sized(options: dict[str, Any] = options, size: Any = (width, height)) -> Artwork:
            artwork: Artwork = service.engine.generate(asked.prompt, size=size, **options)
            return artwork

        works.append(Work(alone=sized, cost=size_cost(width, height)))
    return works


def fresh_seed() -> int:
    """A seed that nobody named."""
    import secrets

    return secrets.randbelow(FRESH_SEEDS)


@router.post(
    "/v1/generate",
    responses={
        200: {
            "model": schemas.Pictures,
            "description": "A picture's bytes, or JSON where that is asked for.",
            "content": {"image/png": PICTURE, "image/webp": PICTURE},
        },
        **FAILURES,
    },
)
async def generate(request: Request, asked: schemas.GenerateAsked) -> Response:
    """Draw pictures of a prompt: the same seed gives the same ones, alone or in a batch."""
    service = service_of(request)
    note_prompt(request, service, asked.prompt)
    check_prompts(service, asked.prompt, asked.blend)
    check_most("count", asked.count, service.settings.max_count)
    check_most("size", max(asked.size or [0]), service.settings.max_size)
    if asked.count > 1 and asked.format != "json":
        raise RefusalError(422, f"count is {asked.count}; expected 1, or the format json.")
    artworks = await service.results(request, generate_works(service, asked))
    if asked.format == "json":
        return await as_json(artworks)
    content = await asyncio.to_thread(artworks[0].encode, asked.format)
    return Response(content, media_type=f"image/{asked.format}", headers=headers_of(artworks[0]))


@router.post(
    "/v1/interpolate",
    responses={
        200: {
            "model": schemas.Pictures,
            "description": "An animated WebP, or JSON where that is asked for.",
            "content": {"image/webp": PICTURE},
        },
        **FAILURES,
    },
)
async def interpolate(request: Request, asked: schemas.InterpolateAsked) -> Response:
    """Draw the way from one prompt to another."""
    service = service_of(request)
    note_prompt(request, service, f"{asked.first} to {asked.second}")
    check_prompts(service, asked.first, asked.second)
    check_most("frames", asked.frames, service.settings.max_frames)
    seed = fresh_seed() if asked.seed is None else asked.seed

    def draw() -> list[Artwork]:
        return service.engine.interpolate(
            asked.first, asked.second, frames=asked.frames, seed=seed, **sampling(asked)
        )

    (artworks,) = await service.results(request, [Work(alone=draw, cost=asked.frames)])
    if asked.format == "json":
        return await as_json(artworks)
    content = await asyncio.to_thread(animated, artworks, asked.frame_ms)
    return Response(content, media_type="image/webp", headers=headers_of(artworks[0]))


def animated(artworks: Sequence[Artwork], frame_ms: int) -> bytes:
    """Artworks as one WebP that plays them for ever."""
    stream = io.BytesIO()
    first, *others = [artwork.image for artwork in artworks]
    first.save(
        stream, format="WEBP", save_all=True, append_images=others, duration=frame_ms, loop=0,
        quality=90, minimize_size=False, kmin=1, kmax=1,
    )  # fmt: skip
    return stream.getvalue()


@router.post("/v1/explain", responses=FAILURES)
async def explain(request: Request, asked: schemas.ExplainAsked) -> schemas.Explained:
    """Say what each word of a prompt means to the model."""
    service = service_of(request)
    note_prompt(request, service, asked.prompt)
    check_prompts(service, asked.prompt)
    work = Work(alone=lambda: service.engine.explain(asked.prompt))
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
        guidance_scale=bundle.spec.guidance_scale,
        temperature=bundle.spec.temperature,
        vocabulary=len(bundle.vocabulary),
        limits=schemas.Limits(
            count=settings.max_count,
            frames=settings.max_frames,
            size=settings.max_size,
            prompt_characters=settings.max_prompt,
            words=bundle.spec.max_words,
            body_bytes=settings.max_body,
            deadline_s=settings.deadline_s,
            batch=settings.max_batch,
            queue=settings.max_queue,
        ),
    )


@router.get("/healthz", responses={503: {"model": schemas.Failure}})
async def healthz(request: Request) -> schemas.State:
    """Say whether the process can draw; one that cannot is to be started anew."""
    if not service_of(request).batcher.alive:
        raise RefusalError(503, "The thread that draws has ended; start the server anew.")
    return schemas.State(state="alive")


@router.get("/readyz", responses={503: {"model": schemas.Failure}})
async def readyz(request: Request) -> schemas.State:
    """Say whether to send requests here."""
    service = service_of(request)
    if service.draining.is_set():
        raise RefusalError(503, "The server is about to stop; ask another one.")
    if not service.ready or not service.batcher.alive:
        raise RefusalError(
            503, "The server is not ready; wait until it has drawn its first picture."
        )
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
