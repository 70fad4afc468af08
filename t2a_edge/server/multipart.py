"""Files that are uploaded: multipart/form-data (RFC 7578), as curl -F and HTML forms send it.

What is uploaded is another spelling of a JSON body: files in base64, texts as what they stand for.
"""

import base64
import json
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import HTTP

from t2a_edge.errors import T2AEdgeError
from t2a_edge.request import OPTIONS
from t2a_edge.server.service import RefusalError

MEDIA_TYPE = b"multipart/form-data"
MOST_PARTS = 64
LONGEST_HEAD = 4096  # bytes, of one part
FILES = ("picture", "mask", "form")
ENCODINGS = ("binary", "8bit", "7bit", "")
EXAMPLE = "send it as curl -F picture=@art.png does"


def json_of_form(content_type: bytes, body: bytes) -> bytes:
    """The JSON body that an upload stands for; parts that are empty are left out.

    Raises:
        RefusalError: it is damaged (400), or a part of it cannot be used (422).
    """
    values: dict[str, object] = {}
    for name, content in parts_of(content_type, body):
        if name in values:
            raise RefusalError(422, f"{name[:80]} is sent twice; expected it once.")
        if name in FILES:
            values[name] = base64.b64encode(content).decode()
        else:
            values[name] = value_of(name, content)
    kept = {name: value for name, value in values.items() if value not in ("", None)}
    return json.dumps(kept).encode()


def value_of(name: str, content: bytes) -> object:
    """What a part that is no file stands for; None where it is empty."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise RefusalError(422, f"{name[:80]} is no text in UTF-8; send it so.") from exc
    if not text.strip():
        return None
    if name not in OPTIONS or name == "format":
        return text
    try:
        return OPTIONS[name].from_text(text)
    except T2AEdgeError as exc:
        raise RefusalError(422, str(exc)) from exc


def parts_of(content_type: bytes, body: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of all parts, in their order.

    Raises:
        RefusalError: 400 for what is no multipart/form-data.
    """
    said = Message()
    said["Content-Type"] = content_type.decode("latin-1")
    boundary = said.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
        raise damaged("its Content-Type names no boundary")
    mark = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise damaged("its last part does not end")
    if len(pieces) - 2 > MOST_PARTS:
        raise damaged(f"it has more than {MOST_PARTS} parts")
    return [part_of(piece) for piece in pieces[1:-1]]


def part_of(piece: bytes) -> tuple[str, bytes]:
    """Name and content of what is between two boundaries."""
    head, parted, content = piece.partition(b"\r\n\r\n")
    if not parted or head.lstrip(b" \t")[:2] != b"\r\n" or len(head) > LONGEST_HEAD:
        raise damaged("a part has no head of its own")
    told = BytesHeaderParser(policy=HTTP).parsebytes(head.lstrip(b" \t")[2:] + b"\r\n\r\n")
    name = Message()
    name["Content-Disposition"] = str(told.get("Content-Disposition", ""))
    called = name.get_param("name", header="Content-Disposition")
    if name.get_content_disposition() != "form-data" or not isinstance(called, str):
        raise damaged("a part has no name")
    if str(told.get("Content-Transfer-Encoding", "")).strip().lower() not in ENCODINGS:
        raise damaged("a part has a Content-Transfer-Encoding")
    return called, content


def damaged(why: str) -> RefusalError:
    """The answer to what cannot be taken apart."""
    return RefusalError(400, f"The upload cannot be read, as {why}; {EXAMPLE}.")
