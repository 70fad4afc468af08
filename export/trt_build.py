"""`python -m export.trt_build`: TensorRT engines from an INT8 or FP16 bundle.

    OUT/text.engine          an engine, for the machines that its header names
    OUT/text.engine.json     its header, `t2a_edge.engine_header`

TensorRT for RTX builds on any machine, for named compute capabilities. Full TensorRT builds for the
GPU that it finds. Either runs in a process of its own, one for each engine.
"""

import hashlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import onnx

from export.gpu import NotAvailableError, refuse, require_driver
from export.pack import replaced
from export.tensorrt_form import FLOAT_TYPES, tensorrt_form, tensorrt_fused
from export.trt_options import USUAL_TARGETS, BuildOptions
from export.trt_worker import Job
from t2a_edge.bundle import ENGINES, Bundle, engine_file, load_bundle
from t2a_edge.command import run_command
from t2a_edge.engine_header import (
    BACKENDS,
    COMPATIBILITY,
    EngineHeader,
    Shape,
    ShapeRange,
    TensorInfo,
    engine_path,
    operating_system,
    processor,
    write_header,
)
from t2a_edge.errors import ExportError, OptionError
from t2a_edge.gpu import compute_capability, cuda_major
from t2a_edge.layout import CHUNK
from t2a_edge.spec import Spec
from t2a_edge.tensorrt_runner import GENERATOR, INSTALL

PRECISIONS = ("int8", "fp16")
ROOT = Path(__file__).parent.parent  # of the checkout: where the worker is imported from

Range = tuple[int, int, int]  # least, usual and most
Worker = Callable[[Path], Sequence[str]]


def worker_command(job: Path) -> list[str]:
    """The command that does a job."""
    return [sys.executable, "-m", "export.trt_worker", str(job)]


def build_engines(
    bundle: Bundle, out: Path, options: BuildOptions, worker: Worker = worker_command
) -> list[EngineHeader]:
    """Build a bundle's engines into a folder, all of them or none.

    Args:
        bundle: INT8 or FP16.
        out: folder of the engines; engines that are there are replaced.
        worker: makes the command that does a job.

    Returns:
        The headers of the engines.

    Raises:
        OptionError: the bundle's precision, an engine's name or the folder cannot be used.
        NotAvailableError: TensorRT or a GPU is missing.
        ExportError: TensorRT refuses a graph, or ends its process.
    """
    names = _names(bundle, options)
    _check_folder(out)
    check_available(options)
    headers = []
    with replaced(out) as folder, TemporaryDirectory() as scratch:
        for name in names:
            graph = engine_graph(bundle, name, options.float_type)
            header = _build(bundle, name, graph, folder, Path(scratch), options, worker)
            write_header(engine_path(folder, name), header)
            headers.append(header)
    return headers


def _names(bundle: Bundle, options: BuildOptions) -> tuple[str, ...]:
    if bundle.precision not in PRECISIONS:
        raise OptionError(
            f"{bundle.folder} is a bundle in {bundle.precision}; expected int8 or fp16. "
            "Name such a bundle, as `make export` writes them."
        )
    unknown = [name for name in options.names if name not in ENGINES]
    if unknown:
        raise OptionError(
            f"--engine is {unknown[0]!r}; this bundle has {', '.join(ENGINES)}. Name one of these."
        )
    if options.float_type == "float32" and bundle.precision == "fp16":
        raise OptionError(
            f"--float-type is float32 with {bundle.folder}, whose graphs are float16; expected "
            "float16. Leave it out, or name an INT8 bundle."
        )
    return (options.names or ENGINES) + ((GENERATOR,) if options.fused else ())


def _check_folder(out: Path) -> None:
    """Never replace a folder that holds something else than engines."""
    if not out.exists():
        return
    foreign = not out.is_dir() or [
        p.name for p in out.iterdir() if not p.name.endswith((".engine", ".engine.json"))
    ]
    if foreign:
        raise OptionError(
            f"{out} is there and is no folder of engines; expected one to replace, or nothing. "
            "Give another --out."
        )


def check_available(options: BuildOptions) -> None:
    """Raise a NotAvailableError if the backend cannot build here; TensorRT is not imported."""
    module = BACKENDS[options.backend]
    if options.backend == "tensorrt":
        require_driver("Full TensorRT")
    if importlib.util.find_spec(module) is None:
        refuse(module, INSTALL[options.backend], "it is not installed")


def engine_graph(bundle: Bundle, name: str, float_type: str) -> onnx.ModelProto:
    """The graph of an engine, or of the whole way as "generator", in TensorRT's form."""
    if name != GENERATOR:
        return tensorrt_form(name, onnx.load(bundle.folder / engine_file(name)), float_type)
    parts = {part: engine_graph(bundle, part, float_type) for part in ENGINES}
    return tensorrt_fused(parts, bundle.spec)


def axis_ranges(spec: Spec, vocabulary_size: int, max_pictures: int) -> dict[str, Range]:
    """The lengths that free axes may have."""
    return {
        "batch": (1, 1, max_pictures),
        "words": (1, spec.max_words, max(2 * spec.max_words, vocabulary_size)),  # of a blend
    }


def profile_of(graph: onnx.GraphProto, ranges: Mapping[str, Range]) -> dict[str, ShapeRange]:
    """The shapes of each input, from the names of its free axes.

    Raises:
        ExportError: a free axis has no range.
    """
    profile = {}
    for value in graph.input:
        axes: list[Range] = []
        for axis in value.type.tensor_type.shape.dim:
            if not axis.dim_value and axis.dim_param not in ranges:
                raise ExportError(
                    f"The input {value.name} has an axis {axis.dim_param!r}; expected one of "
                    f"{', '.join(ranges)}. Export the bundle again with this version."
                )
            size = axis.dim_value
            axes.append((size, size, size) if size else ranges[axis.dim_param])
        least, usual, most = (tuple(axis[end] for axis in axes) for end in range(3))
        profile[value.name] = ShapeRange(least, usual, most)
    return profile


def _build(
    bundle: Bundle,
    name: str,
    graph: onnx.ModelProto,
    folder: Path,
    scratch: Path,
    options: BuildOptions,
    worker: Worker,
) -> EngineHeader:
    """Have one engine built; returns its header."""
    ranges = axis_ranges(bundle.spec, len(bundle.vocabulary), options.max_pictures)
    profile = profile_of(graph.graph, ranges)
    source, content = scratch / engine_file(name), graph.SerializeToString()
    source.write_bytes(content)
    engine = engine_path(folder, name)
    shapes: dict[str, list[Shape]] = {n: [r.least, r.usual, r.most] for n, r in profile.items()}
    job = Job(
        backend=options.backend,
        graph=str(source.resolve()),
        engine=str(engine.resolve()),
        answer=str((scratch / f"{name}.answer.json").resolve()),
        profiles=[shapes],
        targets=options.targets,
        hardware=options.hardware,
        version_compatible=options.version_compatible,
        timing_cache=str(options.timing_cache.resolve()) if options.timing_cache else "",
        workspace_mib=options.workspace_mib,
        level=options.level,
    )
    answer = run_job(name, job, scratch, options.timeout_s, worker)
    built = engine.read_bytes()
    parts = ENGINES if name == GENERATOR else (name,)
    files = bundle.manifest["files"]
    return EngineHeader(
        engine=name,
        backend=options.backend,
        backend_version=answer["version"],
        targets=options.targets or (compute_capability(),),
        compatibility=options.hardware,
        version_compatible=options.version_compatible,
        cuda_major=cuda_major(BACKENDS[options.backend]),
        os=operating_system(),
        processor=processor(),
        precision=bundle.precision,
        float_type=options.float_type,
        inputs=_tensors(answer["inputs"]),
        outputs=_tensors(answer["outputs"]),
        profiles=(profile,),
        sources={engine_file(part): files[engine_file(part)]["sha256"] for part in parts},
        options=options.words,
        graph_sha256=hashlib.sha256(content).hexdigest(),
        engine_sha256=hashlib.sha256(built).hexdigest(),
        engine_bytes=len(built),
        weight_memory_bytes=answer["weight_memory_bytes"],
        bundle=bundle.bundle_hash,
        spec=bundle.spec.to_json(),
    )


def _tensors(values: Sequence[Mapping[str, Any]]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(v["name"], v["dtype"], tuple(v["shape"])) for v in values)


def run_job(name: str, job: Job, scratch: Path, timeout_s: int, worker: Worker) -> dict[str, Any]:
    """Have a job done in a process of its own; returns its answer.

    Raises:
        NotAvailableError: the package cannot be imported there.
        ExportError: the engine was refused, or the process crashed or took too long.
    """
    path = scratch / f"{name}.job.json"
    job.write(path)
    try:
        done = subprocess.run(
            worker(path), cwd=ROOT, capture_output=True, text=True, timeout=timeout_s,
            check=False, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise ExportError(
            f"The {name} engine was not built within {timeout_s} s; nothing was written. Give it "
            "more with --timeout-s, or a lower --level."
        ) from exc
    answer = Path(job.answer)
    if done.returncode or not answer.is_file():
        said = " ".join(done.stderr.split())[-300:] or "it said nothing"
        raise ExportError(
            f"The process that built the {name} engine ended {_how(done.returncode)} ({said}); "
            "nothing was written. Check the installed TensorRT, or take another version of it."
        )
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if found.get("missing"):
        raise NotAvailableError(found["error"])
    if "error" in found:
        raise ExportError(
            f"The {name} engine cannot be built, nothing was written: {found['error']}. "
            "See docs/tensorrt.md for what TensorRT takes."
        )
    return found


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"with {signal.Signals(-code).name}"
    except ValueError:
        return f"with signal {-code}"


@click.command()
@click.option("--bundle", "folder", type=click.Path(path_type=Path), default=Path("dist/base-int8"),
              show_default=True, help="An INT8 or FP16 bundle.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the engines.  "
              "[default: dist/BUNDLE-BACKEND]")  # fmt: skip
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="rtx", show_default=True,
              help="TensorRT for RTX, which needs no GPU to build; or full TensorRT.")  # fmt: skip
@click.option("--target", "targets", multiple=True, metavar="SM86",
              help="RTX: a compute capability; repeatable.  "
              f"[default: {' '.join(USUAL_TARGETS)}]")  # fmt: skip
@click.option("--engine", "names", multiple=True, help="Only this engine; repeatable.")
@click.option("--fused", is_flag=True, help="The fused graph too, as generator.engine.")
@click.option("--float-type", type=click.Choice(FLOAT_TYPES), default="float16", show_default=True,
              help="Type of what is not INT8.")  # fmt: skip
@click.option("--max-pictures", type=int, default=CHUNK, show_default=True,
              help="Most pictures in one run; the runtime asks for up to that many.")  # fmt: skip
@click.option("--hardware", type=click.Choice(COMPATIBILITY), default="none", show_default=True,
              help="Full TensorRT: other GPUs that may load the engines.")  # fmt: skip
@click.option("--version-compatible", is_flag=True,
              help="Full TensorRT: later versions of the same major may load them.")  # fmt: skip
@click.option("--timing-cache", type=click.Path(path_type=Path),
              help="Full TensorRT: file of measured kernels, read and written.")  # fmt: skip
@click.option("--workspace-mib", type=int, default=0, help="Most scratch memory on the GPU.")
@click.option("--level", type=int, default=-1,
              help="How long to search for fast kernels, 0 to 5.")  # fmt: skip
@click.option("--timeout-s", type=int, default=1800, show_default=True,
              help="Seconds that one engine may take.")  # fmt: skip
def trt_build(folder: Path, out: Path | None, **values: Any) -> None:
    """Build TensorRT engines from a bundle. Exits with 3 where TensorRT or a GPU is missing."""
    if not values["targets"] and values["backend"] == "rtx":
        values["targets"] = USUAL_TARGETS
    options = BuildOptions(**values)
    bundle = load_bundle(folder)
    target = out or Path("dist") / f"{folder.resolve().name}-{options.backend}"
    for header in build_engines(bundle, target, options):
        click.echo(
            f"{header.engine}: {header.engine_bytes / 1e6:.2f} MB, weights "
            f"{header.weight_memory_bytes / 1e6:.2f} MB, {header.backend} "
            f"{header.backend_version}, {', '.join(header.targets)}",
            err=True,
        )
    click.echo(str(target))


if __name__ == "__main__":
    run_command(trt_build)
