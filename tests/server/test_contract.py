"""The server against its own OpenAPI document."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from t2a_edge.checks import MAX_GUIDANCE, MAX_STEPS, MAX_TEMPERATURE
from t2a_edge.seeds import MAX_SEED

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


NUMBERS = {  # what is checked: the least and the most; None where the model or the server says
    "GenerateAsked": {
        "seed": (0, MAX_SEED), "to_seed": (0, MAX_SEED), "guidance_scale": (0, MAX_GUIDANCE),
        "temperature": (0, MAX_TEMPERATURE), "steps": (1, MAX_STEPS), "form_strength": (0, 1),
        "amount": (0, 1), "count": (1, 8), "seed_step": (1, MAX_SEED),
    },
    "InterpolateAsked": {
        "seed": (0, MAX_SEED), "to_seed": (0, MAX_SEED), "guidance_scale": (0, MAX_GUIDANCE),
        "temperature": (0, MAX_TEMPERATURE), "steps": (1, MAX_STEPS), "form_strength": (0, 1),
        "frames": (2, 32), "frame_ms": (20, 10_000),
    },
}  # fmt: skip


def numbers_of(schema):
    """Every number of a schema, those that may be null too, with its least and its most."""
    return {
        name: (one.get("minimum"), one.get("maximum"))
        for name, told in schema["properties"].items()
        for one in (told, *told.get("anyOf", []))
        if one.get("type") in ("integer", "number")
    }


def test_every_number_has_its_limits_in_the_document_and_they_are_those_that_hold(live):
    document = live.client.get("/openapi.json").json()
    paths = {"GenerateAsked": "/v1/generate", "InterpolateAsked": "/v1/interpolate"}
    words = {"prompt": "warm", "blend": "icy"}, {"first": "warm", "second": "icy"}
    for (model, expected), said in zip(NUMBERS.items(), words, strict=True):
        schema = document["components"]["schemas"][model]
        assert numbers_of(schema) == expected
        validator = jsonschema.Draft202012Validator(resolved(document, schema))
        for name, (least, most) in expected.items():
            for beyond in (least - 1, None if most is None else most + 1):
                body = {**said, name: beyond, "format": "json"}
                if beyond is not None:
                    assert not validator.is_valid(body), (name, beyond)
                    assert live.post(paths[model], **body).status_code == 422, (name, beyond)


def test_the_document_has_no_words_that_are_no_json_schema(live):
    text = live.client.get("/openapi.json").text
    for word in ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length"):
        assert f'"{word}":' not in text


def test_the_document_says_what_every_error_is(live):
    document = live.client.get("/openapi.json").json()
    answers = [
        (path, status, told)
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, told in operation["responses"].items()
        if int(status) >= 400
    ]
    assert len(answers) > 50
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, status, told in answers:
        assert told["content"] == problem, (path, status)
    assert "Problem" in document["components"]["schemas"]


ASKED = [
    ("get", "/v1/info", None),
    ("get", "/healthz", None),
    ("get", "/readyz", None),
    ("post", "/v1/generate", {"prompt": "warm", "format": "json", "seed": 7.0, "count": 1.0}),
    ("post", "/v1/interpolate", {"first": "warm", "second": "icy", "frames": 2, "format": "json"}),
    ("post", "/v1/explain", {"prompt": "warm xyzzy"}),
    ("post", "/v1/generate", {"prompt": "warm", "seed": "alice", "format": "json"}),
    ("post", "/v1/generate", {"prompt": "warm", "seed": "1.5"}),
    ("post", "/v1/generate", {"prompt": ""}),
    ("post", "/v1/stream", {"prompt": ""}),
    ("get", "/v1/pictures?prompt=warm&seed=1&format=json", None),
    ("get", "/v1/pictures?seed=1", None),
    ("post", "/v1/decode", {"recipe": ""}),
    ("post", "/v1/measure", {"picture": ""}),
    ("post", "/v1/vary", {"recipe": 7}),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
def test_an_answer_is_what_the_document_says(live, method, path, body):
    document = live.client.get("/openapi.json").json()
    answer = live.client.request(method, path, json=body)
    path = path.partition("?")[0]
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
        assert "14 selected / 14 total" in done.stdout
        assert live.client.get("/healthz").status_code == 200
