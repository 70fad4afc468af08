"""Pictures at addresses of their own: what is kept, what is sent again, in which format."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, features
from starlette.datastructures import Headers

from t2a_edge.server.negotiation import accepts_coding, chosen_type, has_tag
from tests.server.conftest import running
from tests.server.test_endpoints import detail_of, pixels_of

CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
KEPT = "public, max-age=31536000, immutable"


def get(live, headers=None, **query):
    return live.client.get("/v1/pictures", params=query, headers=headers)


def test_a_picture_of_an_address_is_the_librarys_own(live, engine):
    answer = get(live, prompt="warm dark fluid", seed=7)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content == engine.generate("warm dark fluid", seed=7).encode("png")
    assert answer.headers["cache-control"] == KEPT
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-seed"] == "7"


def test_every_option_of_an_address_reaches_the_model(live, engine):
    options = {
        "seed": "alice", "blend": "icy geometric", "amount": 0.25, "guidance_scale": 2.0,
        "temperature": 0.25, "steps": 2, "form_strength": 0.75, "tile": True,
    }  # fmt: skip
    answer = get(live, prompt="warm:0.5 -busy", size="384x256", **options)
    own = engine.generate("warm:0.5 -busy", size=(384, 256), **options)
    np.testing.assert_array_equal(pixels_of(answer.content), own.pixels)
    assert answer.headers["x-seed"] == str(own.seed)


def test_what_a_client_has_is_not_drawn_again(serving):
    with serving() as live:
        first = get(live, prompt="warm", seed=1)
        tag = first.headers["etag"]
        assert tag.startswith('"')
        drawn = len(live.engine.batches)
        for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = get(live, {"If-None-Match": sent}, prompt="warm", seed=1)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert again.headers["cache-control"] == KEPT
            assert "content-length" not in again.headers
        head = live.client.head("/v1/pictures", params={"prompt": "warm", "seed": 1})
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
        assert head.headers["content-type"] == "image/png"
        assert len(live.engine.batches) == drawn
        other = get(live, {"If-None-Match": '"other"'}, prompt="warm", seed=1)
        assert (other.status_code, other.content) == (200, first.content)


def test_another_picture_has_another_tag_and_the_same_one_the_same(live):
    def tag(**query):
        answer = live.client.head("/v1/pictures", params={"prompt": "warm", "seed": 1, **query})
        assert answer.status_code == 200, query
        return answer.headers["etag"]

    same = [
        {}, {"prompt": "warm,"}, {"seed": "1"}, {"size": "256"}, {"size": "256x256"},
        {"size": ""}, {"steps": 3}, {"amount": 0.9}, {"format": "png"}, {"tile": "false"},
    ]  # fmt: skip
    assert len({tag(**query) for query in same}) == 1
    others = [
        {"prompt": "dark"}, {"seed": 2}, {"seed": "alice"}, {"size": "264x256"}, {"steps": 4},
        {"format": "webp"}, {"format": "json"}, {"tile": "true"}, {"blend": "icy"},
        {"blend": "icy", "amount": 0.9}, {"temperature": 0}, {"form_strength": 0.5},
        {"to_seed": 3}, {"to_seed": 3, "amount": 0.9}, {"to_seed": 3, "loop": "true"},
    ]  # fmt: skip
    assert len({tag(), *(tag(**query) for query in others)}) == len(others) + 1


def test_every_option_of_an_address_is_in_the_tag():
    """A new one that is not would let a client keep the wrong picture."""
    from dataclasses import fields

    from t2a_edge.request import OPTIONS, Request
    from t2a_edge.server.pictures import NAMES

    elsewhere = {"count", "seed_step", "frames", "format"}  # one picture, and `format` beside them
    kept = {"strength", "feather", "left", "right", "top", "bottom"}  # of a picture that is changed
    drawn = {own.name for own in fields(Request)} - elsewhere - kept
    assert set(NAMES) == {name for name in drawn if OPTIONS[name].kind.in_address}


def test_servers_that_draw_the_same_bits_have_the_same_tags(engine, serving, monkeypatch):
    def tags():
        for _ in range(2):
            with serving() as live:
                yield get(live, prompt="warm", seed=1).headers["etag"]

    assert len(set(tags())) == 1
    monkeypatch.setattr(engine, "provider", "cuda")
    assert len(set(tags())) == 2


def test_a_fresh_seed_is_not_kept_and_says_where_it_can_be_had_again(live):
    first = get(live, {"If-None-Match": "*"}, prompt="warm, dark", steps=2)
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in first.headers
    again = live.client.get(first.headers["content-location"])
    assert again.content == first.content
    assert again.headers["cache-control"] == KEPT
    assert "content-location" not in again.headers


def test_below_a_prefix_it_can_be_had_again_there(serving):
    with serving(root_path="/art") as live:
        for path in ("/v1/pictures", "/art/v1/pictures"):
            first = live.client.get(path, params={"prompt": "warm", "seed": ""})
            assert first.headers["content-location"].startswith(
                "/art/v1/pictures?prompt=warm&seed="
            )
            assert live.client.get(first.headers["content-location"]).content == first.content


def test_behind_a_token_it_is_kept_by_its_client_alone(engine):
    with running(engine, token="correct-horse") as live:  # noqa: S106
        assert get(live, prompt="warm", seed=1).status_code == 401
        bearer = {"Authorization": "Bearer correct-horse"}
        answer = get(live, bearer, prompt="warm", seed=1)
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "image/png"), ("*/*", "image/png"), ("image/*", "image/png"), ("", "image/png"),
        ("image/webp", "image/webp"), ("image/jpeg;q=0.9, image/*;q=0.1", "image/jpeg"),
        ("IMAGE/JPEG", "image/jpeg"), ("text/html, image/png;q=0.5", "image/png"),
        (CHROMIUM, "image/webp"), (FIREFOX, "image/webp"), ("application/json", "application/json"),
        ("image/png;q=0, image/*", "image/webp"),
    ],
)  # fmt: skip
def test_accept_says_the_format(live, engine, accept, kind):
    headers = {} if accept is None else {"Accept": accept}
    answer = get(live, headers, prompt="warm", seed=3)
    assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "Accept")
    own = engine.generate("warm", seed=3)
    content = answer.content
    if kind == "application/json":
        (told,) = answer.json()["images"]
        assert (told["seed"], told["recipe"]) == (3, own.recipe)
        content = base64.b64decode(told["image"])
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (256, 256)
    if kind != "image/jpeg":
        np.testing.assert_array_equal(pixels_of(content), own.pixels)


@pytest.mark.parametrize("accept", ["text/html", "image/gif", "image/*;q=0, text/*", "nonsense"])
def test_what_accept_does_not_take_is_406(live, accept):
    answer = get(live, {"Accept": accept}, prompt="warm", seed=3)
    assert answer.status_code == 406
    assert "image/png" in detail_of(answer)
    named = get(live, {"Accept": accept}, prompt="warm", seed=3, format="png")
    assert (named.status_code, "vary" in named.headers) == (200, False)


@pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow with AVIF")
def test_avif_is_near_the_picture_and_opens_as_it(live, engine):
    answer = get(live, {"Accept": "image/avif"}, prompt="warm", seed=3)
    assert answer.headers["content-type"] == "image/avif"
    own = engine.generate("warm", seed=3)
    apart = pixels_of(answer.content).astype(int) - own.pixels
    assert np.abs(apart).mean() < 8  # grey levels
    assert engine.open(answer.content) == own


def test_without_avif_it_is_neither_offered_nor_written(live, monkeypatch):
    from t2a_edge.server import answers

    monkeypatch.setattr(answers, "offered", lambda: ("webp", "png", "jpeg"))
    assert get(live, {"Accept": "image/avif"}, prompt="warm", seed=3).status_code == 406
    refused = get(live, prompt="warm", seed=3, format="avif")
    assert (refused.status_code, "format is 'avif'" in detail_of(refused)) == (422, True)


BAD = [
    ({}, "no prompt"),
    ({"prompt": ""}, "no prompt"),
    ({"prompt": "  "}, "no prompt"),
    ({"prompt": "warm:9"}, "expected a weight"),
    ({"prompt": "warm" * 101}, "404 characters; expected 400"),
    ({"prompt": "warm", "sed": 1}, "'sed' is no parameter"),
    ({"prompt": "warm", "form": "AAAA"}, "'form' is no parameter"),
    ({"prompt": "warm", "count": 2}, "'count' is no parameter"),
    ({"prompt": "warm", "seed": -1}, "The seed is '-1'"),
    ({"prompt": "warm", "seed": "1.5"}, "The seed is '1.5'"),
    ({"prompt": "warm", "seed": [1, 2]}, "seed is given twice"),
    ({"prompt": "warm", "size": "256x"}, "The size is '256x'"),
    ({"prompt": "warm", "size": "1032"}, "allows 1024"),
    ({"prompt": "warm", "steps": "many"}, "'many'"),
    ({"prompt": "warm", "steps": 65}, "65"),
    ({"prompt": "warm", "guidance_scale": "nan"}, "nan"),
    ({"prompt": "warm", "tile": "perhaps"}, "'perhaps'; expected true or false"),
    ({"prompt": "warm", "format": "gif"}, "format is 'gif'"),
    ({"prompt": "warm", "format": "npy"}, "format is 'npy'"),
    ({"prompt": "warm", "x" * 300: "1"}, "is no parameter"),
]


@pytest.mark.parametrize(("query", "says"), BAD, ids=range(len(BAD)))
def test_an_address_that_cannot_be_used_gets_one_sentence(live, query, says):
    answer = get(live, **query)
    assert answer.status_code == 422
    sentence = detail_of(answer)
    assert says in sentence
    assert len(sentence) < 400
    assert "cache-control" not in answer.headers


def test_other_methods_are_not_for_it(live):
    answer = live.post("/v1/pictures", prompt="warm")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


# ---- what a client takes

OFFERS = ("image/webp", "image/png", "application/json")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("image/webp;q=0.5, image/png;q=0.5", "image/webp"),
        ("image/webp;q=0.4, image/png;q=0.5", "image/png"),
        ("image/webp;q=0.5, */*;q=0.5", "image/webp"),
        ("image/webp;q=0.1, */*;q=0.5", "image/png"),
        ("image/webp ; Q=0.1 ; a=b , image/*", "image/png"),
        ("application/*", "application/json"),
        ("image/webp;q=7", "image/webp"),
        ("image/webp;q=", "image/webp"),
        (",,;", "image/png"),
        ("image/webp;q=0", None),
        ("audio/*", None),
    ],
)
def test_the_offer_that_accept_wants_most(accept, chosen):
    assert chosen_type(Headers({"accept": accept}), OFFERS, "image/png") == chosen


def test_several_headers_are_one_list():
    several = Headers(raw=[(b"accept", b"image/png;q=0.1"), (b"accept", b"image/webp")])
    assert chosen_type(several, OFFERS, "image/png") == "image/webp"
    assert accepts_coding(Headers({"accept-encoding": "br, GZIP;q=0.5"}), "gzip")
    assert accepts_coding(Headers({"accept-encoding": "*"}), "gzip")
    for sent in ({}, {"accept-encoding": "br"}, {"accept-encoding": "*, gzip;q=0"}):
        assert not accepts_coding(Headers(sent), "gzip")


@pytest.mark.parametrize(
    ("sent", "has"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False),
     ("", False), ('"a', False), ('"b,"a"', False)],
)  # fmt: skip
def test_tags_that_a_client_has(sent, has):
    assert has_tag(Headers({"if-none-match": sent}), '"a"') == has
    assert not has_tag(Headers({}), '"a"')
