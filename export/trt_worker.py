"""Builds one TensorRT engine, in a process of its own: `python -m export.trt_worker JOB`.

TensorRT can end its process; then only this one ends. The job is a JSON file, the answer another:
what was built, or why not. `export.trt_build` writes the one and reads the other.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from export.gpu import NotAvailableError, require_package
from t2a_edge.engine_header import BACKENDS
from t2a_edge.errors import ExportError
from t2a_edge.tensorrt_runner import INSTALL, MOST_CHARACTERS, last_errors, logger_of

WEIGHTS = "Total Weights Memory: "
HARDWARE = {"same-compute-capability": "SAME_COMPUTE_CAPABILITY", "ampere-plus": "AMPERE_PLUS"}
MOST_ERRORS = 3  # of the parser's, in a message
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Job:
    """One engine to build.

    Attributes:
        backend: "rtx" or "tensorrt".
        graph: ONNX file.
        engine: where the engine goes.
        answer: where the answer goes.
        profiles: each input name to least, usual and most shape.
        targets: of RTX: compute capabilities, "SM86".
        hardware: of full TensorRT: "none", "same-compute-capability" or "ampere-plus".
        version_compatible: of full TensorRT.
        timing_cache: of full TensorRT: a file that is read if it is there, and written; "" for
            none.
        workspace_mib: most scratch memory on the GPU; 0 leaves it to TensorRT.
        level: how long to search for fast kernels, 0 to 5; -1 leaves it to TensorRT.
    """

    backend: str
    graph: str
    engine: str
    answer: str
    profiles: Sequence[Mapping[str, Sequence[Sequence[int]]]]
    targets: Sequence[str] = ()
    hardware: str = "none"
    version_compatible: bool = False
    timing_cache: str = ""
    workspace_mib: int = 0
    level: int = -1

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Job":
        """Read what `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def build(trt: Any, job: Job) -> dict[str, Any]:
    """Build and write an engine.

    Args:
        trt: the TensorRT module.

    Returns:
        "version", "inputs" and "outputs" (name, dtype, shape) and "weight_memory_bytes".

    Raises:
        ExportError: the graph is refused, or no engine comes of it.
    """
    logger = logger_of(trt, "INFO")
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt, job))
    _parse(trt, job, network, logger)
    config = builder.create_builder_config()
    cache = _configure(trt, job, builder, network, config)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(f"TensorRT cannot build it: {last_errors(logger)}")
    Path(job.engine).write_bytes(engine)
    if cache is not None:
        Path(job.timing_cache).write_bytes(config.get_timing_cache().serialize())
    return {
        "version": trt.__version__,
        "inputs": [_tensor(trt, network.get_input(i)) for i in range(network.num_inputs)],
        "outputs": [_tensor(trt, network.get_output(i)) for i in range(network.num_outputs)],
        "weight_memory_bytes": weight_memory(text for _, text in logger.messages),
    }


def weight_memory(lines: Any) -> int:
    """The largest weight memory that lines of a log name, in bytes; 0 if none does."""
    found = [line.split(WEIGHTS)[1].split()[0] for line in lines if WEIGHTS in line]
    return max(map(int, found), default=0)


def _network_flags(trt: Any, job: Job) -> int:
    """Strong typing where it must be asked for: TensorRT 10; 11 and RTX always have it."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None or job.backend == "rtx" else 1 << int(flag)


def _parse(trt: Any, job: Job, network: Any, logger: Any) -> None:
    parser = trt.OnnxParser(network, logger)
    if parser.parse(Path(job.graph).read_bytes()):
        return
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    shown = [f"{error.node_operator()}: {error.desc()}" for error in errors[:MOST_ERRORS]]
    reasons = [" ".join(text.split())[:MOST_CHARACTERS] for text in shown]
    more = f", and {len(errors) - MOST_ERRORS} more" if len(errors) > MOST_ERRORS else ""
    raise ExportError(f"TensorRT's parser refuses {'; '.join(reasons)}{more}")


def _configure(trt: Any, job: Job, builder: Any, network: Any, config: Any) -> Any:
    """Profiles and options; returns the timing cache, or None."""
    _add_profiles(job, builder, network, config)
    if job.workspace_mib:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, job.workspace_mib * MIB)
    if job.level >= 0:
        config.builder_optimization_level = job.level
    if job.backend == "rtx":
        config.num_compute_capabilities = len(job.targets)
        for number, target in enumerate(job.targets):
            config.set_compute_capability(getattr(trt.ComputeCapability, target), number)
        return None
    if job.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if job.hardware != "none":
        level = getattr(trt.HardwareCompatibilityLevel, HARDWARE[job.hardware])
        config.hardware_compatibility_level = level
    return _timing_cache(job, config) if job.timing_cache else None


def _add_profiles(job: Job, builder: Any, network: Any, config: Any) -> None:
    names = [network.get_input(i).name for i in range(network.num_inputs)]
    for shapes in job.profiles:
        profile = builder.create_optimization_profile()
        for name in names:
            profile.set_shape(name, *(tuple(shape) for shape in shapes[name]))
        if config.add_optimization_profile(profile) < 0:
            raise ExportError(f"TensorRT refuses the profile {json.dumps(shapes)}")


def _timing_cache(job: Job, config: Any) -> Any:
    stored = Path(job.timing_cache)
    cache = config.create_timing_cache(stored.read_bytes() if stored.is_file() else b"")
    if not config.set_timing_cache(cache, ignore_mismatch=False):
        raise ExportError(
            f"TensorRT refuses the timing cache {stored}, which may come from another version or "
            "GPU; delete it or name another"
        )
    return cache


def _tensor(trt: Any, tensor: Any) -> dict[str, Any]:
    dtype = np.dtype(trt.nptype(tensor.dtype)).name
    return {"name": tensor.name, "dtype": dtype, "shape": list(tensor.shape)}


def main(path: Path) -> None:
    """Do a job and write its answer: what `build` returns, or "error" and "missing"."""
    job = Job.read(path)
    try:
        module = BACKENDS[job.backend]
        answer = build(require_package(module, INSTALL[job.backend]), job)
    except NotAvailableError as exc:
        answer = {"error": str(exc), "missing": True}
    except ExportError as exc:
        answer = {"error": str(exc), "missing": False}
    Path(job.answer).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
