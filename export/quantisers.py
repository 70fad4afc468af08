"""The libraries that choose the steps of activations: optimum's `ORTQuantizer`, ONNX Runtime's own.

`place_pairs` has one of them put Q/DQ pairs into a graph: static, symmetric int8, weights per
channel.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from t2a_edge.checks import whole_number
from t2a_edge.errors import OptionError
from t2a_edge.onnx_runtime import onnx_runtime

QUIET_HUB = ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE")
LIBRARIES = {"optimum": "optimum-onnx", "onnxruntime": "onnxruntime"}  # name -> distribution
METHODS = {"minmax": "MinMax", "percentile": "Percentile"}
MOST_PICTURES = 10_000  # for calibration
PERCENTILE = 99.999  # of the activations' histogram

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
        whole_number("--pictures", self.pictures, 1, MOST_PICTURES)


def place_pairs(
    source: Path, calls: Sequence[Inputs], nodes: list[str], kinds: list[str], settings: Settings
) -> onnx.ModelProto:
    """Have the chosen library quantise nodes of a graph.

    Args:
        source: the graph's file; the library writes beside it.
        calls: what the graph was given, for the ranges of its activations.
        nodes: names of the nodes.
        kinds: their operators.

    Raises:
        OptionError: the library is not installed.
        Exception: whatever the library raises.
    """
    place = _with_optimum if settings.library == "optimum" else _with_onnxruntime
    return place(source, calls, nodes, kinds, settings.method)


def _with_optimum(
    source: Path, calls: Sequence[Inputs], nodes: list[str], kinds: list[str], method: str
) -> onnx.ModelProto:
    """`ORTQuantizer`. Its own reader of samples adds a batch axis, which not all inputs have."""
    quantization = onnx_runtime("quantization")
    for quiet in QUIET_HUB:  # everything is in local files
        os.environ.setdefault(quiet, "1")
    try:
        optimum = importlib.import_module("optimum.onnxruntime")
        settings = importlib.import_module("optimum.onnxruntime.configuration")
    except ImportError as exc:
        raise OptionError(
            f"optimum cannot be imported ({exc}); expected optimum-onnx 0.1 in an environment of "
            "its own. Make one with `pip install -e '.[post-training]'`, or choose --with "
            "onnxruntime."
        ) from exc
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
    quantization = onnx_runtime("quantization")
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
