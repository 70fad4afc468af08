"""The OpenAPI document, with what one server allows: its limits, its model's sizes, its token."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from t2a_edge.edit import cell_pixels
from t2a_edge.server.access import OPEN, declared
from t2a_edge.server.multipart import FILES as NAMES
from t2a_edge.server.schemas import Preview, Problem
from t2a_edge.server.service import Service

PROMPTS = ("prompt", "blend", "first", "second")


def openapi_document(app: FastAPI, service: Service) -> dict[str, Any]:
    """The document of an application; it is made once."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        every = document["components"]["schemas"]
        for model in (Preview, Problem):  # FastAPI knows no models of events and media types
            every[model.__name__] = model.model_json_schema()
        _add_limits(every, service)
        _add_uploads(document, app)
        if service.settings.token is not None:
            _add_token(document, app)
    return app.openapi_schema or {}


def _add_limits(schemas: dict[str, Any], service: Service) -> None:
    settings, spec = service.settings, service.engine.bundle.spec
    for unused in ("HTTPValidationError", "ValidationError"):  # errors have one sentence here
        schemas.pop(unused, None)
    for name, schema in schemas.items():
        if name.endswith("Asked"):
            for prompt in PROMPTS:
                _limit_text(schema["properties"].get(prompt, {}), settings.max_prompt)
    asked = schemas["GenerateAsked"]["properties"]
    asked["count"]["maximum"] = settings.max_count
    asked["size"]["anyOf"][0]["items"] |= {
        "minimum": spec.image_size,
        "maximum": settings.max_size,
        "multipleOf": cell_pixels(spec),
    }
    schemas["InterpolateAsked"]["properties"]["frames"]["maximum"] = settings.max_frames


def _limit_text(schema: dict[str, Any], characters: int) -> None:
    for one in (schema, *schema.get("anyOf", [])):
        if one.get("type") == "string":
            one["maxLength"] = characters


def _add_uploads(document: dict[str, Any], app: FastAPI) -> None:
    """Bodies as uploads: the same keys, files as they are and all else as text."""
    every = document["components"]["schemas"]
    for route in app.routes:
        if isinstance(route, APIRoute) and route.body_field is not None:
            content = document["paths"][route.path_format]["post"]["requestBody"]["content"]
            name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            keys = {
                key: {
                    "type": "string",
                    **({"format": "binary"} if key in NAMES else {}),
                    "description": schema.get("description", ""),
                }
                for key, schema in every[name]["properties"].items()
            }
            content["multipart/form-data"] = {"schema": {**every[name], "properties": keys}}


def _add_token(document: dict[str, Any], app: FastAPI) -> None:
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for route in app.routes:
        if isinstance(route, APIRoute) and not declared(route, OPEN):
            for operation in document["paths"][route.path_format].values():
                operation["security"] = [{"token": []}]
