"""What training, export and bench read: presets, annotations, checkpoints, budgets, reports."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from bench.baseline import load_baseline, regressions
from bench.gates import BUDGETS, judge_all, load_gates
from bench.roofline import GPUS, load_gpus
from bench.unseen import SHIPPED, load_unseen
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import edited, edits, json_text
from train.checkpoint import load_tensors
from train.data.pictures import PixelStore, load_rows
from train.models.whole import WholeModel
from train.preset import PRESETS, load_preset
from train.words.lexicon.glove import load_glove


def presets(_: Places) -> list[bytes]:
    tiny = (PRESETS / "tiny.toml").read_bytes()
    return [tiny, (PRESETS / "base.toml").read_bytes(), b"[codec]\nscales = [1, 2]\n", b"a = 1\n"]


@target("preset-toml", seeds=presets)
def preset_toml(places: Places) -> Iterator[Try]:
    path = places.scratch / "preset.toml"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        preset = load_preset(str(path))
        must(type(preset).from_json(preset.to_json()) == preset, "another preset as JSON")
        must(preset.spec(preset.bank.size).positions > 0, "no positions")

    yield call


def _keys() -> list[str]:
    values = load_preset("tiny").to_json()
    return [f"{section}.{key}" for section, own in values.items() for key in own]


SETTING = st.one_of(
    st.sampled_from(
        [
            "0",
            "-1",
            "1",
            "7",
            "1e308",
            "nan",
            "inf",
            "-inf",
            "true",
            '""',
            '"a"',
            "[]",
            "[1]",
            "[0.5, 1]",
            "[1, 2, 4, 8]",
            "[0, 0]",
            "{}",
            "{a = 1}",
            "1979-05-27",
            "9" * 30,
            "0x7f",
            "[[1]]",
            "",
            "]",
            "1\nb = 2",
            "'''",
            "1e400",
            "2",
            "3",
            "[1, 2, 4, 8, 16]",
            "-0.0",
            "9" * 5000,
            "[" * 2000,
        ]
    ),
    st.text(max_size=5),
)
OVERRIDES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_keys()), SETTING).map("=".join),
        st.sampled_from(
            [
                "",
                "=",
                ".=",
                "a.b=1",
                "codec=1",
                "codec.=1",
                ".x=1",
                "codec.scales",
                "codec.scales.x=1",
                "a" * 300 + ".b=1",
            ]
        ),
        st.text(max_size=10),
    ),
    min_size=1,
    max_size=3,
)


@target("preset-overrides", values=OVERRIDES)
def preset_overrides(_: Places) -> Iterator[Try]:
    def call(given: Any) -> None:
        preset = load_preset("tiny", given)
        must(type(preset).from_json(preset.to_json()) == preset, "another preset as JSON")
        must(preset.spec(preset.bank.size).positions > 0, "no positions")

    yield call


ROWS = 12


def _rows() -> list[dict[str, Any]]:
    """Twelve sound rows."""
    splits = ["train"] * 4 + ["val"] * 4 + ["test"] * 4
    return [
        {"id": str(n), "file": "a.png", "split": split, "adjectives": ["warm"], "cluster": str(n)}
        for n, split in enumerate(splits)
    ]


def _data_folder(folder: Path) -> Path:
    folder.mkdir()
    Image.fromarray(np.zeros((40, 44, 3), np.uint8)).save(folder / "a.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "folder.png").mkdir()
    return folder


def annotations(_: Places) -> list[bytes]:
    lines = "\n".join(map(json.dumps, _rows())).encode()
    return [lines, lines.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + lines, b"{}", b""]


@target("annotations-bytes", seeds=annotations)
def annotations_bytes(places: Places) -> Iterator[Try]:
    folder = _data_folder(places.scratch / "rows-bytes")

    def call(given: bytes) -> None:
        (folder / "rows.jsonl").write_bytes(given)
        must(len(load_rows(folder)) >= 8, "too few rows")

    yield call


ROW_EDITS = st.one_of(
    edits(),
    st.lists(
        st.fixed_dictionaries(
            {
                "where": st.tuples(st.integers(0, ROWS - 1), st.just(2)).map(list),  # the file
                "what": st.just("set"),
                "value": st.sampled_from(
                    [
                        "broken.png",
                        "folder.png",
                        "../a.png",
                        "/dev/zero",
                        "/dev/null",
                        "",
                        ".",
                        "rows.jsonl",
                        "a.png\0",
                        "\ud800",
                    ]
                ),
            }
        ),
        min_size=1,
        max_size=1,
    ),
)


@target("annotations", values=ROW_EDITS)
def annotations_values(places: Places) -> Iterator[Try]:
    folder, cache = _data_folder(places.scratch / "rows"), places.scratch / "rows-cache"

    def call(given: Any) -> None:
        rows = edited(_rows(), given)
        lines = [json_text(row) for row in (rows if isinstance(rows, list) else [rows])]
        (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
        store = PixelStore(load_rows(folder), 40, cache)
        must(store.image(0).shape == (40, 44, 3), "a picture of another shape")

    yield call


def checkpoints(places: Places) -> list[bytes]:
    whole = places.checkpoint.read_bytes()
    (size,) = struct.unpack_from("<Q", whole)
    small = json.dumps({"__metadata__": {"about": '{"format": 1}'},
                        "a": {"dtype": "F32", "shape": [1],
                              "data_offsets": [0, 4]}}).encode()  # fmt: skip
    return [struct.pack("<Q", len(small)) + small + bytes(4), whole[: 8 + size], b"", bytes(8)]


@target("checkpoint-bytes", seeds=checkpoints)
def checkpoint_bytes(places: Places) -> Iterator[Try]:
    path = places.scratch / "bytes.safetensors"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        _, about = load_tensors(path)
        must(about["format"] == 1, "another format")

    yield call


@target("checkpoint", values=edits(), slow=True)
def checkpoint(places: Places) -> Iterator[Try]:
    """A checkpoint whose tensors are sound and whose description is not."""
    path = places.scratch / "values.safetensors"
    whole = places.checkpoint.read_bytes()
    (size,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + size])
    about, body = json.loads(header["__metadata__"]["about"]), whole[8 + size :]

    def call(given: Any) -> None:
        header["__metadata__"]["about"] = json_text(edited(about, given))
        text = json.dumps(header).encode("utf-8", "replace")
        path.write_bytes(struct.pack("<Q", len(text)) + text + body)
        model = WholeModel.load(path)
        must(model.spec.positions > 0, "no positions")

    yield call


def budgets(_: Places) -> list[bytes]:
    return [BUDGETS.read_bytes(), b"[[gate]]\nfigure = 'a'\nbelow = 1\n", b"gate = 1\n"]


REPORT = {
    "format": 2,
    "machine": {"int8_sums_saturate": True},
    "artefacts": {
        "int8": {
            "size_mb": 3.9,
            "peak_memory_mb": 100.0,
            "cold_ms": {"p50": 300.0, "samples": 9, "intervals": {"p50": [290.0, 310.0]},
                        "ratio_to_reference": {"p50": 10.0, "intervals": {"p50": [9.0, 11.0]}}},
            "cpu": {"threads_1": {"batch_1": {"pipeline_ms": {
                "p50": 50.0, "p99": 60.0, "samples": 300,
                "intervals": {"p50": [49.0, 51.0], "p99": [58.0, 70.0]},
                "ratio_to_reference": {"p50": 5.0, "intervals": {"p50": [4.9, 5.1]}}}}}},
        },
        "fp32": {"not_measured": "there is none"},
    },
}  # fmt: skip


@target("budgets-toml", seeds=budgets)
def budgets_toml(places: Places) -> Iterator[Try]:
    path = places.scratch / "budgets.toml"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        for judgement in judge_all(load_gates(path), REPORT):
            must(isinstance(judgement.to_json()["limit"], str), "a limit that is none")

    yield call


@target("gpus-toml", seeds=lambda _: [GPUS.read_bytes(), b"a = 1\n"])
def gpus_toml(places: Places) -> Iterator[Try]:
    path = places.scratch / "gpus.toml"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        load_gpus(path)

    yield call


UNSEEN = [SHIPPED.read_bytes(), b"[axes]\ntemperature = 1\n", b"axes = 1\nhues = [1]\n"]


@target("unseen-toml", seeds=lambda _: UNSEEN)
def unseen_toml(places: Places) -> Iterator[Try]:
    path = places.scratch / "unseen.toml"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        must(all(isinstance(word, str) for word in load_unseen(path).words), "a word that is none")

    yield call


def reports(_: Places) -> list[bytes]:
    return [json.dumps(REPORT).encode(), b"{}", b"[]"]


@target("baseline-bytes", seeds=reports)
def baseline_bytes(places: Places) -> Iterator[Try]:
    path = places.scratch / "bytes.json"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        regressions(REPORT, load_baseline(path))

    yield call


@target("baseline", values=edits())
def baseline(places: Places) -> Iterator[Try]:
    path = places.scratch / "values.json"

    def call(given: Any) -> None:
        path.write_text(json_text(edited(REPORT, given)), encoding="utf-8")
        regressions(REPORT, load_baseline(path))

    yield call


VECTORS = {"dimensions": 3, "vectors": {"warm": [1.0, 2.0, 3.0, 3.7, 0], "icy": [1, 1, 1, 1.7, 1]}}


@target("glove", values=edits())
def glove(places: Places) -> Iterator[Try]:
    path = places.scratch / "glove.json"

    def call(given: Any) -> None:
        path.write_text(json_text(edited(VECTORS, given)), encoding="utf-8")
        load_glove(path, ["warm", "dark"])

    yield call
