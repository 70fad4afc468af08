"""`python -m export.post_training`: INT8 without training, what the trained INT8 is compared with.

A bundle in FP32 is drawn with, every engine's inputs are kept, and optimum's `ORTQuantizer` (or
ONNX Runtime's own `quantize_static`, which it stands on) chooses the steps of the activations from
them: static, Q/DQ, symmetric int8, weights per channel. The layers are those that training
fake-quantises, and the graphs then take the same processor form, so the two differ in their steps
and weights alone.
"""

import contextlib
import importlib
import importlib.metadata
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.pack import replaced, source_commit
from export.parity import Parity, compare_runners
from export.qdq import (
    INT8_MAX,
    INTEGER_KERNELS,
    SMALLEST_TABLE,
    cpu_form,
    expected_kernels,
    optimised_operators,
    store_tables,
    tidy,
)
from t2a_edge.bundle import Bundle, engine_file, engines, load_bundle, write_manifest
from t2a_edge.command import run_command
from t2a_edge.errors import ExportError, OptionError
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import (
    Float32Array,
    Int64Array,
    KeysValues,
    OnnxRunner,
    RefinerInputs,
    Runner,
    ScaleInputs,
    UInt8Array,
)

PRECISION = "ptq-int8"
LIBRARIES = {"optimum": "optimum-onnx", "onnxruntime": "onnxruntime"}  # name -> distribution
METHODS = {"minmax": "MinMax", "percentile": "Percentile"}
PERCENTILE = 99.999  # of the activations' histogram
FOLLOWING = ("Relu", "Resize")  # between layers: 8-bit too, or the layers' integers end there
MOST_WORDS = 3  # of a calibration prompt
NOT_KEPT = ("format", "files", "scores", "parity")  # of the manifest: they are of other engines
LINK = "quantisation"  # of `export.parity`: a float model against its quantised form

Inputs = Mapping[str, npt.NDArray[Any]]  # of one call of an engine


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the steps of the activations are found.

    Attributes:
        library: "optimum" or "onnxruntime".
        method: "minmax" covers every value that was seen; "percentile" cuts off the rarest.
        pictures: how many are drawn for calibration.
        seed: of the prompts and pictures.
        float_outputs: linear layers give float, as the trained bundle's do; without, their outputs
            are rounded to 8 bits, the logits with them, which is what the libraries do by default.
    """

    library: str = "optimum"
    method: str = "minmax"
    pictures: int = 32
    seed: int = 1
    float_outputs: bool = True

    def __post_init__(self) -> None:
        for what, value, known in (
            ("with", self.library, LIBRARIES), ("method", self.method, METHODS),
        ):  # fmt: skip
            if value not in known:
                raise OptionError(
                    f"--{what} is {value!r}; expected one of {', '.join(known)}. Name one."
                )
        if (self.library, self.method) == ("onnxruntime", "percentile"):
            raise OptionError(
                "--method is percentile with --with onnxruntime, whose quantize_static counts "
                "inputs of one shape alone; expected --with optimum, or --method minmax. Change "
                "one of the two."
            )
        if self.pictures < 1:
            raise OptionError(
                f"--pictures is {self.pictures}; expected a whole number from 1. Give a larger one."
            )


class RecordingRunner(Runner):
    """Passes every call on and keeps what the engines were given.

    Attributes:
        calls: engine -> inputs of each call, by the names of its graph.
    """

    def __init__(self, inner: Runner, names: Iterable[str]) -> None:
        self.inner = inner
        self.calls: dict[str, list[Inputs]] = {name: [] for name in names}

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        self.calls["text"].append({"text_bytes": text_bytes})
        return self.inner.text(text_bytes)

    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """See `Runner.transformer`."""
        self.calls["transformer"].append(_copied(inputs._asdict()))
        return self.inner.transformer(inputs)

    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """See `Runner.refiner`."""
        self.calls["refiner"].append(_copied(inputs._asdict()))
        return self.inner.refiner(inputs)

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        self.calls["decoder"].append({"indices": indices})
        return self.inner.decoder(indices)

    def close(self) -> None:
        """Free the runner inside."""
        self.inner.close()


def _copied(inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
    """The sampler fills some of its arrays again and again."""
    return {name: np.array(value) for name, value in inputs.items()}


def calibration_prompts(vocabulary: Sequence[str], count: int, seed: int) -> list[str]:
    """Prompts of one to three known adjectives, the same for the same seed."""
    rng = np.random.default_rng(seed)
    most = min(MOST_WORDS, len(vocabulary))
    sizes = rng.integers(1, most + 1, size=count)
    return [" ".join(rng.choice(vocabulary, size=size, replace=False)) for size in sizes]


def calibration_inputs(bundle: Bundle, settings: Settings) -> dict[str, list[Inputs]]:
    """Draw pictures with a bundle; engine -> the inputs of all its calls."""
    names = engines(bundle.spec)
    recording = RecordingRunner(OnnxRunner(bundle.folder, names), names)
    with TextToArt(bundle.folder, runner=recording) as engine:
        prompts = calibration_prompts(bundle.vocabulary, settings.pictures, settings.seed)
        for number, prompt in enumerate(prompts):
            engine.generate(prompt, seed=settings.seed + number)
    return recording.calls


def layers(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes to quantise: convolutions, linear layers, and what stands between convolutions.

    A linear layer is a MatMul with a constant whose result is added to a constant. Attention has
    no constants; the matrices that scale grids up and down have no bias.
    """
    convolved = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    constants = {constant.name for constant in graph.initializer}
    biased = {
        name for node in graph.node if node.op_type == "Add" and constants & set(node.input)
        for name in node.input
    }  # fmt: skip
    found = []
    for node in graph.node:
        has_weight = len(node.input) > 1 and node.input[1] in constants
        is_linear = node.op_type == "MatMul" and has_weight and node.output[0] in biased
        is_conv = node.op_type == "Conv" and has_weight
        is_residual = node.op_type == "Add" and bool(convolved & set(node.input))
        if is_linear or is_conv or is_residual or node.op_type in FOLLOWING:
            found.append(node)
    return found


def round_tables(graph: onnx.GraphProto) -> None:
    """Round the large float tables that rows are looked up in to 255 symmetric steps.

    `export.qdq.store_tables` then keeps them as int8. Works in place.
    """
    for table in graph.initializer:
        users = [node for node in graph.node if table.name in node.input]
        is_table = all(n.op_type == "Gather" and n.input[0] == table.name for n in users)
        if table.data_type != onnx.TensorProto.FLOAT or not users or not is_table:
            continue
        values = numpy_helper.to_array(table)
        if values.size < SMALLEST_TABLE or not values.any():
            continue
        step = np.float32(np.abs(values).max() / INT8_MAX)
        table.CopyFrom(numpy_helper.from_array(np.rint(values / step) * step, table.name))


def quantised_graph(
    name: str, model: onnx.ModelProto, calls: Sequence[Inputs], settings: Settings
) -> onnx.ModelProto:
    """An engine with INT8 layers, in the form that the processor runs.

    Args:
        name: of the engine.
        model: in FP32.
        calls: what the engine was given while pictures were drawn.

    Raises:
        OptionError: the library is not installed.
        ExportError: the library cannot quantise the graph.
    """
    round_tables(model.graph)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"  # by which the libraries tell them apart
    wanted = layers(model.graph)
    kinds = sorted({node.op_type for node in wanted})
    place = _with_optimum if settings.library == "optimum" else _with_onnxruntime
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / engine_file(name)
        onnx.save(model, source)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # where the libraries tell progress
                quantised = place(
                    source, calls, [node.name for node in wanted], kinds, settings.method
                )
        except OptionError:
            raise
        except Exception as exc:  # whatever the libraries raise
            reason = " ".join(str(exc).split())[:200]
            raise ExportError(
                f"{settings.library} cannot quantise the {name} engine ({type(exc).__name__}: "
                f"{reason}); nothing was written. Try the other library with --with."
            ) from exc
    if settings.float_outputs:
        linear_outputs_in_float(quantised.graph)
    return cpu_form(store_tables(tidy(quantised)))


def _with_optimum(
    source: Path, calls: Sequence[Inputs], nodes: list[str], kinds: list[str], method: str
) -> onnx.ModelProto:
    """`ORTQuantizer`. Its own reader of samples adds a batch axis, which not all inputs have."""
    try:
        optimum = importlib.import_module("optimum.onnxruntime")
        settings = importlib.import_module("optimum.onnxruntime.configuration")
    except ImportError as exc:
        raise OptionError(
            f"optimum cannot be imported ({exc}); expected optimum-onnx 0.1 in an environment of "
            "its own. Make one with `pip install -e '.[post-training]'`, or choose --with "
            "onnxruntime."
        ) from exc
    quantization = importlib.import_module("onnxruntime.quantization")
    calibrator = settings.CalibrationConfig(
        dataset_name="prompts",
        dataset_config_name="",
        dataset_split="",
        dataset_num_samples=len(calls),
        method=quantization.CalibrationMethod[METHODS[method]],
        num_bins=2048,
        percentile=PERCENTILE,
        moving_average=False,
        averaging_constant=0.01,
    ).create_calibrator(
        source.as_posix(),
        kinds,
        force_symmetric_range=True,
        augmented_model_name=str(source.with_suffix(".augmented.onnx")),
    )
    for inputs in calls:  # one by one: the calibrator keeps every activation until it has counted
        calibrator.collect_data(_reader(quantization, [inputs]))
    config = settings.QuantizationConfig(
        is_static=True,
        format=quantization.QuantFormat.QDQ,
        activations_dtype=quantization.QuantType.QInt8,
        activations_symmetric=True,
        weights_dtype=quantization.QuantType.QInt8,
        weights_symmetric=True,
        per_channel=True,
        nodes_to_quantize=nodes,
        operators_to_quantize=kinds,
    )
    target = source.parent / "quantised"
    plain = importlib.import_module("transformers").PretrainedConfig()  # else it looks for one
    optimum.ORTQuantizer(source, plain).quantize(
        config, target, file_suffix=None, calibration_tensors_range=calibrator.compute_data()
    )
    return onnx.load(target / source.name)


def _with_onnxruntime(
    source: Path, calls: Sequence[Inputs], nodes: list[str], kinds: list[str], method: str
) -> onnx.ModelProto:
    """`quantize_static`, set up as `ORTQuantizer` is."""
    quantization = importlib.import_module("onnxruntime.quantization")
    prepared, target = (source.with_suffix(f".{stage}.onnx") for stage in ("prepared", "int8"))
    quantization.quant_pre_process(
        source, prepared, skip_optimization=True, skip_symbolic_shape=True
    )
    quantization.quantize_static(
        prepared,
        target,
        _reader(quantization, calls),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=kinds,
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_quantize=nodes,
        calibrate_method=quantization.CalibrationMethod[METHODS[method]],
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "CalibTensorRangeSymmetric": True,
            "CalibPercentile": PERCENTILE,
            "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
        },
    )
    return onnx.load(target)


def _reader(quantization: Any, calls: Sequence[Inputs]) -> Any:
    """Inputs as ONNX Runtime's calibration reads them, one call after the other."""

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(calls)

        def get_next(self) -> Inputs | None:
            return next(self.left, None)

    return Reader()


def linear_outputs_in_float(graph: onnx.GraphProto) -> None:
    """Take the Q/DQ pair from behind linear layers: their sums stay in float for the bias.

    Works in place.
    """
    produced = {node.output[0]: node for node in graph.node}

    def made_by(node: onnx.NodeProto, place: int, kind: str) -> onnx.NodeProto | None:
        found = produced.get(node.input[place])
        return found if found is not None and found.op_type == kind else None

    instead: dict[str, str] = {}
    for node in graph.node:
        rounding = made_by(node, 0, "QuantizeLinear")
        product = rounding and made_by(rounding, 0, "MatMul")
        if rounding and product and made_by(product, 1, "DequantizeLinear"):
            instead[node.output[0]] = rounding.input[0]
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
    rounded = set(instead.values())
    for node in list(graph.node):
        is_rounding = node.op_type == "QuantizeLinear" and node.input[0] in rounded
        if node.output[0] in instead or is_rounding:
            graph.node.remove(node)


def export_post_training(source: Path, folder: Path, settings: Settings) -> Parity:
    """Write a bundle whose layers were quantised without training; returns how far it is off.

    Args:
        source: a bundle in FP32.
        folder: where the bundle goes; a bundle there is replaced.

    Raises:
        BundleError: the bundle is missing or damaged.
        OptionError: it is not in FP32, or the library is not installed. Nothing is written then.
        ExportError: the library cannot quantise an engine. Nothing is written then.
    """
    bundle = load_bundle(source)
    if bundle.precision != "fp32":
        raise OptionError(
            f"The bundle at {source} has the precision {bundle.precision}; expected fp32. Name a "
            "bundle such as dist/base-fp32."
        )
    calls = calibration_inputs(bundle, settings)
    names = engines(bundle.spec)
    kernels = {}
    with replaced(folder) as temporary:
        for name in names:
            model = onnx.load(source / engine_file(name))
            model = quantised_graph(name, model, calls[name], settings)
            kernels[name] = integer_kernels(model)
            onnx.save(model, temporary / engine_file(name))
        with OnnxRunner(source, names) as reference, OnnxRunner(temporary, names) as candidate:
            parity = compare_runners(reference, candidate, bundle.spec, LINK)
        figures = {key: v for key, v in parity.to_json().items() if key != "tolerance"}
        manifest = {key: v for key, v in bundle.manifest.items() if key not in NOT_KEPT} | {
            "precision": PRECISION,
            "integer_kernels": kernels,
            "source_commit": source_commit(),
            "post_training": {
                "library": settings.library,
                "version": importlib.metadata.version(LIBRARIES[settings.library]),
                "method": settings.method,
                "pictures": settings.pictures,
                "seed": settings.seed,
                "float_outputs": settings.float_outputs,
                "reference": bundle.bundle_hash,
                "against_reference": figures,
            },
        }
        write_manifest(temporary, manifest, [engine_file(name) for name in names])
    return parity


def integer_kernels(model: onnx.ModelProto) -> dict[str, int]:
    """How many convolutions and linear layers ONNX Runtime runs in integers, and of how many.

    Returns:
        "conv" and "linear", and "conv_layers" and "linear_layers" for those with INT8 weights.
    """
    operators = optimised_operators(model.SerializeToString())
    found = {kind: sum(operators[o] for o in names) for kind, names in INTEGER_KERNELS.items()}
    return found | {f"{kind}_layers": n for kind, n in expected_kernels(model).items()}


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("dist/base-fp32"),
              show_default=True, help="A bundle in FP32.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("dist/base-ptq"),
              show_default=True, help="Folder for the new bundle.")  # fmt: skip
@click.option("--with", "library", type=click.Choice(list(LIBRARIES)), default="optimum",
              show_default=True, help="What quantises.")  # fmt: skip
@click.option("--method", type=click.Choice(list(METHODS)), default="minmax", show_default=True,
              help="How the range of an activation is found.")  # fmt: skip
@click.option("--pictures", type=int, default=32, show_default=True,
              help="Pictures drawn for calibration.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True,
              help="Of their prompts and noise.")  # fmt: skip
@click.option("--float-outputs/--int8-outputs", default=True, show_default=True,
              help="Whether linear layers give float, as after training, or 8 bits.",
              )  # fmt: skip
def post_training(
    bundle: Path,
    out: Path,
    library: str,
    method: str,
    pictures: int,
    seed: int,
    float_outputs: bool,
) -> None:
    """Quantise an FP32 bundle without training, as a baseline for the trained INT8 bundle."""
    settings = Settings(
        library=library, method=method, pictures=pictures, seed=seed, float_outputs=float_outputs
    )
    parity = export_post_training(bundle, out, settings)
    kernels = load_bundle(out).manifest["integer_kernels"].values()
    runs = ", ".join(
        f"{sum(k[kind] for k in kernels)} of {sum(k[f'{kind}_layers'] for k in kernels)} {title}"
        for kind, title in (("conv", "convolutions"), ("linear", "linear layers"))
    )
    click.echo(
        f"against FP32: pixels {parity.psnr_db:.1f} dB, likeliest codes agree "
        f"{parity.agreement:.2%}, indices of the same seed {parity.seed_agreement:.1%}, attributes "
        f"differ by {parity.attribute_absdiff:.3f}; in integer kernels {runs}",
        err=True,
    )
    click.echo(str(out))


if __name__ == "__main__":
    run_command(post_training)
