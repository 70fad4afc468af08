"""Pictures at addresses of their own, which browsers and proxies may keep."""

import functools
import hashlib
import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from t2a_edge import __version__
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.request import HOW, OPTIONS, ROOM, WAY, WORDS, SamplingOptions
from t2a_edge.request import Request as PictureRequest
from t2a_edge.server.answers import (
    JSON,
    PICTURES,
    answered,
    check_format,
    media_type,
    negotiated,
    offered,
)
from t2a_edge.server.entry import HEAD_ONLY
from t2a_edge.server.negotiation import A_YEAR, has_tag
from t2a_edge.server.routes import FAILURES, PROBLEM, accepted, service_of, works_of
from t2a_edge.server.service import RefusalError, Service

NAMES = tuple(
    name for name in (*WORDS, "seed", *WAY, *ROOM, *HOW) if OPTIONS[name].kind.in_address
)  # of a query, beside `format`
EXACT = "int8"  # the precision of a bundle that draws the same bits on every processor
router = APIRouter()


def parameters() -> list[dict[str, Any]]:
    """The query in the OpenAPI document."""
    told = []
    for name in NAMES:
        schema = OPTIONS[name].kind.schema()
        if name == "size":  # a query has no pairs
            schema = {"type": "string", "pattern": "^[0-9]{1,5}(x[0-9]{1,5})?$"}
        told.append(
            {
                "name": name, "in": "query", "required": name == "prompt", "schema": schema,
                "description": OPTIONS[name].help,
            }
        )  # fmt: skip
    formats = {"enum": [*sorted(offered()), JSON]}
    text = "Of the answer; by default Accept says."
    return [
        *told, {"name": "format", "in": "query", "schema": formats, "description": text},
    ]  # fmt: skip


def asked_of(request: Request) -> tuple[PictureRequest, str | None]:
    """What a query asks for, and the format that it names; an empty value is none.

    Raises:
        RefusalError: a name is unknown, or given twice.
        T2AEdgeError: a value cannot be used.
    """
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in (*NAMES, "format"):
            raise RefusalError(
                422, f"{name[:80]!r} is no parameter of this path; /openapi.json lists them."
            )
        if name in values:
            raise RefusalError(422, f"{name} is given twice; expected it once.")
        values[name] = value
    told = {name: value for name, value in values.items() if value.strip()}
    named = told.pop("format", None)
    return PictureRequest.from_text(told), named


def tag_of(service: Service, asked: PictureRequest, name: str) -> str:
    """A strong entity tag: one for all that decides the bytes of a picture.

    It is known before the picture is drawn. Bundles that are not INT8, and GPUs, round in a way of
    their own machine: there the tag is this process's own.
    """
    engine = service.engine
    spec, side = engine.bundle.spec, engine.bundle.spec.image_size
    exact = engine.bundle.manifest["precision"] == EXACT and engine.provider == "cpu"
    wanted = {own: getattr(asked, own) for own in NAMES} | asdict(SamplingOptions.of(asked, spec))
    wanted |= {"prompt": engine.parse(asked.prompt or "").text, "size": asked.size or (side, side)}
    if asked.blend is not None:
        wanted["blend"] = engine.parse(asked.blend).text
    elif asked.to_seed is None:  # then there is no way that it could be on
        del wanted["amount"]
    drawn_by = [versions(), engine.bundle.bundle_hash, None if exact else service.nonce]
    decides = json.dumps([drawn_by, name, wanted], sort_keys=True)
    return f'"{hashlib.sha256(decides.encode()).hexdigest()[:32]}"'


@functools.lru_cache(maxsize=1)
def versions() -> list[str]:
    """Of what draws and writes pictures."""
    import PIL

    return [__version__, onnx_runtime().__version__, PIL.__version__]


def caching(
    request: Request, asked: PictureRequest, name: str, named: str | None
) -> dict[str, str]:
    """Headers that say whether an answer may be kept.

    Args:
        name: of the answer's format.
        named: the one that the query has.
    """
    service = service_of(request)
    own = {"Cross-Origin-Resource-Policy": "cross-origin"}
    if named is None:
        own["Vary"] = "Accept"
    if asked.seed is None:
        return {**own, "Cache-Control": "no-store"}
    who = "public" if service.settings.token is None else "private"
    return {**own, "Cache-Control": f"{who}, {A_YEAR}", "ETag": tag_of(service, asked, name)}


def address_of(request: Request, seed: int | None) -> str:
    """Where the picture of a fresh seed can be had again."""
    kept = [(n, v) for n, v in request.query_params.multi_items() if n != "seed"]
    path: str = request.scope["path"]
    return f"{path}?{urlencode([*kept, ('seed', seed)])}"


@router.get(
    "/v1/pictures",
    responses={
        200: PICTURES,
        304: {"description": "The client has it: If-None-Match names its ETag."},
        406: {"content": PROBLEM, "description": "Accept takes no format that there is."},
        **FAILURES,
    },
    openapi_extra={"parameters": parameters()},
)
async def pictures(request: Request) -> Response:
    """Draw the picture of a query; one with a seed is always the same, and may be kept."""
    service = service_of(request)
    asked, named = asked_of(request)
    name = negotiated(request) if named is None else check_format(named)
    wanted = await accepted(request, asked)
    headers = caching(request, wanted, name, named)
    if "ETag" in headers and has_tag(Headers(scope=request.scope), headers["ETag"]):
        return bare(304, headers)
    if HEAD_ONLY in request.scope:  # drawing it would tell no more than its length
        return bare(200, headers, media_type(name))
    artworks = await service.results(request, works_of(service, wanted))
    if asked.seed is None:
        headers["Content-Location"] = address_of(request, artworks[0].seed)
    return await answered(artworks, name, headers)


def bare(status: int, headers: dict[str, str], kind: str | None = None) -> Response:
    """An answer without a body, and without a length."""
    answer = Response(status_code=status, headers=headers, media_type=kind)
    del answer.headers["content-length"]
    return answer
