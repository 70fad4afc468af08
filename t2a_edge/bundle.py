"""A bundle: a folder with `bundle.json` and the engines that it describes.

`bundle.json` names every file with its size and sha256. Nothing is run before all of them agree.
The folder may come from anybody: names are plain ones, files are regular and no larger than said,
numbers have bounds (`t2a_edge.manifest`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.checks import file_path, shown
from t2a_edge.documents import MOST_JSON_BYTES, parse_json, read_bytes, sha256_of
from t2a_edge.errors import BundleError
from t2a_edge.files import write_whole
from t2a_edge.manifest import FileEntry, read_manifest
from t2a_edge.spec import Spec

FORMAT = 4
MANIFEST = "bundle.json"
SHIPPED = Path(__file__).parent / "bundles" / "base"
ENGINES = ("text", "forms", "painter", "composer", "encoder", "decoder")
HASH_CHARACTERS = 16  # of the bundle's hash, where a picture names it


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: where its files are.
        spec: shapes and sampling defaults.
        vocabulary: adjectives that training used.
        precision: of the engines: fp32, fp16, int8 or ptq-int8.
        bundle_hash: first 16 hexadecimal digits of the manifest's sha256; names the model exactly.
        manifest: all of `bundle.json`, checked.
    """

    folder: Path
    spec: Spec
    vocabulary: tuple[str, ...]
    precision: str
    bundle_hash: str
    manifest: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, the manifest included."""
        engines = sum(int(entry["bytes"]) for entry in self.manifest["files"].values())
        return engines + (self.folder / MANIFEST).stat().st_size

    @property
    def model(self) -> str:
        """The sha256 of the checkpoint that it was made from, hexadecimal."""
        return str(self.manifest["checkpoint_sha256"])

    def about(self, key: str) -> str:
        """What it says of itself for people: title, licence, data or limits; "" if nothing."""
        return str(self.manifest.get("about", {}).get(key, ""))


def engine_file(name: str) -> str:
    """The file of an engine in a bundle's folder."""
    return f"{name}.onnx"


def load_bundle(folder: Path | str | None = None) -> Bundle:
    """Read and check a bundle.

    Args:
        folder: the bundle's folder; None is the one that ships with the package.

    Raises:
        BundleError: the folder or a file is missing, a file is not the one that the manifest
            names, or the format is unknown.
    """
    path = SHIPPED if folder is None else file_path("The bundle", folder, error=BundleError)
    source = path / MANIFEST
    try:
        raw = read_bytes(source, MOST_JSON_BYTES)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = getattr(exc, "strerror", None) or exc
        raise BundleError(
            f"No bundle at {str(path)!r} ({MANIFEST}: {reason}); expected a folder with "
            f"{MANIFEST}. Name another one, or leave it out to use the bundle that ships with "
            "t2a-edge."
        ) from exc
    values = _values(source, raw)
    if values["format"] != FORMAT:
        raise BundleError(
            f"{path} has bundle format {shown(values['format'])}; this version of t2a-edge reads "
            f"{FORMAT}. Export the bundle again, or install the version that made it."
        )
    try:
        manifest = read_manifest(values)
    except BundleError as exc:
        raise _unreadable(source, exc) from exc
    expected = [engine_file(name) for name in ENGINES]
    unlisted = [name for name in expected if name not in manifest.files]
    if unlisted:
        raise BundleError(
            f"{source} does not list {', '.join(unlisted)}; expected {', '.join(expected)}. "
            "Restore or export the bundle again."
        )
    for name, entry in manifest.files.items():
        _check_file(path / name, entry)
    digest = hashlib.sha256(raw).hexdigest()[:HASH_CHARACTERS]
    return Bundle(path, manifest.spec, manifest.vocabulary, manifest.precision, digest, values)


def _values(source: Path, raw: bytes) -> dict[str, Any]:
    """The manifest as JSON: an object with a format."""
    try:
        values = parse_json(raw)
    except ValueError as exc:
        raise _unreadable(source, f"{exc}.") from exc
    if not isinstance(values, dict) or "format" not in values:
        raise _unreadable(source, f"It is {shown(values)}; expected an object with 'format'.")
    return values


def _unreadable(source: Path, reason: object) -> BundleError:
    return BundleError(f"{source} cannot be read: {reason} Restore or export the bundle again.")


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        found = sha256_of(path, entry.size_bytes)
    except FileNotFoundError as exc:
        raise BundleError(
            f"The bundle has no {path.name}; expected it in {path.parent}. Restore it."
        ) from exc
    except OSError as exc:
        raise BundleError(
            f"{path} cannot be used ({exc.strerror}). The file is damaged or foreign: "
            "restore or export the bundle again."
        ) from exc
    if found != entry.sha256:
        raise BundleError(
            f"{path} has the sha256 {found[:12]}…; the bundle's manifest expects "
            f"{entry.sha256[:12]}…. The file is damaged or foreign: "
            "restore or export the bundle again."
        )


def file_entry(path: Path) -> dict[str, Any]:
    """How the manifest names a file: its bytes and sha256."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_manifest(folder: Path, manifest: Mapping[str, Any], files: list[str]) -> None:
    """Write `bundle.json` for engines that are already in the folder."""
    entries = {name: file_entry(folder / name) for name in files}
    content = {"format": FORMAT, **manifest, "files": entries}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST, text.encode(), error=BundleError)
