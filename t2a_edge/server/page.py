"""The files of a built page, as they are served at /."""

import functools
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from t2a_edge.bundle import SHIPPED
from t2a_edge.documents import is_file
from t2a_edge.server.negotiation import A_YEAR, accepts_coding

INDEX = "index.html"
PACKED = "packed.json"  # of the packaged page: its model, and files that are the bundle's
PACKAGED = Path(__file__).resolve().parents[1] / "page"
HASHED = re.compile(r"assets/.*-[A-Za-z0-9_-]{8}\.[a-z0-9]+")  # another content has another name
FOR_EVER = f"public, {A_YEAR}"
ASK_AGAIN = "no-cache"  # kept, and asked for with its ETag each time
PART = 262_144  # bytes that are unpacked at a time


def packaged_page(bundle_hash: str) -> Path | None:
    """The page of the package where there is one, and where it draws with this bundle."""
    if not is_file(PACKAGED / PACKED):
        return None
    return PACKAGED if _packed(PACKAGED)["bundle"] == bundle_hash else None


def _packed(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / PACKED).read_text(encoding="utf-8"))
    return about


class Page(StaticFiles):
    """Files of a folder; nothing that is hidden in it, and nothing outside it.

    A file may be there in gzip alone, and the packaged page has its engines from the bundle.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)
        self._engines = _packed(folder)["engines"] if is_file(folder / PACKED) else {}

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """A file's own path and state; "" and None for one that is not served.

        What a symbolic link leads to must lie in the folder. A name that begins with a dot is not
        served, be it the file's, a folder's on the way to it, or that of what a link leads to.
        """
        if path in self._engines:
            engine = SHIPPED / self._engines[path]
            return str(engine), engine.stat()
        try:
            found, state = super().lookup_path(path)
            if state is None:
                found, state = super().lookup_path(f"{path}.gz")
        except (OSError, ValueError):  # may not be read, too long, links in a circle, a null byte
            return "", None
        if state is None or self.directory is None:
            return "", None
        inside = Path(found).relative_to(os.path.realpath(self.directory))
        hidden = any(part.startswith(".") for part in (*Path(path).parts, *inside.parts))
        return ("", None) if hidden else (found, state)

    def file_response(
        self,
        full_path: "os.PathLike[str] | str",
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file, or 304 where the client has it; unpacked for one that takes no gzip."""
        asked, path = self.get_path(scope), Path(full_path)
        packed = path.suffix == ".gz" and not asked.endswith(".gz")
        gzipped = packed and accepts_coding(Headers(scope=scope), "gzip")
        tag = content_tag(path, stat_result.st_mtime_ns, stat_result.st_size)
        headers = {
            "Cache-Control": FOR_EVER if HASHED.fullmatch(Path(asked).as_posix()) else ASK_AGAIN,
            "ETag": f'"{tag}-gzip"' if gzipped else f'"{tag}"',
        }
        if packed:
            headers["Vary"] = "Accept-Encoding"
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        response = FileResponse(
            path, status_code, headers, stat_result=stat_result, filename=None,
            media_type=None if not packed else media_type(path.stem),
        )  # fmt: skip
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        if packed and not gzipped:
            headers["Content-Length"] = str(unpacked_size(path))
            kind = response.media_type
            return StreamingResponse(unpacked(path), status_code, headers, kind)
        return response


def media_type(name: str) -> str | None:
    """The type of a file's content by its name; None where that is not known."""
    return FileResponse(name).media_type


@functools.lru_cache(maxsize=4096)
def content_tag(path: Path, _mtime_ns: int, _size: int) -> str:
    """A name for what a file holds, the same on every machine; it is read once."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def unpacked_size(path: Path) -> int:
    """Bytes of what a gzip file holds, up to 4 GB."""
    return int.from_bytes(path.read_bytes()[-4:], "little")


def unpacked(path: Path) -> Iterator[bytes]:
    """What a gzip file holds, in parts."""
    with gzip.open(path) as source:
        while part := source.read(PART):
            yield part
