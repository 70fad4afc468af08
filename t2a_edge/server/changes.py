"""Pictures that are sent: changed, drawn again, measured."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from t2a_edge.artwork import Artwork
from t2a_edge.attributes import attribute_scores
from t2a_edge.edit import extended_layout, mask_of
from t2a_edge.errors import ImageError, RecipeError
from t2a_edge.image import read_metadata
from t2a_edge.pixels import UInt8Array, sent_pixels
from t2a_edge.recipe import Recipe, unpack_recipe
from t2a_edge.request import MARGINS
from t2a_edge.request import Request as PictureRequest
from t2a_edge.server import schemas
from t2a_edge.server.access import takes_files
from t2a_edge.server.answers import PICTURES, answered, check_count, check_format
from t2a_edge.server.batching import Kind, Work
from t2a_edge.server.routes import (
    FAILURES,
    MAX_FORM_PIXELS,
    check_most,
    check_prompts,
    cost_of,
    service_of,
)
from t2a_edge.server.service import RefusalError, Service

RESPONSES: dict[int | str, dict[str, Any]] = {200: PICTURES, **FAILURES}
router = APIRouter()


@dataclass(frozen=True)
class Sent:
    """A picture of ours that was sent: its file, or its recipe alone.

    Attributes:
        file: its bytes; None where the recipe was sent.
        text: the recipe.
        recipe: what it says.
    """

    file: bytes | None
    text: str
    recipe: Recipe

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.recipe.crop[2:]

    @property
    def cost(self) -> int:
        """How many plain pictures are decoded for it; one that was inpainted has others below."""
        windows, under = len(self.recipe.layout.windows), self.recipe.pasted
        while under is not None:
            windows += len(under.under.layout.windows)
            under = under.under.pasted
        return windows

    def opened(self, service: Service) -> Artwork:
        """The artwork; this decodes it."""
        engine = service.engine
        artwork: Artwork = engine.decode(self.text) if self.file is None else engine.open(self.file)
        return artwork


def bytes_of(name: str, text: str) -> bytes:
    """A file that was sent in base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise ImageError(f"{name} is no base64; expected that of a picture's file.") from exc


def read_sent(service: Service, picture: str | None, recipe: str | None) -> Sent:
    """What was sent of a picture, checked; nothing is decoded yet.

    Raises:
        RefusalError: both are there, or neither; or it is larger than this server allows.
        T2AEdgeError: it is no picture of this model.
    """
    if (picture is None) == (recipe is None):
        raise RefusalError(422, "Send one of picture, a file that t2a-edge wrote, and recipe.")
    file, text = None, recipe or ""
    if picture is not None:
        file = bytes_of("The picture", picture)
        told = read_metadata(file).get("recipe")
        if not isinstance(told, str):
            raise RecipeError(
                "The picture has no recipe in its metadata; send one that t2a-edge wrote as a PNG."
            )
        text = told
    engine = service.engine
    sent = Sent(file, text, unpack_recipe(text, engine.bundle.spec, engine.bundle.model))
    check_size(service, "The picture", sent.size)
    return sent


def check_size(service: Service, name: str, size: tuple[int, int]) -> None:
    """A RefusalError for a picture with a side that is longer than this server allows."""
    most = service.settings.max_size
    if max(size) > most:
        raise RefusalError(
            422, f"{name} has {size[0]} x {size[1]} pixels; this server allows {most} a side."
        )


def read_mask(text: str, size: tuple[int, int]) -> UInt8Array:
    """The grey levels of a mask, (H, W) uint8, of a picture's size."""
    pixels = sent_pixels("The mask", bytes_of("The mask", text), most=MAX_FORM_PIXELS)
    return mask_of("The mask", pixels, size, "send one of the same size.")


async def changed(
    request: Request,
    asked: schemas.ChangeAsked,
    given: Callable[[Sent], dict[str, Any]] = lambda sent: {},
) -> Response:
    """The answer with a picture that is changed.

    Args:
        given: what else the change is asked for with, such as a mask; it may take a while.
    """
    service, name = service_of(request), check_format(asked.format)
    values = asked.values()
    check_prompts(request, values.get("prompt"), values.get("blend"))
    count = values.get("count", 1)
    check_count(count, name)
    check_most("count", count, service.settings.max_count)
    sent = await asyncio.to_thread(read_sent, service, asked.picture, asked.recipe)
    values |= await asyncio.to_thread(given, sent)

    def draw(work: Work) -> list[Artwork]:
        own = PictureRequest(picture=sent.opened(service), **{"prompt": None, **values})
        loaded = own.loaded(MAX_FORM_PIXELS)
        return service.engine.draw([loaded], on_step=lambda _: work.check_wanted())

    windows = count * len(grown(service, sent, values).windows)
    cost = sent.cost + cost_of(service, values.get("steps"), windows)
    (artworks,) = await service.results(request, [Work(alone=draw, kind=Kind.CHANGE, cost=cost)])
    return await answered(artworks, name)


def grown(service: Service, sent: Sent, values: dict[str, Any]) -> Any:
    """The layout of a picture with room that is drawn around it, within this server's limits."""
    margins = tuple(values.get(side) or 0 for side in MARGINS)
    layout, crop = sent.recipe.layout, sent.recipe.crop
    if not any(margins):
        return layout
    spec = service.engine.bundle.spec
    layout, crop, _ = extended_layout(spec, layout, crop, margins)  # type: ignore[arg-type]
    check_size(service, "The larger picture", crop[2:])
    return layout


@router.post("/v1/vary", responses=RESPONSES)
@takes_files
async def vary(request: Request, asked: schemas.VaryAsked) -> Response:
    """Draw on from a picture: nearly the same, or hardly."""
    return await changed(request, asked)


@router.post("/v1/inpaint", responses=RESPONSES)
@takes_files
async def inpaint(request: Request, asked: schemas.InpaintAsked) -> Response:
    """Draw a part of a picture anew, where a mask is white."""
    return await changed(request, asked, lambda sent: {"mask": read_mask(asked.mask, sent.size)})


@router.post("/v1/outpaint", responses=RESPONSES)
@takes_files
async def outpaint(request: Request, asked: schemas.OutpaintAsked) -> Response:
    """Draw on beyond the edges of a picture."""
    values = asked.values()
    if not any(values.get(side) for side in MARGINS):
        raise RefusalError(422, "There is nothing to add; name pixels left, right, top or bottom.")
    return await changed(request, asked)


@router.post("/v1/decode", responses=RESPONSES)
@takes_files
async def decode(request: Request, asked: schemas.DecodeAsked) -> Response:
    """Draw the picture of a recipe again."""
    service, name = service_of(request), check_format(asked.format)
    sent = await asyncio.to_thread(read_sent, service, asked.picture, asked.recipe)
    work = Work(alone=lambda _: sent.opened(service), kind=Kind.DECODE, cost=sent.cost)
    return await answered(await service.results(request, [work]), name)


@router.post("/v1/measure", responses=FAILURES)
@takes_files
async def measure(request: Request, asked: schemas.MeasureAsked) -> schemas.Measured:
    """Measure how strongly any picture shows each visual attribute."""
    content = bytes_of("The picture", asked.picture)
    most = MAX_FORM_PIXELS
    pixels = await asyncio.to_thread(sent_pixels, "The picture", content, most=most)
    work = Work(alone=lambda _: attribute_scores(pixels), kind=Kind.MEASURE)
    (scores,) = await service_of(request).results(request, [work])
    return schemas.Measured(scores=scores)
