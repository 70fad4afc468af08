"""Pictures as they are answered: in the format that is asked for, or that the client takes."""

import asyncio
import base64
import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from starlette.datastructures import Headers

from t2a_edge.artwork import Artwork
from t2a_edge.server import schemas
from t2a_edge.server.negotiation import chosen_type
from t2a_edge.server.service import RefusalError

JSON = "json"
USUAL = "png"
PREFERRED = ("webp", "png", "avif", "jpeg")  # of formats that a client takes alike: exact, small
BINARY = {"schema": {"type": "string", "format": "binary"}}
PICTURES: dict[str, Any] = {
    "model": schemas.Pictures,
    "description": "A picture's bytes, or JSON where that is asked for.",
    "content": {f"image/{name}": BINARY for name in sorted(PREFERRED)},
}


@functools.lru_cache(maxsize=1)
def offered() -> tuple[str, ...]:
    """The formats that this server writes; AVIF where Pillow does."""
    from PIL import features

    with_avif = features.check("avif")
    return tuple(name for name in PREFERRED if name != "avif" or with_avif)


def media_type(name: str) -> str:
    """Of a format, the type."""
    return "application/json" if name == JSON else f"image/{name}"


def check_format(name: str) -> str:
    """The name of a format; a RefusalError for one that this server does not write."""
    formats = (*offered(), JSON)
    if name not in formats:
        expected = ", ".join(sorted(formats))
        raise RefusalError(422, f"format is {name[:80]!r}; expected {expected}.")
    return name


def negotiated(request: Request) -> str:
    """The format that Accept wants most; a RefusalError where it takes none."""
    types = {media_type(name): name for name in (*offered(), JSON)}
    chosen = chosen_type(Headers(scope=request.scope), tuple(types), media_type(USUAL))
    if chosen is None:
        raise RefusalError(
            406, f"Accept takes none of {', '.join(sorted(types))}; name one, or a format."
        )
    return types[chosen]


def check_count(count: int, name: str) -> None:
    """A RefusalError for several pictures in a format that holds one."""
    if count > 1 and name != JSON:
        raise RefusalError(422, f"count is {count}; expected 1, or the format json.")


async def answered(
    artworks: Sequence[Artwork], name: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Artworks in a format that `check_count` has seen."""
    if name == JSON:
        return await as_json(artworks, headers)
    content = await asyncio.to_thread(artworks[0].encode, name)
    own = {**headers_of(artworks[0]), **(headers or {})}
    return Response(content, media_type=media_type(name), headers=own)


def picture(artwork: Artwork, encoded: bytes) -> schemas.Picture:
    """An artwork for JSON."""
    to_seed, amount = artwork.to_seed or (None, None)
    blend, amount = artwork.blend or (None, amount)
    height, width = artwork.pixels.shape[:2]
    return schemas.Picture(
        image=base64.b64encode(encoded).decode(),
        prompt=artwork.prompt,
        blend=blend,
        amount=amount,
        seed=artwork.seed,
        to_seed=to_seed,
        width=width,
        height=height,
        recipe=artwork.recipe,
        unknown_words=list(artwork.unknown_words),
        **asdict(artwork.options),
    )


async def as_json(
    artworks: Sequence[Artwork], headers: Mapping[str, str] | None = None
) -> Response:
    """Artworks as JSON, their pictures as base64."""

    def make() -> str:
        return schemas.Pictures(
            images=[picture(artwork, artwork.encode("png")) for artwork in artworks]
        ).model_dump_json()

    return Response(await asyncio.to_thread(make), media_type=media_type(JSON), headers=headers)


def headers_of(artwork: Artwork) -> dict[str, str]:
    """What a picture's bytes are sent with."""
    seed = {} if artwork.seed is None else {"X-Seed": str(artwork.seed)}
    return {
        **seed,
        "X-Unknown-Words": quote(" ".join(artwork.unknown_words)),
        "Cache-Control": "no-store",
    }
