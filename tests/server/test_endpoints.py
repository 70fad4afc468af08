"""Every path, asked well."""

import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from t2a_edge import __version__
from t2a_edge.animation import about_frames
from t2a_edge.image import METADATA_KEY, read_metadata
from t2a_edge.seeds import MAX_SEED, seed_of_text


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_picture_is_the_librarys_own(live, engine):
    answer = live.post("/v1/generate", prompt="Warm, dark zesty", seed=7)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-seed"] == "7"
    assert answer.headers["cache-control"] == "no-store"
    own = engine.generate("warm dark zesty", seed=7)
    assert answer.content == own.encode("png")
    assert unquote(answer.headers["x-unknown-words"]).split() == list(own.unknown_words)


def test_webp_is_the_same_picture(live, engine):
    answer = live.post("/v1/generate", prompt="warm dark", seed=3, format="webp")
    assert answer.headers["content-type"] == "image/webp"
    np.testing.assert_array_equal(
        pixels_of(answer.content), engine.generate("warm dark", seed=3).pixels
    )


def test_every_option_reaches_the_model(live, engine):
    options = {
        "seed": 5, "blend": "icy geometric", "amount": 0.25, "guidance_scale": 2.5,
        "temperature": 0.5, "steps": 3, "form_strength": 0.75,
    }  # fmt: skip
    (told,) = live.post("/v1/generate", prompt="warm:0.5", format="json", **options).json()[
        "images"
    ]
    own = engine.generate("warm:0.5", **options)
    np.testing.assert_array_equal(pixels_of(base64.b64decode(told.pop("image"))), own.pixels)
    assert told.pop("recipe") == own.recipe
    assert told == {
        "prompt": "warm:0.5", "width": 256, "height": 256, "unknown_words": [], "to_seed": None,
        **options,
    }  # fmt: skip


def photo() -> tuple[np.ndarray, str]:
    """A picture, and its PNG in base64."""
    rows, columns = np.mgrid[:40, :64]
    pixels = np.stack([rows * 6, columns * 3, rows + columns], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return pixels, base64.b64encode(stream.getvalue()).decode()


def test_a_form_is_painted_anew(live, engine):
    pixels, form = photo()
    (told,) = live.post("/v1/generate", prompt="warm", seed=5, form=form, format="json").json()[
        "images"
    ]
    assert told["recipe"] == engine.generate("warm", seed=5, form=pixels).recipe
    assert told["recipe"] != engine.generate("warm", seed=5).recipe
    frames = live.post(
        "/v1/interpolate", first="warm", second="icy", frames=2, seed=5, form=form, format="json"
    )
    assert frames.json()["images"][0]["recipe"] == told["recipe"]
    stream = live.post("/v1/stream", prompt="warm", seed=5, form=form)
    assert told["recipe"] in stream.text


def test_several_pictures_have_consecutive_seeds(live, engine):
    answer = live.post("/v1/generate", prompt="pale", seed=10, count=3, format="json")
    images = answer.json()["images"]
    assert [image["seed"] for image in images] == [10, 11, 12]
    for image in images:
        own = engine.generate("pale", seed=image["seed"])
        np.testing.assert_array_equal(pixels_of(base64.b64decode(image["image"])), own.pixels)


def test_a_fresh_seed_is_told_and_draws_the_same_again(live):
    first = live.post("/v1/generate", prompt="warm")
    again = live.post("/v1/generate", prompt="warm", seed=int(first.headers["x-seed"]))
    assert first.content == again.content
    assert live.post("/v1/generate", prompt="warm").headers["x-seed"] != first.headers["x-seed"]


def test_a_text_is_a_seed(live, engine):
    answer = live.post("/v1/generate", prompt="warm", seed="alice")
    assert answer.headers["x-seed"] == str(seed_of_text("alice"))
    assert answer.content == engine.generate("warm", seed="alice").encode("png")


def test_a_tile_and_seeds_that_are_a_step_apart(live, engine):
    told = {"seed": 2, "seed_step": 5, "count": 2, "tile": True, "size": "256"}
    images = live.post("/v1/generate", prompt="warm", format="json", **told).json()["images"]
    own = [engine.tile("warm", seed=seed).recipe for seed in (2, 7)]
    assert [image["recipe"] for image in images] == own


def test_another_size(live, engine):
    answer = live.post("/v1/generate", prompt="warm fluid", seed=2, size=[320, 256])
    own = engine.generate("warm fluid", seed=2, size=(320, 256))
    np.testing.assert_array_equal(pixels_of(answer.content), own.pixels)
    assert own.pixels.shape == (256, 320, 3)


def test_the_plain_size_named_is_drawn_as_the_plain_size(serving, engine):
    with serving() as live:
        answer = live.post("/v1/generate", prompt="warm", seed=2, size=[256, 256])
        assert answer.content == engine.generate("warm", seed=2).encode("png")
        ((request,),) = live.engine.batches
        assert request.prompt == "warm"


def test_a_picture_in_a_batch_with_others_is_the_same(serving, engine):
    with serving(max_wait_ms=0) as live:
        live.engine.gate.clear()
        with ThreadPoolExecutor(9) as pool:
            first = pool.submit(live.post, "/v1/generate", prompt="dark", seed=0)
            live.engine.wait_until_drawing()
            prompts = [("warm dark", 1), ("icy -busy", 2), ("zesty:2", 3), ("pale", 4)]
            answers = [
                pool.submit(live.post, "/v1/generate", prompt=prompt, seed=seed)
                for prompt, seed in prompts
            ]
            live.until(lambda: live.service.plain.waiting == len(prompts))
            live.engine.gate.set()
            assert first.result().status_code == 200
            for (prompt, seed), answer in zip(prompts, answers, strict=True):
                own = engine.generate(prompt, seed=seed)
                assert answer.result().content == own.encode("png"), prompt
        assert [len(batch) for batch in live.engine.batches] == [1, len(prompts)]


def test_a_way_between_two_prompts(live, engine, tmp_path):
    asked = {"first": "warm", "second": "icy", "frames": 3, "seed": 4}
    own = engine.interpolate("warm", "icy", frames=3, seed=4)
    images = live.post("/v1/interpolate", format="json", **asked).json()["images"]
    assert [image["amount"] for image in images] == [0.0, 0.5, 1.0]
    for image, artwork in zip(images, own, strict=True):
        np.testing.assert_array_equal(pixels_of(base64.b64decode(image["image"])), artwork.pixels)
    played = live.post("/v1/interpolate", **asked)
    assert played.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(played.content)) as animation:
        assert (animation.n_frames, animation.size) == (3, (256, 256))
    (tmp_path / "way.webp").write_bytes(played.content)
    about = about_frames(own[0], 3, round(1000 / 120, 3))
    assert read_metadata(tmp_path / "way.webp") == about
    assert (about["prompt"], about["blend"], about["seed"]) == ("warm", "icy", 4)


def test_a_loop_from_seed_to_seed(live, engine):
    asked = {"seed": "alice", "to_seed": "bob", "frames": 4, "loop": True}
    own = engine.interpolate("warm", **asked)
    images = live.post("/v1/interpolate", first="warm", format="json", **asked).json()["images"]
    assert [(image["to_seed"], image["amount"]) for image in images] == [
        artwork.to_seed for artwork in own
    ]
    for image, artwork in zip(images, own, strict=True):
        np.testing.assert_array_equal(pixels_of(base64.b64decode(image["image"])), artwork.pixels)
    one = live.post("/v1/generate", prompt="warm", amount=0.25, seed="alice", to_seed="bob",
                    loop=True)  # fmt: skip
    np.testing.assert_array_equal(pixels_of(one.content), own[1].pixels)
    played = live.post("/v1/interpolate", first="warm", **asked)
    with Image.open(io.BytesIO(played.content)) as animation:
        assert animation.n_frames == 4


def test_words_are_explained(live, engine):
    words = live.post("/v1/explain", prompt="warm:2 -xyzzy").json()["words"]
    assert [(w["word"], w["weight"], w["known"]) for w in words] == [
        ("warm", 2.0, True), ("xyzzy", -1.0, False),
    ]  # fmt: skip
    for told, own in zip(words, engine.explain("warm:2 -xyzzy"), strict=True):
        assert [(n["word"], n["cosine"]) for n in told["nearest"]] == list(own.nearest)
        assert [(a["axis"], a["pole"], a["strength"]) for a in told["axes"]] == list(own.axes)


def test_info_tells_the_model_and_the_limits(live, engine):
    info = live.client.get("/v1/info").json()
    assert info["version"] == __version__
    assert info["bundle"] == engine.bundle.bundle_hash
    assert (info["provider"], info["image_size"]) == ("cpu", 256)
    assert info["vocabulary"] == len(engine.bundle.vocabulary)
    assert {"jpeg", "png", "webp"} <= set(info["formats"]) <= {"avif", "jpeg", "png", "webp"}
    assert info["limits"] == {
        "count": 8, "frames": 32, "size": 1024, "prompt_characters": 400, "words": 8,
        "body_bytes": 262144, "upload_bytes": 8388608, "deadline_s": 30.0, "batch": 8, "queue": 64,
    }  # fmt: skip


def test_health_and_readiness(live):
    assert live.client.get("/healthz").json() == {"state": "alive"}
    assert live.client.get("/readyz").json() == {"state": "ready"}


def test_metrics_count_requests_and_pictures(serving):
    with serving() as live:
        for seed in range(3):
            assert live.post("/v1/generate", prompt="warm", seed=seed).status_code == 200
        assert live.post("/v1/generate", prompt="").status_code == 422
        assert live.client.get("/nowhere/17").status_code == 404
        answer = live.client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = answer.text.splitlines()
        assert 't2a_edge_requests_total{path="/v1/generate",status="200"} 3.0' in lines
        assert 't2a_edge_requests_total{path="/v1/generate",status="422"} 1.0' in lines
        assert 't2a_edge_requests_total{path="other",status="404"} 1.0' in lines
        assert "t2a_edge_batch_pictures_sum 4.0" in lines  # with the first one of all
        assert 't2a_edge_queue_pictures{queue="plain"} 0.0' in lines
        assert "t2a_edge_requests_in_progress 0.0" in lines
        build = {
            "version": __version__,
            "bundle": live.engine.bundle.bundle_hash,
            "provider": "cpu",
        }
        assert live.service.metrics.registry.get_sample_value("t2a_edge_build_info", build) == 1
        for family in text_string_to_metric_families(answer.text):
            check_metric_name(family)


def check_metric_name(family):
    """A metric is named as Prometheus asks: our prefix, the base unit, its kind's ending."""
    assert family.documentation, family.name
    name = family.name
    assert not name.endswith("_created")  # the client library's own
    assert re.fullmatch(r"(t2a_edge|process)_[a-z]+(_[a-z]+)*", name), name
    units = {"histogram": ("_seconds", "_pictures"), "gauge": ("_pictures", "_progress", "_info")}
    if family.type in units and name.startswith("t2a_edge"):
        assert name.endswith((*units[family.type], "_seconds")), name
    if family.type == "counter":
        assert {sample.name for sample in family.samples} == {name + "_total"}, name


def test_head_is_get_without_a_body(live):
    answer = live.client.head("/v1/info")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(live.client.get("/v1/info").content)
    assert live.client.head("/v1/generate").status_code == 405


def test_a_request_keeps_its_id(live):
    named = live.client.get("/healthz", headers={"X-Request-ID": "abc-1"})
    assert named.headers["x-request-id"] == "abc-1"
    unfit = live.client.get("/healthz", headers={"X-Request-ID": 'a"b\tc'})
    assert len(unfit.headers["x-request-id"]) == 32


def test_a_picture_says_how_it_was_made(live):
    content = live.post("/v1/generate", prompt="warm", seed=1).content
    about = json.loads(Image.open(io.BytesIO(content)).info[METADATA_KEY])
    assert (about["prompt"], about["seed"]) == ("warm", 1)


def detail_of(answer) -> str:
    """The sentence of an answer that is a problem of RFC 9457, whole."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem == {
        "type": "about:blank", "title": HTTPStatus(answer.status_code).phrase,
        "status": answer.status_code, "detail": problem["detail"],
        "request_id": answer.headers["x-request-id"],
    }  # fmt: skip
    return problem["detail"]


BAD = [
    ("/v1/generate", {}, "prompt is missing"),
    ("/v1/generate", {"prompt": ""}, "no adjectives"),
    ("/v1/generate", {"prompt": None}, "There is no prompt"),
    ("/v1/generate", {"prompt": "  "}, "no adjectives"),
    ("/v1/generate", {"prompt": 7}, "The prompt is 7; expected adjectives, as text."),
    ("/v1/generate", {"prompt": "b c d e f g h i j"}, "9 adjectives; expected at most 8"),
    ("/v1/generate", {"prompt": "warm:9"}, "expected a weight from 0 to 4"),
    ("/v1/generate", {"prompt": "warm" * 101}, "404 characters; expected 400"),
    ("/v1/generate", {"prompt": "\x07"}, "control character"),
    ("/v1/generate", {"prompt": "warm", "blend": "a:b"}, "expected a weight"),
    ("/v1/generate", {"prompt": "warm", "sed": 1}, "sed is no key"),
    ("/v1/generate", {"prompt": "warm", "seed": -1}, "seed is -1"),
    ("/v1/generate", {"prompt": "warm", "seed": MAX_SEED + 1}, "seed is"),
    ("/v1/generate", {"prompt": "warm", "seed": True}, "seed is True"),
    ("/v1/generate", {"prompt": "warm", "seed": "1.5"}, "seed is '1.5'"),
    ("/v1/generate", {"prompt": "warm", "count": 0}, "count is 0"),
    ("/v1/generate", {"prompt": "warm", "count": 9, "format": "json"}, "allows 8 or fewer"),
    ("/v1/generate", {"prompt": "warm", "count": 2}, "or the format json"),
    ("/v1/generate", {"prompt": "warm", "format": "gif"}, "format is 'gif'"),
    ("/v1/generate", {"prompt": "warm", "size": [256]}, "size is [256]"),
    ("/v1/generate", {"prompt": "warm", "size": [256, 260]}, "a multiple of 8"),
    ("/v1/generate", {"prompt": "warm", "size": [256, 1032]}, "allows 1024 or fewer"),
    ("/v1/generate", {"prompt": "warm", "guidance_scale": 9}, "guidance scale is 9"),
    ("/v1/generate", {"prompt": "warm", "temperature": -1}, "temperature is -1"),
    ("/v1/generate", {"prompt": "warm", "steps": 0}, "number of steps is 0"),
    ("/v1/generate", {"prompt": "warm", "steps": 65}, "number of steps is 65"),
    ("/v1/generate", {"prompt": "warm", "form_strength": 1.5}, "form strength is 1.5"),
    ("/v1/generate", {"prompt": "warm", "form": "?"}, "The form is no base64"),
    ("/v1/generate", {"prompt": "warm", "form": "AAAA"}, "The form is not a picture"),
    ("/v1/interpolate", {"first": "warm", "second": "icy", "form": "AAAA"}, "not a picture"),
    ("/v1/stream", {"prompt": "warm", "form": "AAAA"}, "not a picture"),
    ("/v1/generate", {"prompt": "warm", "amount": 2, "blend": "icy"}, "amount is 2"),
    (
        "/v1/generate",
        {"prompt": "warm", "count": 2, "format": "json", "size": [1024, 1024]},
        "costs as much as 98 plain pictures; expected 64",
    ),
    (
        "/v1/generate",
        {"prompt": "warm", "size": [1024, 1024], "steps": 6},
        "costs as much as 98 plain pictures; expected 64",
    ),
    (
        "/v1/generate",
        {"prompt": "warm", "seed": MAX_SEED, "count": 2, "format": "json"},
        "2 seeds from 9007199254740991 go past the largest",
    ),
    ("/v1/interpolate", {"first": "warm"}, "Both ends of the way are the same"),
    ("/v1/interpolate", {"first": "warm", "second": "icy", "frames": None}, "frames is None"),
    ("/v1/generate", {"prompt": "warm", "tile": True, "size": [264, 256]}, "multiple of 128"),
    ("/v1/generate", {"prompt": "warm", "picture": "art.png"}, "picture is no key"),
    ("/v1/interpolate", {"first": "warm", "second": "icy", "frames": 1}, "number of frames is 1"),
    ("/v1/interpolate", {"first": "warm", "second": "icy", "frames": 33}, "allows 32 or fewer"),
    ("/v1/interpolate", {"first": "warm", "second": ":"}, "expected an adjective"),
    ("/v1/explain", {"prompt": ""}, "prompt is ''"),
    ("/v1/stream", {"prompt": "-"}, "expected an adjective"),
]


@pytest.mark.parametrize(("path", "body", "says"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_used_gets_one_sentence(live, path, body, says):
    answer = live.post(path, **body)
    assert answer.status_code == 422
    sentence = detail_of(answer)
    assert says in sentence
    assert len(sentence) < 400
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 9000, 400),
        (b'{"prompt": "warm", "seed": ' + b"9" * 5000 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"warm"', 422),
        (b'{"prompt": "warm", "amount": NaN}', 422),
        (b'{"prompt": "\\ud800"}', 422),
        (b'{"\\ud800": 1, "prompt": "warm"}', 422),
        (b'{"prompt": "warm", "' + b"k" * 9000 + b'": 1}', 422),
    ],
)
def test_a_body_that_is_no_request(live, body, status):
    answer = live.client.post(
        "/v1/generate", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert 20 < len(detail_of(answer)) < 300


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/mixed; boundary=b"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_a_body_that_is_said_to_be_no_json_is_415(live, headers):
    answer = live.client.post("/v1/generate", content=b'{"prompt": "warm"}', headers=headers)
    assert answer.status_code == 415
    coded = "Content-Encoding" in headers
    assert ("Content-Encoding" if coded else "application/json") in detail_of(answer)
    assert answer.headers.get("accept-encoding") == ("identity" if coded else None)


@pytest.mark.parametrize(
    "kind", ["Application/JSON; charset=utf-8", "application/vnd.art+json", "application/json;"]
)
def test_json_by_its_other_names_is_read(live, kind):
    answer = live.client.post(
        "/v1/explain", content=b'{"prompt": "warm"}', headers={"Content-Type": kind}
    )
    assert answer.status_code == 200


def test_paths_and_methods_that_are_not_there(live):
    missing = live.client.get("/v1/nothing")
    assert (missing.status_code, "openapi.json" in detail_of(missing)) == (404, True)
    wrong = live.client.get("/v1/generate")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert live.client.options("/v1/generate").status_code == 405
    assert live.client.post("/v1/generate/", json={}).status_code == 404
