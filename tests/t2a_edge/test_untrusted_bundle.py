"""A bundle from anybody: whatever it says, it is refused by a BundleError, soon."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from t2a_edge.bundle import MANIFEST, SHIPPED, Bundle, file_entry, load_bundle
from t2a_edge.errors import BundleError
from t2a_edge.manifest import read_manifest
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import OnnxRunner

SAID = json.loads((SHIPPED / MANIFEST).read_text(encoding="utf-8"))
POSITIONS = sum(side * side for side in SAID["spec"]["scales"])
CARDS = ("MODEL_CARD.md", "PARITY.md")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped bundle, to be damaged."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle", ignore=lambda *_: CARDS))


def say(bundle: Path, **changed: Any) -> None:
    (bundle / MANIFEST).write_text(json.dumps({**SAID, **changed}), encoding="utf-8")


def refused(bundle: Path, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        load_bundle(bundle)


# ---- files


@pytest.mark.parametrize(
    "name",
    ["/dev/zero", "../../x", "..", ".", "", "a/b", "a\\b", ".hidden", "a\0b", "bündel", "x" * 200],
)
def test_only_plain_names_are_files(bundle: Path, name: str) -> None:
    entry = {"bytes": 10, "sha256": "0" * 64}
    say(bundle, files={**SAID["files"], name: entry})
    refused(bundle, "Its files is .*; expected plain names of files in the bundle's folder")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and /dev/zero")
@pytest.mark.parametrize("name", ["text.onnx", MANIFEST])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_read(bundle: Path, name: str, kind: str) -> None:
    path = bundle / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    refused(bundle, "it is no regular file")


def test_a_linked_file_is_one_that_agrees(bundle: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (bundle / "text.onnx").rename(blob)
    (bundle / "text.onnx").symlink_to(blob)
    assert load_bundle(bundle).bundle_hash == load_bundle().bundle_hash
    (tmp_path / "linked").symlink_to(bundle)
    assert load_bundle(tmp_path / "linked").bundle_hash == load_bundle().bundle_hash


@pytest.mark.parametrize(("name", "size"), [("decoder.onnx", 2**40), (MANIFEST, 2**40)])
def test_a_file_that_is_larger_than_said_is_not_read(bundle: Path, name: str, size: int) -> None:
    with (bundle / name).open("r+b") as file:
        file.truncate(size)  # takes no room on the disk, and an hour to read
    refused(bundle, f"it has {size} bytes; expected at most")


@pytest.mark.parametrize(
    "entry",
    [
        {"bytes": 2**31, "sha256": "0" * 64},
        {"bytes": -1, "sha256": "0" * 64},
        {"bytes": "9", "sha256": "0" * 64},
        {"bytes": True, "sha256": "0" * 64},
        {"bytes": 9, "sha256": "0" * 63},
        {"bytes": 9, "sha256": "A" * 64},
        {"bytes": 9, "sha256": 7},
        {"bytes": 9},
        [],
    ],
)
def test_an_entry_has_a_size_and_a_hash(bundle: Path, entry: Any) -> None:
    say(bundle, files={**SAID["files"], "text.onnx": entry})
    refused(bundle, r"Its files\.text\.onnx.* is .*; expected")


def test_files_are_few_and_not_too_large_together(bundle: Path) -> None:
    entry = {"bytes": 2**29, "sha256": "0" * 64}
    say(bundle, files={**SAID["files"], "a": entry, "b": entry})
    refused(bundle, "more than 1073741824 bytes together")
    say(bundle, files={f"f{n}": entry for n in range(33)})
    refused(bundle, "at most 32 files")


# ---- the manifest


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"precision": "int3"},
            "Its precision is 'int3'; expected one of fp32, fp16, int8, ptq-int8",
        ),
        ({"precision": ["int8"]}, "Its precision is "),
        ({"checkpoint_sha256": "xyz"}, "Its checkpoint_sha256 is 'xyz'; expected a sha256"),
        ({"checkpoint_sha256": None}, "Its checkpoint_sha256 is None"),
        ({"parameters": 1e308}, "Its parameters is 1e.308; expected a whole number"),
        ({"parameters": "many"}, "Its parameters is 'many'"),
        ({"about": "mine"}, "Its about is 'mine'; expected an object"),
        ({"about": {"title": 7}}, "Its about.'title' is 7; expected text"),
        ({"about": {"title": "\x1b[2J"}}, "none of them for control"),
        ({"about": {"title": "x" * 100_001}}, "at most 100000 characters"),
        ({"licence": None}, "Its licence is None; expected text"),
        ({"card": []}, r"Its card is \[\]; expected an object"),
        ({"scores": 7}, "Its scores is 7; expected an object"),
        ({"vocabulary": []}, "expected a list of 1 to"),
        ({"vocabulary": "warm"}, "Its vocabulary is 'warm'; expected a list"),
        ({"vocabulary": ["a b\nc"]}, "expected words of 1 to 32 bytes"),
        ({"vocabulary": ["x" * 33]}, "expected words of 1 to 32 bytes"),
        ({"vocabulary": ["w"] * 100_001}, "expected a list of 1 to 100000 words"),
        ({"spec": {**SAID["spec"], "steps": 10**9}}, "steps is 1000000"),
        ({"spec": {**SAID["spec"], "image_size": 256_000_000}}, "image_size is 256000000"),
        ({"spec": {**SAID["spec"], "max_words": 10**9}}, "max_words is 1000000000"),
        ({"spec": {**SAID["spec"], "guidance_scale": "3"}}, "guidance_scale is '3'"),
        ({"spec": {**SAID["spec"], "temperature": 1e308}}, "temperature is 1e"),
        ({"spec": [1]}, "spec cannot be read"),
    ],
)
def test_every_value_has_a_kind_and_bounds(bundle: Path, changed: Any, told: str) -> None:
    say(bundle, **changed)
    refused(bundle, f"bundle.json cannot be read: .*{told}.* Restore or export the bundle again")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"format": 4, "format": 4}', r'{"format": "\ud800"}', "[NaN]", "9" * 999],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_manifest_is_plain_json(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text, encoding="utf-8")
    refused(bundle, "bundle.json cannot be read: ")


ODD = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**19), 10**19), st.text(max_size=5), st.just([]), st.just({}),
    st.lists(st.integers(-9, 9), max_size=3), st.sampled_from(["../x", "\x1b", "1e9", 1e308]),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, item in inner:
        deeper = isinstance(item, dict | list) and item
        found += places(item, (*path, key)) if deeper else [(*path, key)]
    return found


RUN = {key: SAID[key] for key in (
    "spec", "vocabulary", "precision", "files", "checkpoint_sha256", "about", "parameters",
)}  # fmt: skip
PLACES = places({**RUN, "vocabulary": RUN["vocabulary"][:3]})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3))
def test_a_changed_manifest_is_read_or_refused(changes: list[tuple[Any, Any]]) -> None:
    values = json.loads(json.dumps(RUN))
    for path, value in changes:
        holder = values
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = value
        except (TypeError, IndexError, KeyError):  # an earlier change took this place away
            continue
    try:
        found = read_manifest(values)
    except BundleError as exc:
        told = str(exc)
    else:
        said = {key: value for key, value in values["spec"].items() if value != []}
        assert {**found.spec.to_json(), **said} == found.spec.to_json()
        told = "read."
    assert told.endswith(".")
    assert len(told) < 800


# ---- engines


def engine_with(bundle: Path, name: str, change: Callable[[onnx.ModelProto], None]) -> None:
    """Change an engine; the manifest agrees with it."""
    model = onnx.load(bundle / name)
    change(model)
    onnx.save(model, bundle / name)
    say(bundle, files={**SAID["files"], name: file_entry(bundle / name)})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"image_size": 512}, r"decoder has pixels as uint8 \(any, 256, 256, 3\).*\(any, 512, 512"),
        ({"depth": 32}, r"painter has latents as float32 \(any, 64, \d+\).*\(any, 64, 32\)"),
        ({"forms": 500}, r"forms has noise as float32 .*\(any, 500\)"),
        ({"max_bytes": 64}, r"text has text_bytes as uint8 \(any, any, 32\)"),
        ({"scales": [1, 2, 4, 8, 32]}, rf"composer has indices as int64 \(any, {POSITIONS}\)"),
    ],
)  # fmt: skip
def test_a_spec_that_is_not_the_engines_is_told_at_load(
    bundle: Path, changed: Any, told: str
) -> None:
    say(bundle, spec={**SAID["spec"], **changed})
    with pytest.raises(BundleError, match=f"The engine {told}"):
        TextToArt(bundle)


def test_an_engine_of_another_kind_is_told_at_load(bundle: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = "picture"
        for node in model.graph.node:
            node.output[:] = ["picture" if name == "pixels" else name for name in node.output]

    engine_with(bundle, "decoder.onnx", rename)
    with pytest.raises(BundleError, match=r"inputs and outputs indices, picture; expected"):
        TextToArt(bundle)


@pytest.mark.parametrize("location", ["../outside", "/etc/hostname", "inside", "/dev/zero"])
def test_an_engine_that_reads_other_files_is_refused(bundle: Path, location: str) -> None:
    (bundle / "inside").write_bytes(bytes(10_000_000))

    def refer(model: onnx.ModelProto) -> None:
        tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    model = onnx.load(bundle / "decoder.onnx")
    refer(model)
    (bundle / "decoder.onnx").write_bytes(model.SerializeToString())
    say(bundle, files={**SAID["files"], "decoder.onnx": file_entry(bundle / "decoder.onnx")})
    with pytest.raises(BundleError, match=r"decoder\.onnx has weights in other files"):
        TextToArt(bundle)


def test_an_engine_that_gives_another_shape_than_it_says_is_told(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["indices"], ["pixels"], to=TensorProto.UINT8)],
        "g",
        [helper.make_tensor_value_info("indices", TensorProto.INT64, ["a", "b", "c", "d"])],
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["a", "b", "c", "d"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "decoder.onnx")
    with OnnxRunner(tmp_path, ["decoder"]) as runner:
        whole = np.zeros((2, 4, 4, 3), np.int64)
        assert runner.decoder(whole).shape == (2, 4, 4, 3)
        with pytest.raises(
            BundleError, match=r"gives pixels of shape \(2, 4, 4, 1\); expected \(2,"
        ):
            runner.decoder(whole[..., :1])
        runner._declared = {"decoder": {"pixels": ("a", 8, 8, 3)}}
        with pytest.raises(BundleError, match=r"shape \(2, 4, 4, 3\); expected \(any, 8, 8, 3\)"):
            runner.decoder(whole)


def test_a_bundle_says_what_it_is(bundle: Path) -> None:
    loaded: Bundle = load_bundle(bundle)
    assert loaded.model == SAID["checkpoint_sha256"]
    assert loaded.about("title") == "t2a-edge base"
    say(bundle, about={})
    assert load_bundle(bundle).about("title") == ""
