"""What can be measured: bundles and fused files of one model, at each precision."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.bundle import ENGINES, engine_file, load_bundle
from t2a_edge.errors import BundleError
from t2a_edge.spec import Spec

PRECISIONS = ("fp32", "fp16", "int8")
REQUIRED = ("fp32", "int8")
METADATA = "t2a_edge"  # key of a fused file's description; `export.pack` writes it
MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A bundle or a fused file that is there and was checked.

    Attributes:
        name: "int8" for a bundle, "fused_int8" for a fused file.
        form: "bundle" or "fused".
        precision: fp32, fp16 or int8.
        path: the folder or the file.
        spec: shapes and sampling defaults.
        sizes: bytes of each file.
        size_bytes: of all, a bundle's manifest included.
        bundle_hash: of the bundle, or of the one that a fused file was made of.
        parameters: trained numbers; 0 where the artefact does not say.
    """

    name: str
    form: str
    precision: str
    path: Path
    spec: Spec
    sizes: dict[str, int]
    size_bytes: int
    bundle_hash: str
    parameters: int = 0

    def figures(self) -> dict[str, Any]:
        """Its description and its size; megabytes are 10^6 bytes."""
        counted = {"parameters": self.parameters} if self.parameters else {}
        return {
            **counted,
            "form": self.form,
            "precision": self.precision,
            "bundle_hash": self.bundle_hash,
            "size_bytes": self.sizes,
            "size_mb": round(self.size_bytes / MEGABYTE, 3),
        }


def load_bundle_artefact(folder: Path, precision: str) -> Artefact:
    """A bundle, its hashes checked.

    Raises:
        BundleError: it is missing, damaged, or of another precision than its name says.
    """
    bundle = load_bundle(folder)
    if bundle.precision != precision:
        raise BundleError(
            f"{folder} holds a bundle of precision {bundle.precision}; its name says {precision}. "
            "Export it again."
        )
    files = bundle.manifest["files"]
    listed = [engine_file(name) for name in ENGINES]
    return Artefact(
        name=precision,
        form="bundle",
        precision=precision,
        path=folder,
        spec=bundle.spec,
        sizes={name: int(files[name]["bytes"]) for name in listed},
        size_bytes=bundle.size_bytes,
        bundle_hash=bundle.bundle_hash,
        parameters=int(bundle.manifest.get("parameters", 0)),
    )


def load_fused_artefact(path: Path, precision: str) -> Artefact:
    """A fused file with the description that it carries.

    Raises:
        BundleError: it is no ONNX file, says nothing about itself, or is of another precision.
    """
    about = _description(path)
    try:
        spec, found = Spec.from_json(about["spec"]), str(about["precision"])
        bundle_hash = str(about["bundle"])
    except (KeyError, TypeError) as exc:
        raise BundleError(
            f"The description in {path} has no usable {exc}; export the fused file again."
        ) from exc
    if found != precision:
        raise BundleError(
            f"{path} holds a graph of precision {found}; its name says {precision}. "
            "Export it again."
        )
    size = path.stat().st_size
    return Artefact(
        name=f"fused_{precision}",
        form="fused",
        precision=precision,
        path=path,
        spec=spec,
        sizes={path.name: size},
        size_bytes=size,
        bundle_hash=bundle_hash,
    )


def _description(path: Path) -> Any:
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False)
        properties = {entry.key: entry.value for entry in graph.metadata_props}
        return json.loads(properties[METADATA])
    except Exception as exc:  # onnx raises classes of protobuf, all below Exception
        raise BundleError(
            f"{path} cannot be read as a fused graph ({' '.join(repr(exc).split())[:160]}); "
            "export it again."
        ) from exc


def find_artefacts(dist: Path, name: str) -> tuple[list[Artefact], dict[str, dict[str, Any]]]:
    """All artefacts of a model.

    Args:
        dist: folder with NAME-PRECISION (bundles) and NAME-PRECISION.onnx (fused files).

    Returns:
        Those that are there, and for each of the others its form, precision and the reason.

    Raises:
        BundleError: the FP32 or the INT8 bundle is missing, or one that is there is damaged.
    """
    found: list[Artefact] = []
    missing: dict[str, dict[str, Any]] = {}
    for precision in PRECISIONS:
        folder = dist / f"{name}-{precision}"
        if precision in REQUIRED or folder.is_dir():
            found.append(load_bundle_artefact(folder, precision))
        else:
            missing[precision] = _missing("bundle", precision, folder)
    for precision in PRECISIONS:
        path = dist / f"{name}-{precision}.onnx"
        if path.is_file():
            found.append(load_fused_artefact(path, precision))
        else:
            missing[f"fused_{precision}"] = _missing("fused", precision, path)
    return found, missing


def _missing(form: str, precision: str, path: Path) -> dict[str, Any]:
    reason = f"there is no {path.name} in the folder; `make export` writes it"
    return {"form": form, "precision": precision, "not_measured": reason}
