"""Errors as `application/problem+json` (RFC 9457): the one place that writes them."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Scope

from t2a_edge.server.service import RECORD, Record
from t2a_edge.server.settings import MAX_HEAD

PHRASES = {status.value: status.phrase for status in HTTPStatus}
MEDIA_TYPE = "application/problem+json"
EXAMPLE = '{"prompt": "warm dark"}'
NO_JSON = f"The body is no JSON; send an object such as {EXAMPLE}."
SENTENCES = {
    400: "The request cannot be read; send a valid one.",
    404: "There is nothing at this path; /openapi.json lists what there is.",
    405: "The method {method} is not for this path; /openapi.json says which is.",
    416: "The file has no bytes in this Range; Content-Range says how many it has.",
}
LONG_PATH = f"The path is too long; expected a head of {MAX_HEAD} bytes or fewer."
LARGE_HEAD = f"The request's head is too large; expected {MAX_HEAD} bytes or fewer."
OTHER = "The request cannot be answered."
NO_RANGE = "The Range cannot be read; send one such as: Range: bytes=0-99"
NO_PAGE_HERE = (
    "This server shows no page; an installation from a wheel does, and --page names a built one. "
    "/openapi.json lists what there is."
)
NO_PREFLIGHT = (
    "A page of this origin may not send this request; the server's --origin names the origins, "
    "which may GET and POST."
)


def problem_body(status: int, sentence: str, request_id: str | None = None) -> bytes:
    """The body of every error.

    Args:
        sentence: what was got, what was expected, what to do: its `detail`.
        request_id: under which the log has the request; none for what is no request yet.
    """
    problem: dict[str, str | int] = {
        "type": "about:blank",  # no more than the status says: there is no page to read about it
        "title": PHRASES.get(status, "Client Closed Request"),
        "status": status,
        "detail": sentence,
    }
    if request_id is not None:
        problem["request_id"] = request_id
    body = json.dumps(problem, ensure_ascii=False)
    return body.encode("utf-8", "backslashreplace")  # half a surrogate pair, as JSON writes it


def problem_answer(
    scope: Scope, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as the answer to a request."""
    record: Record | None = scope.get(RECORD)
    body = problem_body(status, sentence, record.id if record else None)
    return Response(body, status, media_type=MEDIA_TYPE, headers=headers)


def sentence_of(status: int, scope: Scope) -> str:
    """What an error says that a library raised or wrote without a sentence of ours."""
    if status == 400:
        names = {name for name, _ in scope["headers"]}
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in names:
            return NO_PREFLIGHT
        if b"range" in names:
            return NO_RANGE
    if status == 404 and scope["path"] == f"{scope.get('root_path', '')}/":
        return NO_PAGE_HERE
    return SENTENCES.get(status, OTHER).format(method=scope["method"])
