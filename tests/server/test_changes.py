"""Pictures that are sent: changed, decoded, measured; as JSON and as uploads."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from t2a_edge.attributes import attribute_scores
from t2a_edge.server.multipart import MOST_PARTS, json_of_form, parts_of
from t2a_edge.server.service import RefusalError
from tests.server.test_endpoints import detail_of, pixels_of

PATHS = ("generate", "stream", "vary", "inpaint", "outpaint", "decode", "measure")


@pytest.fixture(scope="module")
def artwork(engine):
    return engine.generate("warm dark", seed=7, steps=2)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def mask() -> np.ndarray:
    """White in the lower half."""
    grey = np.zeros((256, 256), np.uint8)
    grey[128:] = 255
    return grey


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


CHANGES = [
    ("vary", {"strength": 0.3, "seed": 5}),
    ("vary", {"seed": 5, "prompt": "icy", "blend": "pale", "amount": 0.25, "steps": 3}),
    ("inpaint", {"mask": mask(), "feather": 0, "seed": 5}),
    ("outpaint", {"right": 128, "top": 0, "seed": "alice"}),
]


def changed(engine, artwork, way, options):
    """What the library makes of it."""
    own = {"prompt": None, **options}
    if way == "vary":
        return engine.draw(own_request(artwork, own))[0]
    return getattr(engine, way)(artwork, **own)


def own_request(artwork, options):
    from t2a_edge.request import Request

    return Request(picture=artwork, **options)


@pytest.mark.parametrize(("way", "options"), CHANGES)
def test_a_change_is_the_librarys_own_however_it_is_sent(live, engine, artwork, way, options):
    own = changed(engine, artwork, way, options)
    files = {"picture": artwork.encode()}
    if "mask" in options:
        files["mask"] = png(options["mask"])
    told = {name: value for name, value in options.items() if name != "mask"}
    as_json = live.post(f"/v1/{way}", **told, **{n: coded(c) for n, c in files.items()})
    assert as_json.status_code == 200, as_json.text
    np.testing.assert_array_equal(pixels_of(as_json.content), own.pixels)
    assert as_json.headers["x-seed"] == str(own.seed)
    assert as_json.headers["cache-control"] == "no-store"
    upload = live.client.post(f"/v1/{way}", files=files, data={**told, "blend": told.get("blend")})
    assert upload.content == as_json.content
    if "blend" not in told:
        by_recipe = {"prompt": "warm dark", **told, "recipe": artwork.recipe}
        others = {name: content for name, content in files.items() if name == "mask"}
        sent = live.post(f"/v1/{way}", **by_recipe, **{n: coded(c) for n, c in others.items()})
        assert sent.status_code == 200, sent.text


def test_a_form_may_be_uploaded(live, engine, artwork):
    pixels = np.stack([mask(), mask().T, mask()], axis=-1)
    own = engine.vary(artwork, seed=5, form=pixels)
    files = {"picture": artwork.encode(), "form": png(pixels)}
    answer = live.client.post("/v1/vary", files=files, data={"seed": "5"})
    np.testing.assert_array_equal(pixels_of(answer.content), own.pixels)
    drawn = live.client.post(
        "/v1/generate", files={"form": files["form"]}, data={"prompt": "warm", "seed": "5"}
    )
    own = engine.generate("warm", seed=5, form=pixels)
    np.testing.assert_array_equal(pixels_of(drawn.content), own.pixels)


def test_several_variations_and_every_format(live, artwork):
    sent = {"recipe": artwork.recipe, "prompt": "warm", "seed": 3}
    images = live.post("/v1/vary", **sent, count=2, format="json").json()["images"]
    assert [image["seed"] for image in images] == [3, 4]
    first = live.post("/v1/vary", **sent, format="webp")
    assert first.headers["content-type"] == "image/webp"
    np.testing.assert_array_equal(
        pixels_of(first.content), pixels_of(base64.b64decode(images[0]["image"]))
    )
    assert live.post("/v1/vary", **sent, format="jpeg").headers["content-type"] == "image/jpeg"


def test_a_tile(live, engine):
    answer = live.post("/v1/generate", prompt="warm", seed=2, size=[384, 256], tile=True)
    own = engine.tile("warm", seed=2, size=(384, 256))
    np.testing.assert_array_equal(pixels_of(answer.content), own.pixels)


def test_a_recipe_is_the_same_picture_again(live, artwork):
    answer = live.post("/v1/decode", recipe=artwork.recipe)
    np.testing.assert_array_equal(pixels_of(answer.content), artwork.pixels)
    assert "x-seed" not in answer.headers
    for name in ("png", "webp", "jpeg"):
        upload = live.client.post("/v1/decode", files={"picture": artwork.encode(name)})
        np.testing.assert_array_equal(pixels_of(upload.content), artwork.pixels)
        assert upload.headers["x-seed"] == "7"


def test_any_picture_is_measured(live, artwork):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for content, own in ((png(pixels), pixels), (artwork.encode(), artwork.pixels)):
        scores = live.client.post("/v1/measure", files={"picture": content}).json()["scores"]
        assert scores == pytest.approx(attribute_scores(own))
        assert live.post("/v1/measure", picture=coded(content)).json()["scores"] == scores


def test_what_a_change_costs_counts_what_lies_below(live, engine, artwork):
    painted = engine.inpaint(artwork, mask(), seed=1)
    answer = live.post("/v1/decode", recipe=painted.recipe)
    np.testing.assert_array_equal(pixels_of(answer.content), painted.pixels)
    text = live.client.get("/metrics").text
    assert 't2a_edge_requests_total{path="/v1/decode",status="200"}' in text


# ---- what cannot be used

NOISE = base64.b64encode(b"no picture at all").decode()
PLAIN = coded(png(np.zeros((64, 64, 3), np.uint8)))
BAD = [
    ("vary", {}, "Send one of picture"),
    ("vary", {"picture": PLAIN, "recipe": "A"}, "Send one of picture"),
    ("vary", {"picture": PLAIN}, "no t2a-edge metadata"),
    ("vary", {"picture": NOISE}, "not a picture that can be read"),
    ("vary", {"picture": "???"}, "The picture is no base64"),
    ("vary", {"recipe": "A"}, "recipe"),
    ("vary", {"recipe": "OWN"}, "does not say its adjectives"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "strength": 2}, "The strength is 2"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "size": [256, 256]}, "size is no key"),
    ("vary", {"recipe": "OWN", "prompt": "warm:9"}, "expected a weight"),
    ("vary", {"recipe": "OWN", "prompt": "w" * 401}, "401 characters"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "count": 2}, "or the format json"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "count": 9, "format": "json"}, "allows 8"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "format": "gif"}, "format is 'gif'"),
    ("vary", {"recipe": "OWN", "prompt": "warm", "form": PLAIN[:40]}, "The form"),
    ("inpaint", {"recipe": "OWN", "prompt": "warm"}, "mask is missing"),
    ("inpaint", {"recipe": "OWN", "prompt": "warm", "mask": PLAIN}, "mask has 64 x 64 pixels"),
    ("inpaint", {"recipe": "OWN", "prompt": "warm", "mask": NOISE}, "The mask is not a picture"),
    ("inpaint", {"recipe": "OWN", "prompt": "warm", "mask": "BLACK"}, "no cell"),
    ("inpaint", {"recipe": "OWN", "prompt": "warm", "mask": "WHITE", "feather": 99}, "feather"),
    ("outpaint", {"recipe": "OWN", "prompt": "warm"}, "nothing to add"),
    ("outpaint", {"recipe": "OWN", "prompt": "warm", "left": 0}, "nothing to add"),
    ("outpaint", {"recipe": "OWN", "prompt": "warm", "left": 7}, "a multiple of 8"),
    ("outpaint", {"recipe": "OWN", "prompt": "warm", "left": -8}, "left"),
    ("outpaint", {"recipe": "OWN", "prompt": "warm", "left": 1024}, "allows 1024 a side"),
    ("decode", {"recipe": ""}, "recipe is ''"),
    ("decode", {}, "Send one of picture"),
    ("measure", {}, "picture is missing"),
    ("measure", {"picture": NOISE}, "not a picture that can be read"),
    ("measure", {"picture": coded(png(np.zeros((8, 8, 3), np.uint8)))}, "32"),
]


@pytest.mark.parametrize(("way", "body", "says"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_used_gets_one_sentence(live, artwork, way, body, says):
    stand_ins = {
        "OWN": artwork.recipe,
        "BLACK": coded(png(np.zeros((256, 256), np.uint8))),
        "WHITE": coded(png(np.full((256, 256), 255, np.uint8))),
    }
    answer = live.post(f"/v1/{way}", **{n: stand_ins.get(v, v) if isinstance(v, str) else v
                                        for n, v in body.items()})  # fmt: skip
    assert answer.status_code == 422
    sentence = detail_of(answer)
    assert says in sentence
    assert len(sentence) < 400


def test_a_picture_of_another_model_or_larger_than_allowed_is_refused(serving, engine, tiny_bundle):
    from t2a_edge import TextToArt

    large = engine.generate("warm", seed=1, size=(512, 256))
    with TextToArt(tiny_bundle) as other, serving(max_size=256, max_queue=32) as live:
        strange = other.generate("warm", seed=1)
        for content in (strange.encode(),):
            refused = live.client.post("/v1/vary", files={"picture": content})
            assert (refused.status_code, "model" in detail_of(refused)) == (422, True)
        refused = live.client.post("/v1/vary", files={"picture": large.encode()})
        assert "512 x 256 pixels; this server allows 256" in detail_of(refused)


# ---- limits


def test_uploads_have_a_limit_of_their_own(serving, artwork):
    content = artwork.encode()
    most = len(content) + 2000
    with serving(max_body=4096, max_upload=most) as live:
        sent = {"picture": content}
        assert live.client.post("/v1/vary", files=sent).status_code == 200
        large = live.client.post("/v1/vary", files={"picture": content + b"\0" * 2000})
        assert (large.status_code, f"{most} bytes" in detail_of(large)) == (413, True)
        chunks = iter([b"{" + b" " * most, b"}"])
        json_kind = {"Content-Type": "application/json"}
        streamed = live.client.post("/v1/vary", content=chunks, headers=json_kind)
        assert streamed.status_code == 413
        usual = live.post("/v1/generate", prompt="warm", form="A" * 4096)
        assert (usual.status_code, "4096 bytes" in detail_of(usual)) == (413, True)


@pytest.mark.parametrize("path", [f"/v1/{way}" for way in PATHS])
def test_what_is_neither_json_nor_an_upload_is_415(live, path):
    for kind in ("text/plain", "image/png", "application/x-www-form-urlencoded", ""):
        answer = live.client.post(path, content=b"x", headers={"Content-Type": kind})
        assert answer.status_code == 415
        assert "multipart/form-data" in detail_of(answer)


ORIGIN = "https://art.example.org"


@pytest.mark.parametrize(
    ("site", "origin", "allowed", "status"),
    [
        (None, None, (), 200), ("same-origin", "http://127.0.0.1:8080", (), 200),
        ("none", None, (), 200), ("cross-site", ORIGIN, (), 403), ("same-site", ORIGIN, (), 403),
        ("cross-site", None, (), 403), ("cross-site", "null", (ORIGIN,), 403),
        ("cross-site", ORIGIN, (ORIGIN,), 200), ("cross-site", "null", ("*",), 200),
    ],
)  # fmt: skip
def test_pages_of_other_origins_upload_where_they_may(serving, site, origin, allowed, status):
    told = {"Sec-Fetch-Site": site, "Origin": origin}
    headers = {name: value for name, value in told.items() if value is not None}
    with serving(origins=allowed) as live:
        files = {"prompt": (None, "warm")}
        answer = live.client.post("/v1/explain", files=files, headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert "--origin" in detail_of(answer)


# ---- multipart/form-data

KIND = b"multipart/form-data; boundary=b"


def part(name: str, content: bytes = b"x", more: bytes = b"") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"\r\n'.encode()
    return b"--b\r\n" + head + more + b"\r\n" + content + b"\r\n"


def test_parts_become_the_json_that_they_stand_for():
    body = b"a preamble\r\n" + b"".join([
        part("picture", b"\0\r\n--\xff", b'Content-Type: image/png\r\n'),
        part("seed", b"7"), part("prompt", "wärm".encode()), part("size", b"512x384"),
        part("strength", b"0.5"), part("format", b"webp"), part("blend", b" "), part("mask", b""),
    ]) + b"--b--\r\nan epilogue"  # fmt: skip
    assert json.loads(json_of_form(KIND, body)) == {
        "picture": coded(b"\0\r\n--\xff"), "seed": 7, "prompt": "wärm", "size": [512, 384],
        "strength": 0.5, "format": "webp",
    }  # fmt: skip


def test_a_boundary_in_quotation_marks_and_space_behind_it():
    body = b"--a b \r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--a b--"
    assert parts_of(b'multipart/form-data; boundary="a b"', body) == [("x", b"")]
    assert parts_of(KIND, b"--b--") == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"multipart/form-data", part("x") + b"--b--"),
        (b"multipart/form-data; boundary=" + b"b" * 71, part("x") + b"--b--"),
        (b'multipart/form-data; boundary=""', b"----"),
        (KIND, b""), (KIND, b"--b\r\n"), (KIND, part("x")), (KIND, b"--bx\r\n\r\n\r\n--b--"),
        (KIND, b"--b\r\nno head\r\n--b--"), (KIND, b"--b\r\n\r\nx\r\n--b--"),
        (KIND, b"--b\r\nContent-Disposition: attachment; name=x\r\n\r\nx\r\n--b--"),
        (KIND, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"),
        (KIND, part("x", more=b"Content-Transfer-Encoding: base64\r\n") + b"--b--"),
        (KIND, part("x", more=b"X: " + b"x" * 5000 + b"\r\n") + b"--b--"),
        (KIND, part("x") * (MOST_PARTS + 1) + b"--b--"),
    ],
)  # fmt: skip
def test_what_is_no_upload_is_400(kind, body):
    with pytest.raises(RefusalError) as refused:
        json_of_form(kind, body)
    assert refused.value.status == 400
    assert "curl -F" in refused.value.sentence


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (part("seed", b"-7"), "The seed is '-7'"), (part("prompt", b"\xff"), "no text in UTF-8"),
        (part("seed") + part("seed"), "seed is sent twice"), (part("size", b"big"), "The size"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_used_is_422(parts, says):
    with pytest.raises(RefusalError) as refused:
        json_of_form(KIND, parts + b"--b--")
    assert (refused.value.status, says in refused.value.sentence) == (422, True)


def test_a_damaged_upload_leaves_its_connection_open(live, artwork):
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    damaged = live.client.post("/v1/vary", content=b"--b", headers=kind)
    assert (damaged.status_code, damaged.headers.get("connection")) == (400, None)
    assert "cannot be read" in detail_of(damaged)
    unknown = live.client.post("/v1/vary", files={"picture": artwork.encode()}, data={"sed": "1"})
    assert "sed is no key" in detail_of(unknown)
