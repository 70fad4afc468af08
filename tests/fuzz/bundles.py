"""What a bundle's folder holds: manifest, engines, headers of TensorRT engines."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from t2a_edge.bundle import ENGINES, MANIFEST, Bundle, engine_file, load_bundle
from t2a_edge.engine_header import (
    BACKENDS,
    Machine,
    check_engine,
    check_machine,
    header_path,
    read_header,
)
from t2a_edge.pipeline import TextToArt
from t2a_edge.spec import Spec
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import edited, edits, json_text

FILES = [engine_file(name) for name in ENGINES]
MACHINE = Machine(backend_version="1.2.3", cuda_major=12, os="linux", processor="x86_64",
                  compute_capability="SM86")  # fmt: skip


def linked(source: Path, folder: Path) -> Path:
    """The bundle's engines in another folder, without a copy of their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
        shutil.copyfile(source / name, folder / name)
    shutil.copyfile(source / MANIFEST, folder / MANIFEST)
    return folder


def used(bundle: Bundle) -> None:
    """Ask a bundle that was accepted for what everything else asks it for."""
    must(isinstance(bundle.size_bytes, int) and bundle.size_bytes > 0, "a size that is none")
    must(all(isinstance(word, str) for word in bundle.vocabulary), "a word that is none")
    use_spec(bundle.spec)


def use_spec(spec: Spec) -> None:
    """A spec that was accepted survives its way through JSON."""
    must(Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec, "another spec as JSON")
    must(spec.positions > 0, "no positions")
    must(spec.side > 0, "no latents")


def manifests(places: Places) -> list[bytes]:
    return [(places.bundle / MANIFEST).read_bytes(), b"{}", b"[]", b"7", b'{"format": 4}']


@target("manifest-bytes", seeds=manifests)
def manifest_bytes(places: Places) -> Iterator[Try]:
    folder = linked(places.bundle, places.scratch / "manifest-bytes")

    def call(given: bytes) -> None:
        (folder / MANIFEST).write_bytes(given)
        used(load_bundle(folder))

    yield call


NAMES = ["../x", "/dev/zero", "/dev/null", "", ".", "..", "a/b", "fifo", "folder", "bundle.json",
         "text.onnx\0", "\ud800", "x" * 300, "CON", "link", "/etc/hostname"]  # fmt: skip
FILES_EDIT = st.fixed_dictionaries({"files": st.lists(st.sampled_from(NAMES), min_size=1)})


@target("manifest", values=st.one_of(edits(), edits(), FILES_EDIT))
def manifest(places: Places) -> Iterator[Try]:
    folder = linked(places.bundle, places.scratch / "manifest")
    valid = json.loads((folder / MANIFEST).read_bytes())
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("/dev/zero")

    def call(given: Any) -> None:
        if isinstance(given, dict):
            more = {key: {"bytes": 1, "sha256": "0" * 64} for key in given["files"]}
            text = json.dumps({**valid, "files": {**valid["files"], **more}})
        else:
            text = json_text(edited(valid, given))
        (folder / MANIFEST).write_text(text, encoding="utf-8", errors="surrogatepass")
        used(load_bundle(folder))

    yield call


@target("spec", values=edits())
def spec(places: Places) -> Iterator[Try]:
    valid = load_bundle(places.bundle).spec.to_json()

    def call(given: Any) -> None:
        try:
            values = json.loads(json_text(edited(valid, given)))
        except (ValueError, RecursionError):
            return  # no JSON: never comes as far
        use_spec(Spec.from_json(values))

    yield call


CHANGES = ("missing", "empty", "cut", "longer", "flipped", "folder", "fifo", "loop", "broken link",
           "null device", "of another engine", "unreadable")  # fmt: skip
FOLDER = st.lists(
    st.tuples(st.sampled_from([*FILES, MANIFEST]), st.sampled_from(CHANGES), st.integers(0, 10**6)),
    min_size=1, max_size=2,
)  # fmt: skip


@target("bundle-folder", values=FOLDER, slow=True)
def bundle_folder(places: Places) -> Iterator[Try]:
    folder = linked(places.bundle, places.scratch / "bundle-folder")

    def call(given: Any) -> None:
        names = [name for name, _, _ in given]
        try:
            for name, change, number in given:
                _changed(folder / name, change, number)
            with TextToArt(folder) as engine:
                engine.generate("warm", seed=1)
        finally:
            for name in names:
                _removed(folder / name)
                shutil.copyfile(places.bundle / name, folder / name)

    yield call


def _removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _changed(path: Path, change: str, number: int) -> None:
    content = path.read_bytes() if path.is_file() else b""
    _removed(path)
    if change == "empty":
        path.write_bytes(b"")
    elif change == "cut":
        path.write_bytes(content[: number % max(1, len(content))])
    elif change == "longer":
        path.write_bytes(content + bytes(number % 1000 + 1))
    elif change == "flipped" and content:
        damaged = bytearray(content)
        damaged[number % len(content)] ^= 1 << number % 8
        path.write_bytes(damaged)
    elif change == "folder":
        path.mkdir()
    elif change == "fifo":
        os.mkfifo(path)
    elif change in ("loop", "broken link", "null device"):
        path.symlink_to({"loop": path.name, "broken link": "nowhere"}.get(change, "/dev/null"))
    elif change == "of another engine":
        other = path.with_name("decoder.onnx" if path.name == "text.onnx" else "text.onnx")
        path.write_bytes(other.read_bytes() if other.is_file() else b"")
    elif change == "unreadable":
        path.write_bytes(content)
        path.chmod(0)


def sound_header(bundle: Bundle) -> dict[str, Any]:
    """A header that fits a bundle, as JSON."""
    tensor = {"name": "text_bytes", "dtype": "uint8", "shape": [-1, -1, 32]}
    ends = {"least": [1, 1, 32], "usual": [1, 8, 32], "most": [8, 8, 32]}
    return {
        "format": 1, "engine": "text", "backend": next(iter(BACKENDS)),
        "backend_version": MACHINE.backend_version, "targets": ["SM86"], "compatibility": "none",
        "version_compatible": False, "cuda_major": 12, "os": "linux", "processor": "x86_64",
        "precision": "int8", "float_type": "float16", "inputs": [tensor], "outputs": [tensor],
        "profiles": [{"text_bytes": ends}],
        "sources": {"text.onnx": bundle.manifest["files"]["text.onnx"]["sha256"]},
        "options": ["--float-type", "float16"], "graph_sha256": "0" * 64,
        "engine_sha256": hashlib.sha256(b"engine").hexdigest(), "engine_bytes": 6,
        "weight_memory_bytes": 0, "bundle": bundle.bundle_hash, "spec": bundle.spec.to_json(),
    }  # fmt: skip


def headers(places: Places) -> list[bytes]:
    return [json.dumps(sound_header(load_bundle(places.bundle))).encode(), b"{}", b"[]"]


def _use_header(engine: Path, bundle: Bundle) -> None:
    header = read_header(engine)
    must(header.to_json()["format"] == 1, "a header of another format")
    check_engine(header, engine, bundle)
    check_machine(header, MACHINE, engine, bundle)
    for profile in header.profiles:
        for ends in profile.values():
            must(isinstance(str(ends), str) and ends.holds((1,)) in (True, False), "no profile")


@target("header-bytes", seeds=headers)
def header_bytes(places: Places) -> Iterator[Try]:
    bundle, engine = load_bundle(places.bundle), places.scratch / "bytes.engine"
    engine.write_bytes(b"engine")

    def call(given: bytes) -> None:
        header_path(engine).write_bytes(given)
        _use_header(engine, bundle)

    yield call


@target("header", values=edits())
def header(places: Places) -> Iterator[Try]:
    bundle, engine = load_bundle(places.bundle), places.scratch / "values.engine"
    engine.write_bytes(b"engine")
    valid = sound_header(bundle)

    def call(given: Any) -> None:
        header_path(engine).write_text(json_text(edited(valid, given)), errors="surrogatepass")
        _use_header(engine, bundle)

    yield call
