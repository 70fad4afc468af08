"""The header beside each TensorRT engine: what it was made of, and what it can run on.

An engine is a file that only its own kind of machine can read, and reading a foreign one can end
the process. So `text.engine` has a `text.engine.json`, and nothing is loaded before it agrees:

    damaged     the engine is not the file that the header names
    stale       the engine was built from other ONNX files than those of the bundle
    foreign     another TensorRT, operating system, processor or CUDA, or another kind of GPU
"""

import json
import platform
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from t2a_edge.bundle import Bundle
from t2a_edge.checks import shown, whole_number
from t2a_edge.documents import is_file, read_json, sha256_of
from t2a_edge.errors import BundleError
from t2a_edge.files import write_whole

FORMAT = 1
ENGINE_SUFFIX = ".engine"
BACKENDS = {"rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}
"""Backend and the module that builds and runs its engines."""
COMPATIBILITY = ("none", "same-compute-capability", "ampere-plus")
FIRST_AMPERE = 80
TARGET = re.compile(r"SM(\d+)")
MOST_BYTES = 2**34  # of an engine
MOST_LETTERS = 500  # of a text, or of all texts of a list: errors show some of them whole
CHARACTERS = 12  # of a sha256, in messages

Shape = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class TensorInfo:
    """An input or an output of an engine.

    Attributes:
        name: as the graph names it.
        dtype: numpy's name of its element type, "float32" and so on.
        shape: its axes; -1 is a free one.
    """

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class ShapeRange:
    """The shapes of one input that an engine was built for.

    Attributes:
        least, usual, most: of every axis; the engine is tuned for the usual one.
    """

    least: Shape
    usual: Shape
    most: Shape

    def __post_init__(self) -> None:
        if not len(self.least) == len(self.usual) == len(self.most):
            raise ValueError("a range has shapes of unlike lengths")

    def holds(self, shape: Shape) -> bool:
        """Whether a shape is between the least and the most."""
        if len(shape) != len(self.least):
            return False
        return all(a <= n <= b for a, n, b in zip(self.least, shape, self.most, strict=True))

    def __str__(self) -> str:
        ends = zip(self.least, self.most, strict=True)
        return "(" + ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ends) + ")"


@dataclass(frozen=True)
class Machine:
    """Where engines are about to be loaded.

    Attributes:
        backend_version: of the installed TensorRT, all of it.
        cuda_major: of the CUDA that this TensorRT is built for.
        os: "linux" or "windows".
        processor: "x86_64" and so on.
        compute_capability: of the GPU, "SM86" for 8.6.
    """

    backend_version: str
    cuda_major: int
    os: str
    processor: str
    compute_capability: str


@dataclass(frozen=True, kw_only=True)
class EngineHeader:
    """What is known of one engine.

    Attributes:
        engine: its name: one of `t2a_edge.bundle.ENGINES`, or generator.
        backend: "rtx" or "tensorrt".
        backend_version: the exact version that built it.
        targets: compute capabilities that it was built for, "SM86" for 8.6.
        compatibility: of hardware, one of `COMPATIBILITY`; always "none" for RTX.
        version_compatible: later versions of the same major may load it.
        cuda_major, os, processor: of the machine or the library that built it.
        precision: of the bundle.
        float_type: of what is not INT8, "float32" or "float16".
        inputs, outputs: in the graph's order.
        profiles: one or more; input name to its range of shapes.
        sources: ONNX file of the bundle to its sha256.
        options: of the command that built it, without --bundle and --out.
        graph_sha256: of the graph as TensorRT was given it.
        engine_sha256, engine_bytes: of the engine's file.
        weight_memory_bytes: what the builder's log says of the weights; 0 where it says nothing.
        bundle: hash of the bundle.
        spec: of the bundle, as JSON.
    """

    engine: str
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    compatibility: str
    version_compatible: bool
    cuda_major: int
    os: str
    processor: str
    precision: str
    float_type: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    profiles: tuple[Mapping[str, ShapeRange], ...]
    sources: Mapping[str, str]
    options: tuple[str, ...]
    graph_sha256: str
    engine_sha256: str
    engine_bytes: int
    weight_memory_bytes: int
    bundle: str
    spec: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The header as plain JSON values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EngineHeader":
        """Read a header as `to_json` wrote it; a BundleError, KeyError or ValueError if it is not.

        Args:
            values: as `t2a_edge.documents.parse_json` gives them.
        """
        given = {field.name: values[field.name] for field in fields(cls)}
        for field in fields(cls):
            if field.type is str:
                _of(field.name, given[field.name], str)
            elif field.type is int:
                whole_number(field.name, given[field.name], 0, MOST_BYTES, error=BundleError)
        _of("version_compatible", given["version_compatible"], bool)
        for name in ("inputs", "outputs"):
            given[name] = tuple(
                TensorInfo(
                    _of(name, v["name"], str), _of(name, v["dtype"], str), _shape(v["shape"])
                )
                for v in _items(name, given[name], dict)
            )
        for name in ("targets", "options"):
            given[name] = _items(name, given[name], str)
        given["profiles"] = tuple(
            {
                name: ShapeRange(*(_shape(ends[end]) for end in ("least", "usual", "most")))
                for name, ends in profile.items()
            }
            for profile in _items("profiles", given["profiles"], dict)
        )
        for name in ("sources", "spec"):
            _of(name, given[name], dict)
        _texts("sources", given["sources"].values())
        for name, known in (("backend", BACKENDS), ("compatibility", COMPATIBILITY)):
            if given[name] not in known:
                raise ValueError(f"{name} is {shown(given[name])}")
        if not given["profiles"]:
            raise ValueError("no profiles")
        return cls(**given)


def _of(name: str, value: Any, kind: type[T]) -> T:
    """The value, if it is of this kind and, where it is a text, not too long; else a ValueError."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} has {shown(value)}; expected {kind.__name__}")
    _check_length(name, [value])
    return value


def _texts(name: str, values: Iterable[Any]) -> None:
    for value in values:
        _of(name, value, str)


def _check_length(name: str, values: Sequence[Any]) -> None:
    letters = sum(len(value) for value in values if isinstance(value, str))
    if letters > MOST_LETTERS:
        raise ValueError(f"{name} has {letters} letters; expected at most {MOST_LETTERS}")


def _items(name: str, values: Any, kind: type[T]) -> tuple[T, ...]:
    found = tuple(_of(name, value, kind) for value in _of(name, values, list))
    _check_length(name, found)
    return found


def _shape(axes: Any) -> Shape:
    return tuple(
        whole_number("An axis", axis, -1, MOST_BYTES, error=BundleError)
        for axis in _of("a shape", axes, list)
    )


def engine_path(folder: Path, name: str) -> Path:
    """The file of an engine in a folder of engines."""
    return folder / f"{name}{ENGINE_SUFFIX}"


def header_path(engine: Path) -> Path:
    """The header's file beside an engine."""
    return engine.with_name(engine.name + ".json")


def operating_system() -> str:
    """Of the machine here: "linux" or "windows"."""
    return platform.system().lower()


def processor() -> str:
    """Of the machine here, by one name: "x86_64" also where the system says AMD64."""
    name = platform.machine().lower()
    return "x86_64" if name == "amd64" else name


def write_header(engine: Path, header: EngineHeader) -> None:
    """Write the header beside an engine."""
    text = json.dumps(header.to_json(), indent=1, sort_keys=True) + "\n"
    write_whole(header_path(engine), text.encode())


def read_header(engine: Path) -> EngineHeader:
    """Read the header beside an engine.

    Raises:
        BundleError: the engine or its header is missing, cannot be read, or is of another format.
    """
    source = header_path(engine)
    for path in (engine, source):
        if not is_file(path):
            raise BundleError(
                f"There is no {path.name} in {path.parent}; expected an engine and its header. "
                "Build it: python -m export.trt_build --help."
            )
    try:
        values = read_json(source)
        found = values["format"]
        header = EngineHeader.from_json(values) if found == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BundleError) as exc:
        raise BundleError(
            f"{source} cannot be read as an engine's header ({exc!r}); build the engine again: "
            "python -m export.trt_build --help."
        ) from exc
    if header is None:
        raise BundleError(
            f"{source} has header format {shown(found)}; this version of t2a-edge reads {FORMAT}. "
            "Build the engine again: python -m export.trt_build --help."
        )
    return header


def rebuild_command(header: EngineHeader, bundle: Path, folder: Path) -> str:
    """The command that builds an engine's folder anew, with the same options."""
    paths = f"--bundle {shlex.quote(str(bundle))} --out {shlex.quote(str(folder))}"
    return " ".join(["python -m export.trt_build", paths, *header.options])


def check_engine(header: EngineHeader, engine: Path, bundle: Bundle) -> None:
    """Raise a BundleError if the engine is damaged, or was built from another bundle."""
    again = f"Build it again: {rebuild_command(header, bundle.folder, engine.parent)}"
    try:
        found = sha256_of(engine, header.engine_bytes)
    except OSError as exc:
        raise BundleError(f"{engine} cannot be used ({exc.strerror}). {again}") from exc
    if found != header.engine_sha256:
        raise BundleError(
            f"{engine} has the sha256 {_short(found)}; its header names "
            f"{_short(header.engine_sha256)}. The engine is damaged. {again}"
        )
    for name, built_from in header.sources.items():
        entry = bundle.manifest["files"].get(name, {})
        expected = str(entry.get("sha256", "no such file"))
        if built_from != expected:
            raise BundleError(
                f"{engine} is stale: it was built from a {name} with the sha256 "
                f"{_short(built_from)}; the bundle {bundle.folder} has {_short(expected)}. {again}"
            )
    if dict(header.spec) != bundle.spec.to_json():
        raise BundleError(
            f"{engine} is stale: it was built for another spec than that of the bundle "
            f"{bundle.folder}. {again}"
        )


def _short(sha256: str) -> str:
    return sha256 if len(sha256) <= CHARACTERS or " " in sha256 else f"{sha256[:CHARACTERS]}…"


def check_machine(header: EngineHeader, machine: Machine, engine: Path, bundle: Bundle) -> None:
    """Raise a BundleError if the engine was not built for this machine."""
    for what, wanted, found, fits in (
        ("operating system", header.os, machine.os, header.os == machine.os),
        ("processor", header.processor, machine.processor, header.processor == machine.processor),
        (
            f"version of {BACKENDS[header.backend]}",
            header.backend_version,
            machine.backend_version,
            _version_fits(header, machine.backend_version),
        ),
        (
            "CUDA major version",
            str(header.cuda_major),
            str(machine.cuda_major),
            header.cuda_major == machine.cuda_major,
        ),
        (
            "compute capability",
            _targets_text(header),
            machine.compute_capability,
            _capability_fits(header, machine.compute_capability),
        ),
    ):
        if not fits:
            raise BundleError(
                f"{engine} is foreign: it was built for the {what} {wanted}; here it is {found}. "
                f"Build it again: {_command_for(header, machine, engine, bundle)}"
            )


def _command_for(header: EngineHeader, machine: Machine, engine: Path, bundle: Bundle) -> str:
    """The rebuild command, with this machine's GPU among the targets."""
    command = rebuild_command(header, bundle.folder, engine.parent)
    new = f"--target {machine.compute_capability}"
    return command if header.backend != "rtx" or new in command else f"{command} {new}"


def _targets_text(header: EngineHeader) -> str:
    named = ", ".join(header.targets)
    return f"{named} ({header.compatibility})" if header.compatibility != "none" else named


def _version_fits(header: EngineHeader, found: str) -> bool:
    if header.backend_version == found:
        return True
    if not header.version_compatible:
        return False
    built, here = _numbers(header.backend_version), _numbers(found)
    return built[:1] == here[:1] and here >= built


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _capability_fits(header: EngineHeader, found: str) -> bool:
    if found in header.targets:
        return True
    number = TARGET.fullmatch(found)
    ampere = number is not None and int(number[1]) >= FIRST_AMPERE
    return header.compatibility == "ampere-plus" and ampere
