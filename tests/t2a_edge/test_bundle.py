import hashlib
import json
import shutil
from pathlib import Path

import pytest

from t2a_edge.bundle import (
    FORMAT,
    MANIFEST,
    engine_file,
    file_entry,
    load_bundle,
    write_manifest,
)
from t2a_edge.errors import BundleError
from t2a_edge.pipeline import TextToArt

ENGINES = [
    engine_file(name) for name in ("text", "forms", "painter", "composer", "encoder", "decoder")
]
KEYS = ["checkpoint_sha256", "files", "format", "precision", "spec", "vocabulary"]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, to be damaged."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def read_manifest(bundle: Path) -> dict:
    return json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))


def change_manifest(bundle: Path, **changed) -> None:
    manifest = {**read_manifest(bundle), **changed}
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def flip_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def truncate_and_fix_hash(bundle: Path, name: str, share: float) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: int(len(content) * share)])
    files = read_manifest(bundle)["files"]
    change_manifest(bundle, files={**files, name: file_entry(bundle / name)})


def test_a_bundle_is_what_its_manifest_says(tiny_bundle):
    loaded = load_bundle(tiny_bundle)
    manifest = read_manifest(tiny_bundle)
    assert loaded.folder == tiny_bundle
    assert loaded.manifest == manifest
    assert loaded.spec.to_json() == manifest["spec"]
    assert loaded.vocabulary == tuple(manifest["vocabulary"])
    assert loaded.precision == "int8"


def test_a_bundle_is_named_by_the_hash_of_its_manifest(tiny_bundle):
    digest = hashlib.sha256((tiny_bundle / MANIFEST).read_bytes()).hexdigest()
    assert load_bundle(tiny_bundle).bundle_hash == digest[:16]


def test_the_size_of_a_bundle_is_that_of_its_files(tiny_bundle):
    sizes = [(tiny_bundle / name).stat().st_size for name in [*ENGINES, MANIFEST]]
    assert load_bundle(tiny_bundle).size_bytes == sum(sizes)


def test_a_folder_can_be_named_by_text_or_path(tiny_bundle):
    assert load_bundle(str(tiny_bundle)).bundle_hash == load_bundle(tiny_bundle).bundle_hash


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("position", [0, 1000, -1])
def test_a_flipped_byte_is_found(bundle, name, position):
    flip_byte(bundle / name, position)
    with pytest.raises(BundleError, match=f"{name} has the sha256 .* damaged or foreign"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ENGINES)
def test_a_truncated_file_is_found(bundle, name):
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    with pytest.raises(BundleError, match=f"{name} has the sha256"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_that_the_manifest_vouches_for_cannot_be_loaded(bundle, name, share):
    truncate_and_fix_hash(bundle, name, share)
    with pytest.raises(BundleError, match=f"{name} cannot be loaded as an ONNX model"):
        TextToArt(bundle)


@pytest.mark.parametrize("key", ["depth", "forms", "max_bytes"])
def test_a_spec_that_the_engines_do_not_fit_is_an_error(bundle, key):
    spec = read_manifest(bundle)["spec"]
    change_manifest(bundle, spec={**spec, key: spec[key] + 1})
    with pytest.raises(BundleError, match=r"The engine .* has .*; the bundle's spec means .*"):
        TextToArt(bundle)


@pytest.mark.parametrize("name", ENGINES)
def test_a_missing_engine_is_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"has no {name}; expected it in .*bundle"):
        load_bundle(bundle)


def test_a_missing_manifest_is_no_bundle(bundle):
    (bundle / MANIFEST).unlink()
    with pytest.raises(BundleError, match=r"No bundle at .*; expected a folder with bundle\.json"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["missing", "", "a" * 300, "a\0b", f"bundle/{MANIFEST}"])
def test_a_folder_that_is_missing_or_none_is_no_bundle(bundle, name):
    with pytest.raises(BundleError, match="No bundle at"):
        load_bundle(bundle.parent / name)


@pytest.mark.parametrize("found", [0, 3, 99, "2", None])
def test_another_format_is_an_error(bundle, found):
    change_manifest(bundle, format=found)
    with pytest.raises(BundleError, match=f"format {found!r}; .* reads {FORMAT}"):
        load_bundle(bundle)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "7", '"text"', "{}", "\udcff"])
def test_a_manifest_that_is_broken_is_an_error(bundle, text):
    (bundle / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        load_bundle(bundle)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_of_the_manifest_is_named(bundle, key):
    manifest = read_manifest(bundle)
    del manifest[key]
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=rf"cannot be read: .*'{key}'"):
        load_bundle(bundle)


@pytest.mark.parametrize("files", [7, None, "text.onnx", ["text.onnx"]])
def test_files_that_are_no_mapping_are_an_error(bundle, files):
    change_manifest(bundle, files=files)
    with pytest.raises(BundleError, match=r"bundle\.json cannot be read"):
        load_bundle(bundle)


@pytest.mark.parametrize("entry", [{}, None, "sha256", []])
def test_a_file_without_a_hash_is_not_trusted(bundle, entry):
    files = read_manifest(bundle)["files"]
    change_manifest(bundle, files={**files, "text.onnx": entry})
    with pytest.raises(
        BundleError, match=r"cannot be read: Its files\.text\.onnx.* is .*; expected"
    ):
        load_bundle(bundle)


def test_a_missing_key_of_the_spec_is_named(bundle):
    spec = read_manifest(bundle)["spec"]
    del spec["scales"]
    change_manifest(bundle, spec=spec)
    with pytest.raises(BundleError, match=r"spec cannot be read .*'scales'"):
        load_bundle(bundle)


def test_a_manifest_that_was_written_can_be_read(bundle):
    written = read_manifest(bundle)
    del written["files"], written["format"]
    written["vocabulary"] = ["été", "暖か", "🔥"]
    write_manifest(bundle, written, ENGINES)
    assert load_bundle(bundle).vocabulary == ("été", "暖か", "🔥")
    left = {path.name for path in bundle.iterdir()}
    assert left == {*ENGINES, MANIFEST}


def test_the_same_manifest_is_written_with_the_same_bytes(bundle):
    before = (bundle / MANIFEST).read_bytes()
    written = read_manifest(bundle)
    del written["files"], written["format"]
    write_manifest(bundle, written, list(reversed(ENGINES)))
    assert (bundle / MANIFEST).read_bytes() == before


def test_a_file_entry_has_size_and_hash(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_entry(tmp_path / "file") == {"bytes": 3, "sha256": sha256}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_the_manifest_does_not_list_is_not_run(bundle, name):
    files = {k: v for k, v in read_manifest(bundle)["files"].items() if k != name}
    change_manifest(bundle, files=files)
    with pytest.raises(BundleError, match=f"does not list {name}"):
        load_bundle(bundle)


def test_a_vocabulary_has_words_only(bundle):
    change_manifest(bundle, vocabulary=["warm", 3])
    with pytest.raises(BundleError, match="Its vocabulary is 3; expected words of 1 to 32 bytes"):
        load_bundle(bundle)
