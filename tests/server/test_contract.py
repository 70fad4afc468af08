"""The server against its own OpenAPI document."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")

CONFIG = Path(__file__).with_name("schemathesis.toml")
TOKEN = "correct-horse"  # noqa: S105 - of this test alone


def resolved(document: dict, schema: dict) -> dict:
    return {**schema, "components": document["components"]}


def test_the_document_tells_this_servers_limits(serving, engine):
    limits = {"max_count": 3, "max_frames": 5, "max_prompt": 77, "max_size": 512, "max_queue": 9}
    with serving(**limits) as live:
        document = live.client.get("/openapi.json").json()
        schemas = document["components"]["schemas"]
        asked = schemas["GenerateAsked"]["properties"]
        assert asked["count"]["maximum"] == 3
        assert asked["prompt"]["maxLength"] == asked["blend"]["anyOf"][0]["maxLength"] == 77
        side = asked["size"]["anyOf"][0]["items"]
        assert (side["minimum"], side["maximum"], side["multipleOf"]) == (256, 512, 8)
        assert schemas["InterpolateAsked"]["properties"]["frames"]["maximum"] == 5
        assert live.client.get("/openapi.json").json() == document
        assert live.post("/v1/explain", prompt="w" * 78).status_code == 422


ASKED = [
    ("get", "/v1/info", None),
    ("get", "/healthz", None),
    ("get", "/readyz", None),
    ("post", "/v1/generate", {"prompt": "warm", "format": "json", "seed": 7.0, "count": 1.0}),
    ("post", "/v1/interpolate", {"first": "warm", "second": "icy", "frames": 2, "format": "json"}),
    ("post", "/v1/explain", {"prompt": "warm xyzzy"}),
    ("post", "/v1/generate", {"prompt": ""}),
    ("post", "/v1/stream", {"prompt": ""}),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
def test_an_answer_is_what_the_document_says(live, method, path, body):
    document = live.client.get("/openapi.json").json()
    answer = live.client.request(method, path, json=body)
    told = document["paths"][path][method]["responses"][str(answer.status_code)]
    ((kind, content),) = (
        (kind, content)
        for kind, content in told["content"].items()
        if kind in ("application/json", "application/problem+json")
    )
    assert answer.headers["content-type"] == kind
    schema = resolved(document, content["schema"])
    jsonschema.Draft202012Validator(schema).validate(answer.json())
    if body is not None:
        sent = document["paths"][path][method]["requestBody"]["content"]["application/json"]
        validator = jsonschema.Draft202012Validator(resolved(document, sent["schema"]))
        assert validator.is_valid(body) == (answer.status_code == 200)


@pytest.mark.slow
def test_schemathesis_finds_nothing(serving, tmp_path):
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    with serving(token=TOKEN) as live:
        done = subprocess.run(
            [
                sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
                "--config-file", str(CONFIG), "run", live.url + "/openapi.json",
                "--header", f"Authorization: Bearer {TOKEN}", "--checks", "all",
                "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1",
                "--max-time", "100", "--request-timeout", "60", "--rate-limit", "auto",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        assert "8 selected / 8 total" in done.stdout
        assert live.client.get("/healthz").status_code == 200
