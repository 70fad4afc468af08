"""`python -m bench.roofline`: what a GPU that is not here might take. An estimate, never a gate.

The engines' calls for one picture are recorded on the processor; operations, bytes and kernels of
each are counted in its graph by shape inference. Two figures come of it:

    floor       the larger of operations over peak and bytes over bandwidth, bytes being weights,
                inputs and outputs of a call: as if a call were one perfect kernel
    op by op    every operation is a kernel of its own that reads and writes memory: the same, a
                kernel at a time, and the launches on top

The sampler between the engines runs on the processor and is not in either.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from t2a_edge.command import run_command
from t2a_edge.errors import ConfigError, OptionError
from train.documents import parsed

GPUS = Path(__file__).parent / "gpus.toml"
BUNDLE = Path("dist/base-fp32")
FLOAT_BYTES = {"fp32": 4, "fp16": 2}
VIEWS = frozenset({"Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Constant", "Shape"})
PER_ELEMENT = {"Softmax": 5, "LayerNormalization": 8, "Gelu": 10}  # operations; others 1
HOST_ELEMENTS = 16  # int64 vectors up to this long are shapes, which stay on the processor


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU's peak figures, from the source named.

    Attributes:
        title: what people call it.
        fp32_tflops, fp16_tflops: 10^12 operations a second; a multiply-add is two.
        bandwidth_gbs: of its memory, 10^9 bytes a second.
        launch_us: microseconds that one more kernel is taken to cost; an assumption.
    """

    title: str
    fp32_tflops: float
    fp16_tflops: float
    bandwidth_gbs: float
    launch_us: float
    source: str

    def __post_init__(self) -> None:
        figures = (self.fp32_tflops, self.fp16_tflops, self.bandwidth_gbs)
        if min(figures) <= 0 or self.launch_us < 0:
            raise ConfigError(f"The peak figures of {self.title} must be above 0.")

    def seconds(self, operations: float, size_bytes: float, precision: str) -> float:
        """The roofline: no faster than its arithmetic, and no faster than its memory."""
        peak = self.fp16_tflops if precision == "fp16" else self.fp32_tflops
        return max(operations / (peak * 1e12), size_bytes / (self.bandwidth_gbs * 1e9))


@dataclass(frozen=True)
class Kernel:
    """One operation of a graph: its type, its arithmetic and the bytes that it moves."""

    op_type: str
    operations: int
    size_bytes: int


@dataclass(frozen=True)
class Counts:
    """What one call of an engine needs.

    Attributes:
        kernels: operations that a GPU would launch, in order.
        floor_bytes: weights, inputs and outputs of the graph.
    """

    kernels: tuple[Kernel, ...]
    floor_bytes: int

    @property
    def operations(self) -> int:
        """Arithmetic of all kernels."""
        return sum(kernel.operations for kernel in self.kernels)

    @property
    def size_bytes(self) -> int:
        """Bytes that all kernels read and write."""
        return sum(kernel.size_bytes for kernel in self.kernels)

    def floor_seconds(self, gpu: Gpu, precision: str) -> float:
        """As if the call were one perfect kernel."""
        return gpu.seconds(self.operations, self.floor_bytes, precision)

    def op_by_op_seconds(self, gpu: Gpu, precision: str) -> float:
        """As if every operation were a kernel, launched one after the other."""
        each = (gpu.seconds(k.operations, k.size_bytes, precision) for k in self.kernels)
        return sum(each) + len(self.kernels) * gpu.launch_us * 1e-6


def load_gpus(path: Path = GPUS) -> dict[str, Gpu]:
    """Read GPUs from TOML; a ConfigError if the file cannot be used."""
    try:
        tables = parsed(tomllib.loads, path.read_text(encoding="utf-8"))
        return {name: Gpu(**table) for name, table in tables.items()}
    except (OSError, ValueError, TypeError) as exc:
        raise ConfigError(
            f"{path} cannot be used as GPUs ({exc}); expected tables with "
            f"{', '.join(Gpu.__dataclass_fields__)}."
        ) from exc


class _Shapes:
    """Shapes and element types of all tensors of a graph, for given shapes of its inputs."""

    def __init__(self, model: Any, inputs: Mapping[str, Sequence[int]], float_bytes: int) -> None:
        import onnx

        for value in model.graph.input:
            for dim, size in zip(value.type.tensor_type.shape.dim, inputs[value.name], strict=True):
                dim.Clear()
                dim.dim_value = size
        del model.graph.value_info[:]
        for value in model.graph.output:
            for dim in value.type.tensor_type.shape.dim:
                dim.Clear()
        _follow_squares(model.graph)
        self.graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self.float_bytes = float_bytes
        self.known: dict[str, tuple[int, tuple[int, ...] | None]] = {}
        for tensor in self.graph.initializer:
            self.known[tensor.name] = tensor.data_type, tuple(tensor.dims)
        for value in [*self.graph.input, *self.graph.value_info, *self.graph.output]:
            kind = value.type.tensor_type
            dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
            known = kind.HasField("shape") and None not in dims
            shape = tuple(d for d in dims if d is not None) if known else None
            self.known.setdefault(value.name, (kind.elem_type, shape))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; an OptionError if inference did not find it."""
        shape = self.known.get(name, (0, None))[1]
        if shape is None:
            raise OptionError(
                f"The shape of {name!r} cannot be inferred, so its bytes cannot be counted; "
                "name an FP32 bundle."
            )
        return shape

    def size_bytes(self, name: str) -> int:
        """Bytes of a tensor, floats at the precision that is estimated."""
        import onnx

        kind = self.known.get(name, (0, None))[0]
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        each = (
            self.float_bytes
            if kind in floats
            else onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
        )
        return math.prod(self.shape(name)) * each

    def on_host(self, name: str) -> bool:
        """Whether a tensor is a shape: a short vector of int64, which stays on the processor."""
        import onnx

        kind, shape = self.known.get(name, (0, None))
        if kind != onnx.TensorProto.INT64 or shape is None:
            return False
        return len(shape) <= 1 and math.prod(shape) <= HOST_ELEMENTS


def _follow_squares(graph: Any) -> None:
    """Write a side's square as inference can follow it: a product, and an axis added; in place."""
    import onnx

    numbers = [i for i in graph.initializer if not i.dims]
    twos = {i.name for i in numbers if onnx.numpy_helper.to_array(i) == 2}
    squares = {n.output[0] for n in graph.node if n.op_type == "Pow" and n.input[1] in twos}
    axis = onnx.numpy_helper.from_array(np.zeros(1, dtype=np.int64), "square_axis")
    if squares:
        graph.initializer.append(axis)
    for node in graph.node:
        if node.output[0] in squares:
            node.op_type, node.input[1] = "Mul", node.input[0]
        elif node.op_type == "Reshape" and node.input[0] in squares:
            node.op_type, node.input[1] = "Unsqueeze", axis.name


def count(model: Any, inputs: Mapping[str, Sequence[int]], precision: str) -> Counts:
    """Count one call.

    Args:
        model: an ONNX graph; its shapes are overwritten.
        inputs: the shape of each.
        precision: of the GPU's engine, fp32 or fp16; the graph's floats are counted as it.

    Raises:
        OptionError: a shape cannot be inferred.
    """
    shapes = _Shapes(model, inputs, FLOAT_BYTES[precision])
    kernels = []
    for node in shapes.graph.node:
        if node.op_type in VIEWS or all(shapes.on_host(name) for name in node.output if name):
            continue
        read = sum(shapes.size_bytes(name) for name in node.input if name)
        written = sum(shapes.size_bytes(name) for name in node.output if name)
        if node.op_type == "Gather":  # reads the rows that it takes, not the table
            read = written + shapes.size_bytes(node.input[1])
        kernels.append(Kernel(node.op_type, _operations(node, shapes), read + written))
    ends = [*shapes.graph.input, *shapes.graph.output]
    floor = sum(shapes.size_bytes(t.name) for t in [*shapes.graph.initializer, *ends])
    return Counts(tuple(kernels), floor)


def _operations(node: Any, shapes: _Shapes) -> int:
    """Arithmetic of a node; a multiply-add is two."""
    elements = math.prod(shapes.shape(node.output[0]))
    if node.op_type == "MatMul":
        return 2 * elements * shapes.shape(node.input[0])[-1]
    if node.op_type == "Conv":
        return 2 * elements * math.prod(shapes.shape(node.input[1])[1:])
    if node.op_type.startswith("Reduce"):
        return math.prod(shapes.shape(node.input[0]))
    return elements * PER_ELEMENT.get(node.op_type, 1)


def recorded_calls(folder: Path, prompt: str) -> list[tuple[str, dict[str, tuple[int, ...]]]]:
    """The engines' calls for one picture: name, and the shape of each input."""
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.runner import OnnxRunner

    calls: list[tuple[str, dict[str, tuple[int, ...]]]] = []

    class Recorder(OnnxRunner):
        def _run(self, engine: str, inputs: dict[str, Any], outputs: Any) -> dict[str, Any]:
            calls.append((engine, {name: array.shape for name, array in inputs.items()}))
            return super()._run(engine, inputs, outputs)

    with TextToArt(folder, runner=Recorder(folder)) as engine:
        engine.generate(prompt, seed=7)
    return calls


def estimate(folder: Path, gpu: Gpu, precision: str, prompt: str) -> dict[str, dict[str, float]]:
    """The estimate for each engine, all of its calls for one picture together.

    Returns:
        By engine, and as `pipeline`: calls, gflop, mb, kernels, floor_ms and op_by_op_ms.
    """
    import onnx

    from t2a_edge.bundle import engine_file

    rows: dict[str, dict[str, float]] = {}
    for engine, inputs in recorded_calls(folder, prompt):
        counts = count(onnx.load(folder / engine_file(engine)), inputs, precision)
        figures = {
            "calls": 1,
            "gflop": counts.operations / 1e9,
            "mb": counts.size_bytes / 1e6,
            "kernels": len(counts.kernels),
            "floor_ms": counts.floor_seconds(gpu, precision) * 1e3,
            "op_by_op_ms": counts.op_by_op_seconds(gpu, precision) * 1e3,
        }
        for row in (rows.setdefault(engine, {}), rows.setdefault("pipeline", {})):
            for name, value in figures.items():
                row[name] = row.get(name, 0) + value
    rows["pipeline"] = rows.pop("pipeline")  # last
    return rows


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True,
              help="An FP32 bundle: its graphs are counted.")  # fmt: skip
@click.option("--gpu", "gpu_name", default="t4", show_default=True,
              help="A table of bench/gpus.toml.")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "fp16"]), default="fp16",
              show_default=True, help="Of the engine on that GPU.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
def roofline(bundle: Path, gpu_name: str, precision: str, json_path: Path | None) -> None:
    """Estimate what one picture takes on a GPU from its data sheet."""
    from rich.console import Console
    from rich.table import Table

    from bench.measure import PROMPT
    from bench.report import write_json
    from t2a_edge.bundle import load_bundle

    gpus = load_gpus()
    if gpu_name not in gpus:
        raise OptionError(f"The GPU is {gpu_name!r}; expected one of {', '.join(gpus)}.")
    gpu = gpus[gpu_name]
    if load_bundle(bundle).precision != "fp32":
        raise OptionError(f"{bundle} is no FP32 bundle; its graphs are the ones to count.")
    rows = estimate(bundle, gpu, precision, PROMPT)
    table = Table(title=f"ESTIMATE, nothing was measured: {gpu.title}, {precision.upper()}")
    columns = ("engine", "calls", "GFLOP", "MB moved", "kernels", "floor, ms", "op by op, ms")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for engine, row in rows.items():
        table.add_row(
            engine, f"{row['calls']:.0f}", f"{row['gflop']:.3f}", f"{row['mb']:.1f}",
            f"{row['kernels']:.0f}", f"{row['floor_ms']:.3f}", f"{row['op_by_op_ms']:.2f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(
        f"Peaks: {gpu.source}. A kernel is taken to cost {gpu.launch_us:g} µs (assumed). "
        "Sampling on the processor is not included. No gate reads this.",
        markup=False, highlight=False,
    )  # fmt: skip
    write_json({"estimate": True, "gpu": gpu.title, "source": gpu.source, "precision": precision,
                "launch_us": gpu.launch_us, "engines": rows}, json_path)  # fmt: skip


if __name__ == "__main__":
    run_command(roofline)
