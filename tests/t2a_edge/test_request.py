"""A request: every option by itself, what goes together, and the same in every door."""

import base64
import io
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from t2a_edge import cli
from t2a_edge.command import run_command
from t2a_edge.errors import ImageError, OptionError, PromptError, RecipeError, T2AEdgeError
from t2a_edge.kinds import Choice, Flag, Given, Number, Picture, Pixels, Seed, Size, Whole, Words
from t2a_edge.pipeline import TextToArt
from t2a_edge.request import (
    HOW,
    OPTIONS,
    SAMPLING,
    SEEDS,
    WAY,
    Options,
    Request,
    Sampling,
    SamplingOptions,
)
from t2a_edge.seeds import MAX_SEED, seed_of_text
from web.options import module

SOUND: dict[str, tuple[Any, str, Any]] = {  # as Python has it, as it is typed, as JSON has it
    "prompt": ("warm -busy", "warm -busy", "warm -busy"),
    "seed": (7, "7", 7.0),
    "count": (np.int64(3), "3", 3.0),
    "seed_step": (10, "10", 10),
    "blend": ("icy", "icy", "icy"),
    "to_seed": (np.uint8(9), "9", 9.0),
    "loop": (True, "yes", True),
    "amount": (0.25, ".25", 0.25),
    "frames": (4, "4", 4.0),
    "size": ((512, 384), "512x384", [512.0, 384]),
    "tile": (True, "true", True),
    "guidance_scale": (2.0, "2", 2.0),
    "temperature": (np.float64(0.5), "0.5", 0.5),
    "steps": (3, "3", 3),
    "form_strength": (0.75, "7.5e-1", 0.75),
    "format": ("webp", "webp", "webp"),
}
BAD: list[tuple[str, Any, str]] = [
    ("prompt", 7, "The prompt is 7; expected adjectives"),
    ("blend", ["icy"], r"The blend is \['icy'\]; expected adjectives"),
    ("seed", -1, "The seed is -1; expected a whole number from 0"),
    ("seed", MAX_SEED + 1, "The seed is 9007199254740992"),
    ("seed", "?", r"The seed is '\?'; expected a whole number from 0 .* such as alice"),
    ("seed", 1.5, "The seed is 1.5"),
    ("seed", True, "The seed is True"),
    ("to_seed", -1, "The seed is -1"),
    ("to_seed", "?", r"The seed is '\?'"),
    ("loop", 1, "The loop is 1; expected true or false"),
    ("count", 0, "The count is 0; expected a whole number from 1 to 1000"),
    ("count", None, "The count is None"),
    ("seed_step", 0, "The seed step is 0"),
    ("amount", 1.1, "The amount is 1.1; expected a number from 0 to 1"),
    ("amount", None, "The amount is None"),
    ("frames", 1, "The number of frames is 1"),
    ("size", [256], r"The size is \[256\]; expected width and height"),
    ("size", "256x", "The size is '256x'; expected width and height in pixels, such as"),
    ("size", 0, "The width of the size is 0"),
    ("size", (256, True), "The height of the size is True"),
    ("tile", 1, "The tile is 1; expected true or false"),
    ("guidance_scale", 8.5, "The guidance scale is 8.5; expected a number from 0 to 8"),
    ("guidance_scale", float("nan"), "The guidance scale is nan"),
    ("temperature", "1", "The temperature is '1'; expected a number from 0 to 10"),
    ("steps", 2.5, "The number of steps is 2.5; expected a whole number from 1 to 64"),
    ("form_strength", -0.1, "The form strength is -0.1"),
    ("format", "gif", "The format is 'gif'; expected png, webp, .*npy"),
]


def other_words(name: str) -> dict[str, Any]:
    """What an option needs beside it."""
    return {"prompt": "warm"} | ({"blend": "icy"} if name in ("frames", "loop") else {})


# ---- each option


@pytest.mark.parametrize("name", SOUND)
def test_an_option_is_the_same_from_python_text_and_json(name: str) -> None:
    own, text, sent = SOUND[name]
    beside = other_words(name)
    requests = [
        Request(**{**beside, name: own}),
        Request.from_text({**beside, name: text}),
        Request.from_json({**beside, name: sent}),
    ]
    assert requests[0] == requests[1] == requests[2]
    assert {type(getattr(request, name)) for request in requests} == {
        type(getattr(requests[1], name))  # a plain one, whatever was given
    }


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_a_value_that_cannot_be_used_is_one_sentence(name: str, value: Any, said: str) -> None:
    with pytest.raises(T2AEdgeError, match=f"^{said}"):
        Request(**{**other_words(name), name: value})
    if value is not None:
        with pytest.raises(T2AEdgeError, match=f"^{said}"):
            Request.from_json({**other_words(name), name: value})


def test_every_option_is_declared_with_a_kind_and_help() -> None:
    kinds = (Words, Seed, Whole, Number, Size, Flag, Picture, Given, Pixels, Choice)
    for name, option in OPTIONS.items():
        assert isinstance(option.kind, kinds), name
        assert option.help.endswith("."), name
        assert option.called[0].isupper(), name
        assert option.flag.startswith("--"), name


def test_unknown_options_are_named_with_what_may_be_meant() -> None:
    with pytest.raises(OptionError, match="no option 'sed'; did you mean seed"):
        Request.from_json({"prompt": "warm", "sed": 7})
    with pytest.raises(OptionError, match="no option 'zzz'; expected prompt, seed"):
        Request.from_text({"prompt": "warm", "zzz": "7"})


@pytest.mark.parametrize("name", ["form", "picture", "mask"])
def test_nobody_names_a_file_of_this_machine_in_an_address(name: str) -> None:
    with pytest.raises(OptionError, match=f"no option '{name}'"):
        Request.from_text({"prompt": "warm", name: "/etc/hostname"})


@pytest.mark.parametrize("name", ["picture", "mask"])
def test_json_has_no_objects_of_this_process(name: str) -> None:
    with pytest.raises(OptionError, match=f"no option '{name}'"):
        Request.from_json({"prompt": "warm", name: "art.png"})


@pytest.mark.parametrize("sent", ["/etc/hostname?", "?", "", 7, None, "é"])
def test_a_form_in_json_is_a_file_in_base64_and_no_path(sent: Any) -> None:
    if sent is None:
        assert Request.from_json({"prompt": "warm", "form": sent}).form is None
        return
    with pytest.raises(ImageError, match="The form is no base64"):
        Request.from_json({"prompt": "warm", "form": sent})


def test_a_form_is_read_once_whatever_it_is(tmp_path: Path) -> None:
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    (tmp_path / "form.png").write_bytes(file.getvalue())
    sent = base64.b64encode(file.getvalue()).decode()
    forms = [tmp_path / "form.png", str(tmp_path / "form.png"), file.getvalue(), pixels]
    requests = [Request("warm", form=form) for form in forms]
    requests.append(Request.from_json({"prompt": "warm", "form": sent}))
    for request in requests:
        np.testing.assert_array_equal(request.loaded().form, pixels)
    with pytest.raises(ImageError, match="The form has 8 x 6 pixels; expected 1 to 47"):
        requests[-1].loaded(most=47)
    with pytest.raises(ImageError, match="The form is int64"):
        Request("warm", form=7).loaded()


# ---- what goes together


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ({}, PromptError, "There is no prompt"),
        ({"prompt": "warm", "frames": 3}, OptionError, "Both ends of the way are the same"),
        ({"prompt": "warm", "loop": True}, OptionError, "a second prompt or another seed"),
        ({"prompt": "warm", "seed": 7, "to_seed": 7}, OptionError, "Both ends of the way are"),
        ({"prompt": "warm", "seed": 7, "to_seed": 9, "count": 3}, OptionError, "Both ends of the"),
        ({"prompt": "warm", "seed": "bob", "to_seed": " bob "}, OptionError, "Both ends of the"),
        (
            {"prompt": "warm", "to_seed": 9, "loop": True, "frames": 2},
            OptionError, "frames of a loop is 2; expected a whole number from 3",
        ),
        ({"picture": 1, "to_seed": 9}, OptionError, "to_seed and loop are for a new picture"),
        ({"picture": 1, "blend": "icy", "loop": True}, OptionError, "are for a new picture"),
        ({"prompt": "warm", "strength": 0.5}, OptionError, "strength is for a picture"),
        ({"prompt": "warm", "left": 8}, OptionError, "left is for a picture"),
        ({"picture": 1, "strength": 1, "mask": [[1]]}, OptionError, "one of strength, mask and"),
        ({"picture": 1, "left": 8, "mask": [[1]]}, OptionError, "one of strength, mask and"),
        ({"picture": 1, "feather": 8}, OptionError, "feather is for a mask"),
        ({"picture": 1, "size": 256}, OptionError, "its own size and edges"),
        ({"picture": 1, "tile": True}, OptionError, "its own size and edges"),
        ({"prompt": "warm", "seed": MAX_SEED, "count": 2}, OptionError, "2 seeds from 9007"),
        (
            {"prompt": "warm", "blend": "icy", "count": 10, "frames": 101},
            OptionError, "10 times 101 frames .* at most 1000",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told(
    told: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Request(**told)


def test_a_request_is_for_each_of_its_pictures_one_of_a_seed_and_an_amount() -> None:
    way = Request("warm", blend="icy", frames=3, seed=7, count=2, seed_step=10, steps=2)
    found = [(one.seed, one.amount, one.steps, one.count, one.frames) for one in way.pictures()]
    assert found == [
        (seed, amount, 2, 1, None) for seed in (7, 17) for amount in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    (fresh,) = Request("warm").pictures()
    assert isinstance(fresh.seed, int)
    assert Request("warm").seed is None


def test_the_pictures_of_a_way_are_those_of_its_places() -> None:
    asked: dict[str, Any] = {"seed": "alice", "to_seed": "bob", "blend": "icy"}
    way = Request("warm", frames=3, **asked).pictures()
    assert way == [Request("warm", amount=place, **asked) for place in (0, 0.5, 1)]
    assert way[1].to_seed == seed_of_text("bob")
    loop = Request("warm", frames=4, loop=True, **asked).pictures()
    assert loop == [Request("warm", amount=i / 4, loop=True, **asked) for i in range(4)]
    assert [one.frame.amount for one in loop] == [0, 0.5, 1, 0.5]
    assert loop[1].frame.noise[2] == -loop[3].frame.noise[2] != 0


def test_a_loop_of_one_seed_leaves_its_noise_for_a_third_alone() -> None:
    for to_seed in (None, 7):
        own = Request("warm", seed=7, to_seed=to_seed, blend="icy", loop=True, amount=0.25)
        assert own.frame.noise[1] == 0 != own.frame.noise[2]


def test_a_text_is_a_seed_from_then_on_a_number() -> None:
    assert Request("warm", seed="alice").seed == seed_of_text("alice")
    assert [one.seed for one in Request("warm", seed="7", count=2).pictures()] == [7, 8]


# ---- drawing


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Any:
    with TextToArt(tiny_bundle) as model:
        yield model


def test_requests_of_every_kind_are_drawn_together_as_each_alone(engine: TextToArt) -> None:
    art = engine.generate("warm dark", seed=7)
    mask = np.zeros((32, 32), bool)
    mask[:16] = True
    pairs = [
        (Request("pale", seed=1), engine.generate("pale", seed=1)),
        (Request("pale", seed=2, size=48), engine.generate("pale", seed=2, size=(48, 48))),
        (Request("pale", seed=3, tile=True), engine.tile("pale", seed=3)),
        (Request(None, picture=art, seed=4), engine.vary(art, seed=4)),
        (Request(picture=art, seed=5, strength=0.9), engine.vary(art, seed=5, strength=0.9)),
        (Request(picture=art, seed=6, mask=mask), engine.inpaint(art, mask, seed=6)),
        (Request(picture=art, seed=7, left=16), engine.outpaint(art, seed=7, left=16)),
    ]
    drawn = engine.draw([request for request, _ in pairs])
    assert drawn == [artwork for _, artwork in pairs]
    turns = list(engine.draw_in_turns([request for request, _ in pairs]))
    assert [artwork for turn in turns for artwork in turn] == drawn
    assert {len(turn) for turn in turns} >= {1, 3}  # what has one layout is drawn at one time


def test_a_way_is_that_of_the_library_and_its_steps_are_told(engine: TextToArt) -> None:
    told: list[int] = []
    way = engine.draw(Request("warm", blend="cool", frames=3, seed=7), on_step=told.append)
    assert way == engine.interpolate("warm", "cool", frames=3, seed=7)
    assert told == list(range(1, engine.spec.steps + 1))


def test_a_model_says_what_it_cannot_draw_without_drawing(
    engine: TextToArt, monkeypatch: pytest.MonkeyPatch
) -> None:
    art = engine.generate("warm dark", seed=7)
    monkeypatch.setattr("t2a_edge.pipeline.paint_steps", None)
    engine.check(Request("warm", blend="cool", size=48, form="missing.png"))
    for told, error, said in (
        ({"prompt": "dark:9"}, PromptError, "dark:9"),
        ({"prompt": "warm", "blend": ""}, PromptError, "no adjectives"),
        ({"prompt": "warm", "size": 40, "tile": True}, OptionError, "a multiple of 16"),
        ({"picture": art, "left": 3}, OptionError, "margin at the left is 3"),
        ({"picture": 5}, OptionError, "The artwork is 5"),
    ):
        with pytest.raises(error, match=said):
            engine.check(Request(**told))
    with pytest.raises(OptionError, match="Several pictures"):
        engine.stream(Request("warm", count=2))
    with pytest.raises(OptionError, match="Several pictures"):
        engine.generate("warm", frames=2, blend="icy")  # type: ignore[call-overload]
    other = type(art)(**{**vars(art), "recipe": art.recipe[:-9]})
    with pytest.raises(RecipeError):
        engine.check(Request(picture=other))


def test_what_several_pictures_share_is_read_once(
    engine: TextToArt, monkeypatch: pytest.MonkeyPatch
) -> None:
    import t2a_edge.plan as plan

    art = engine.generate("warm dark", seed=7)
    read: list[str] = []
    for name in ("conditioning", "encoded", "parse_prompt"):
        own = getattr(plan, name)
        monkeypatch.setattr(
            plan, name, lambda *a, _own=own, _name=name, **n: read.append(_name) or _own(*a, **n)
        )
    engine.draw(Request(picture=art, seed=1, count=5))
    assert sorted(read) == ["conditioning", "encoded", "parse_prompt"]


# ---- every door


def test_keyword_arguments_are_the_fields_of_a_request() -> None:
    names = {own.name for own in fields(Request)}
    sampling, options = set(Sampling.__annotations__), set(Options.__annotations__)
    assert sampling == {"seed", *HOW}
    assert set(SAMPLING) < set(HOW)
    assert options | sampling <= names
    assert {own.name for own in fields(SamplingOptions)} <= names


@pytest.mark.parametrize("command", ["generate", "tile", "vary", "inpaint", "outpaint"])
def test_every_command_that_draws_has_the_options_of_sampling(command: str) -> None:
    found = cli.main.get_command(click.Context(cli.main), command)
    assert found is not None
    options = {param.name: param for param in found.params if isinstance(param, click.Option)}
    for name in (*HOW, *SEEDS):
        assert options[name].help == OPTIONS[name].help
        assert options[name].opts == [OPTIONS[name].flag]


def test_the_servers_bodies_have_them_too_and_say_the_same() -> None:
    pytest.importorskip("pydantic", reason="needs the extra serve")
    from t2a_edge.server import schemas

    for body in (schemas.GenerateAsked, schemas.PictureAsked, schemas.InterpolateAsked):
        told = body.model_json_schema()["properties"]
        for name in HOW:
            assert told[name]["description"] == OPTIONS[name].help
        for name in WAY:
            assert told[name]["description"] == OPTIONS[name].help
    answered = schemas.Picture.model_json_schema()
    assert set(SAMPLING) <= set(answered["required"])


def test_the_page_knows_their_ranges() -> None:
    for name in SAMPLING:
        kind: Any = OPTIONS[name].kind
        row = next(line for line in module().splitlines() if line.startswith(f"  {name}: "))
        assert f"least: {kind.least}, most: {kind.most}," in row


@pytest.mark.parametrize(
    ("name", "typed"), [("temperature", "11"), ("steps", "0"), ("seed", "-1"), ("count", "1001")]
)
def test_a_command_says_the_sentence_of_the_request(
    name: str, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(cli.main, ["generate", "warm", OPTIONS[name].flag, typed])
    with pytest.raises(OptionError) as told:
        Request.from_text({"prompt": "warm", name: typed})
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {told.value}\n"


@given(st.dictionaries(st.sampled_from([*OPTIONS, "unheard-of"]), st.text(max_size=9), max_size=3))
def test_any_text_is_a_request_or_one_sentence(told: dict[str, str]) -> None:
    said = ""
    try:
        assert Request.from_text(told) == Request.from_text(told)
    except T2AEdgeError as exc:
        said = str(exc)
    assert re.fullmatch(r"[^\n]{0,400}", said)
