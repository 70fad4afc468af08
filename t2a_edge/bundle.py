"""A bundle: a folder with `bundle.json` and the engines that it describes.

`bundle.json` names every file with its size and sha256. Nothing is run before all of them agree.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.errors import BundleError
from t2a_edge.files import write_whole
from t2a_edge.spec import Spec

FORMAT = 3
MANIFEST = "bundle.json"
SHIPPED = Path(__file__).parent / "bundles" / "base"
ENGINES = ("text", "transformer", "refiner", "decoder")
HASH_CHARACTERS = 16  # of the bundle's hash, where a picture names it


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        folder: where its files are.
        spec: shapes and sampling defaults.
        vocabulary: adjectives that training used.
        precision: of the engines: fp32 or int8.
        bundle_hash: first 16 hexadecimal digits of the manifest's sha256; names the model exactly.
        manifest: all of `bundle.json`.
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


def engines(spec: Spec) -> tuple[str, ...]:
    """Which engines a bundle of this spec has: a refiner only where the spec has passes for it."""
    return tuple(name for name in ENGINES if name != "refiner" or spec.refiner_passes)


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
    path = SHIPPED if folder is None else Path(folder)
    source = path / MANIFEST
    try:
        raw = source.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise BundleError(
            f"No bundle at {str(path)!r}; expected a folder with {MANIFEST}. "
            "Name another one, or leave it out to use the bundle that ships with t2a-edge."
        ) from exc
    try:
        manifest = json.loads(raw)
        files, vocabulary = dict(manifest["files"]), tuple(manifest["vocabulary"])
        bundle_format, precision = manifest["format"], str(manifest["precision"])
        spec_values = manifest["spec"]
    except (ValueError, KeyError, TypeError) as exc:
        raise BundleError(
            f"{source} cannot be read ({exc!r}); restore or export it again."
        ) from exc
    if bundle_format != FORMAT:
        raise BundleError(
            f"{path} has bundle format {bundle_format!r}; this version of t2a-edge reads {FORMAT}. "
            "Export the bundle again, or install the version that made it."
        )
    spec = Spec.from_json(spec_values)
    if not all(isinstance(word, str) for word in vocabulary):
        raise BundleError(f"The vocabulary in {source} has other entries than words; restore it.")
    expected = [engine_file(name) for name in engines(spec)]
    unlisted = [name for name in expected if name not in files]
    if unlisted:
        raise BundleError(
            f"{source} does not list {', '.join(unlisted)}; expected {', '.join(expected)}. "
            "Restore or export the bundle again."
        )
    for name, entry in files.items():
        _check_file(path / name, entry)
    digest = hashlib.sha256(raw).hexdigest()[:HASH_CHARACTERS]
    return Bundle(path, spec, vocabulary, precision, digest, manifest)


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as exc:
        raise BundleError(
            f"The bundle has no {path.name}; expected it in {path.parent}. Restore it."
        ) from exc
    expected = entry.get("sha256") if isinstance(entry, Mapping) else None
    if found != expected:
        raise BundleError(
            f"{path} has the sha256 {found[:12]}…; the bundle's manifest expects "
            f"{str(expected)[:12]}…. The file is damaged or foreign: "
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
