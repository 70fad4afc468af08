"""Clients that do as they should, and one that asks for the server's health."""

import base64
import hashlib
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROMPTS = ("warm dark fluid", "icy geometric", "pale -busy", "zesty:2 calm")
PICTURES = 12  # different plain ones that are asked for
ALONE_RUNS = 24  # pictures drawn one after another for the batch-1 latency
PATIENCE_S = 60.0  # that a client waits for an answer
SIDES = (384, 256)  # of the picture of another size
PROBED = ("/healthz", "/readyz")
PROBE_EVERY_S = 0.5


@dataclass(frozen=True)
class Asked:
    """A request, and what answers it.

    Attributes:
        sha256: of the picture in the answer.
        picture_of: finds it there.
        plain: its time counts.
    """

    body: bytes
    sha256: str
    path: str = "/v1/generate"
    picture_of: Callable[[bytes], bytes] = bytes
    plain: bool = True


@dataclass
class Seen:
    """What one client saw."""

    seconds: list[float] = field(default_factory=list)  # of plain pictures with status 200
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


@dataclass
class Probed:
    """Answers to health probes: their times, and those that were not 200."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def references(bundle: Path | None) -> tuple[list[Asked], list[float]]:
    """Requests with their answers, and the seconds of pictures drawn alone and encoded."""
    from t2a_edge.pipeline import TextToArt

    asked, seconds = [], []
    with TextToArt(bundle) as engine:
        for seed in range(max(PICTURES, ALONE_RUNS) + 1):
            prompt = PROMPTS[seed % len(PROMPTS)]
            started = time.perf_counter()
            content = engine.generate(prompt, seed=seed).encode("png")
            seconds.append(time.perf_counter() - started)
            asked.append(_asked(content, {"prompt": prompt, "seed": seed}))
        first = {"prompt": PROMPTS[0], "seed": 0}
        plain = engine.generate(PROMPTS[0], seed=0)
        sized = engine.generate(PROMPTS[0], seed=0, size=SIDES)
        others = [
            _asked(sized.encode("png"), {**first, "size": SIDES}, plain=False),
            _asked(plain.encode("webp"), {**first, "format": "webp"}, plain=False),
            _asked(plain.encode("png"), first, "/v1/stream", last_picture, plain=False),
            _asked(b"warm", {"prompt": PROMPTS[0]}, "/v1/explain", first_word, plain=False),
        ]
    return asked[:PICTURES] + others, seconds[1:]  # the first one warms up


def _asked(
    content: bytes,
    body: Mapping[str, Any],
    path: str = "/v1/generate",
    picture_of: Callable[[bytes], bytes] = bytes,
    plain: bool = True,
) -> Asked:
    sha256 = hashlib.sha256(content).hexdigest()
    return Asked(json.dumps(body).encode(), sha256, path, picture_of, plain)


def last_picture(events: bytes) -> bytes:
    """The picture of the last of a stream's events; nothing where that is none."""
    last = events.strip().rpartition(b"\n\n")[2]
    name, _, data = last.partition(b"\ndata: ")
    return base64.b64decode(json.loads(data)["image"]) if name == b"event: picture" else b""


def first_word(explained: bytes) -> bytes:
    """The first word that an explanation is about."""
    return str(json.loads(explained)["words"][0]["word"]).encode()


def drive(port: int, asked: Sequence[Asked], first: int, ends: float, seen: Seen) -> None:
    """One client: requests one after another on one connection, until the time is over."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    number = first
    while time.monotonic() < ends:
        one = asked[number % len(asked)]
        number += 1
        started = time.perf_counter()
        try:
            connection.request("POST", one.path, one.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            seen.lost.append(f"no answer: {exc!r}")
            connection.close()
            continue
        seen.statuses[answer.status] += 1
        if answer.status == 200:
            if one.plain:
                seen.seconds.append(time.perf_counter() - started)
            if hashlib.sha256(one.picture_of(content)).hexdigest() != one.sha256:
                seen.lost.append("another picture than the library's")
        elif answer.status == 429:
            connection.close()  # the server would, as it hears nothing for long
            time.sleep(min(float(answer.headers["Retry-After"]), max(0, ends - time.monotonic())))
    connection.close()


def probe(port: int, ends: float, seen: Probed) -> None:
    """Ask for the server's health on a connection of its own each time, as orchestrators do."""
    while time.monotonic() < ends:
        for path in PROBED:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            started = time.perf_counter()
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as exc:
                seen.failures.append(f"{path}: {exc!r}")
            else:
                seen.seconds.append(time.perf_counter() - started)
                if answer.status != 200:
                    seen.failures.append(f"{path}: {answer.status}")
            connection.close()
        time.sleep(PROBE_EVERY_S)
