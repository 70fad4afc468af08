"""`python -m export.triton`: a model repository for NVIDIA Triton Inference Server.

The fused graph is one ONNX model in it:

    OUT/NAME/config.pbtxt        inputs, outputs, batching, instances, threads, description
    OUT/NAME/1/model.onnx        the fused graph, as it is

The configuration is a message of the server's own schema, which `tritonclient` ships, written in
protobuf's text form and read back before anything takes its place.
"""

import importlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import onnx

from export.pack import METADATA, replaced
from t2a_edge.checks import whole_number
from t2a_edge.command import run_command
from t2a_edge.errors import ExportError, OptionError
from train.documents import parsed

MOST = 2**31 - 1  # of the configuration's whole numbers
CONFIG = "config.pbtxt"
MODEL = "1/model.onnx"  # version 1
SCHEMA = "tritonclient.grpc.model_config_pb2"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
DEVICES = {"cpu": "KIND_CPU", "gpu": "KIND_GPU", "auto": "KIND_AUTO"}
TAGS = ("precision", "bundle")  # of the description: labels of the server's metrics
TYPES = {
    "FLOAT": "TYPE_FP32",
    "FLOAT16": "TYPE_FP16",
    "DOUBLE": "TYPE_FP64",
    "BOOL": "TYPE_BOOL",
    "UINT8": "TYPE_UINT8",
    "INT8": "TYPE_INT8",
    "INT32": "TYPE_INT32",
    "INT64": "TYPE_INT64",
    "STRING": "TYPE_STRING",
}
"""ONNX element types and the server's names of them."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the server runs the model.

    Attributes:
        name: of the model, as clients ask for it; also its folder.
        max_batch_size: most pictures in one run, 1 or more.
        preferred_batch_sizes: runs of these sizes start without waiting for more requests; empty
            leaves it to the server.
        queue_delay_us: microseconds that a request may wait for others to join it.
        device: "cpu", "gpu", or "auto", which takes a GPU where there is one.
        instances: copies of the model that run at the same time, on each device.
        gpus: numbers of the GPUs to use; empty is all.
        threads: cores that one operation may use, 0 for all.
    """

    name: str
    max_batch_size: int = 8
    preferred_batch_sizes: tuple[int, ...] = (4, 8)
    queue_delay_us: int = 2000
    device: str = "cpu"
    instances: int = 1
    gpus: tuple[int, ...] = ()
    threads: int = 1

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise OptionError(
                f"The model's name is {self.name!r}; expected letters, digits, '_', '-' and '.', "
                "the first a letter or digit. Give another --name."
            )
        for what, value, least in (
            ("max-batch-size", self.max_batch_size, 1),
            ("queue-delay-us", self.queue_delay_us, 0),
            ("instances", self.instances, 1),
            ("threads", self.threads, 0),
        ):
            whole_number(f"--{what}", value, least, MOST)
        beyond = [s for s in self.preferred_batch_sizes if not 1 <= s <= self.max_batch_size]
        if beyond:
            raise OptionError(
                f"--preferred is {beyond[0]}; expected 1 to --max-batch-size, which is "
                f"{self.max_batch_size}. Change one of the two."
            )
        if self.device not in DEVICES:
            raise OptionError(
                f"--device is {self.device!r}; expected one of {', '.join(DEVICES)}. Name one."
            )
        if self.gpus and self.device != "gpu":
            raise OptionError(
                f"--gpu is {self.gpus[0]} with --device {self.device}; expected --device gpu. "
                "Change one of the two."
            )


@dataclass(frozen=True)
class Tensor:
    """An input or an output of the graph.

    Attributes:
        name: as clients know it.
        data_type: the server's name of its element type.
        shape: of one picture, the batch axis left out; -1 is any size. Empty for one number.
    """

    name: str
    data_type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class FusedModel:
    """What a fused graph's file says about itself.

    Attributes:
        inputs, outputs: in the file's order.
        description: what the export wrote: spec, precision, licence, bundle, commit.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    description: Mapping[str, Any]


def read_fused(path: Path) -> FusedModel:
    """Read inputs, outputs and description of a fused graph.

    Raises:
        OptionError: the file is missing, is no ONNX model or not one that `make export` fused, or
            has an input or output whose first axis is not the batch.
    """
    try:
        model = onnx.load(path)
    except Exception as exc:  # OSError, or one of protobuf's own
        raise OptionError(
            f"{path} cannot be read as an ONNX model ({type(exc).__name__}); expected a fused "
            "graph, such as dist/base-int8.onnx. Make one with `make export`."
        ) from exc
    entries = {entry.key: entry.value for entry in model.metadata_props}
    try:
        description = dict(parsed(json.loads, entries[METADATA]))
    except (KeyError, TypeError, ValueError) as exc:
        raise OptionError(
            f"{path} does not describe itself: it has no JSON under {METADATA!r} in its metadata; "
            "expected a fused graph, such as dist/base-int8.onnx. Make one with `make export`."
        ) from exc
    graph = model.graph
    constants = {constant.name for constant in graph.initializer}
    inputs = tuple(_tensor(v, path) for v in graph.input if v.name not in constants)
    return FusedModel(inputs, tuple(_tensor(v, path) for v in graph.output), description)


def _tensor(value: onnx.ValueInfoProto, path: Path) -> Tensor:
    kind = value.type.tensor_type
    axes = [axis.dim_value or -1 for axis in kind.shape.dim]  # a free axis has a name or nothing
    element = onnx.TensorProto.DataType.Name(kind.elem_type)
    if not axes or axes[0] != -1 or element not in TYPES:
        raise OptionError(
            f"{path} has {value.name} of type {element} and shape {axes}; expected a first axis "
            f"of any size, the batch, and one of the types {', '.join(TYPES)}. "
            "Make the file with `make export`."
        )
    return Tensor(value.name, TYPES[element], tuple(axes[1:]))


def _schema() -> Any:
    """The server's schema as `tritonclient` ships it; here, as only this module needs it."""
    try:
        return importlib.import_module(SCHEMA)
    except ImportError as exc:
        raise OptionError(
            f"The schema of Triton's configuration cannot be imported ({exc}); expected the "
            "package tritonclient with its gRPC part. Install it with `pip install -e '.[triton]'`."
        ) from exc


def model_config(model: FusedModel, options: ServerOptions) -> Any:
    """The server's configuration of a fused graph.

    Returns:
        A `ModelConfig` message of `tritonclient.grpc.model_config_pb2`.

    Raises:
        OptionError: tritonclient is not installed.
    """
    schema = _schema()
    config = schema.ModelConfig(
        name=options.name,
        backend="onnxruntime",
        default_model_filename=Path(MODEL).name,
        max_batch_size=options.max_batch_size,
        input=[schema.ModelInput(**_shaped(schema, tensor)) for tensor in model.inputs],
        output=[schema.ModelOutput(**_shaped(schema, tensor)) for tensor in model.outputs],
    )
    config.instance_group.add(
        kind=schema.ModelInstanceGroup.Kind.Value(DEVICES[options.device]),
        count=options.instances,
        gpus=options.gpus,
    )
    config.dynamic_batching.preferred_batch_size.extend(sorted(set(options.preferred_batch_sizes)))
    config.dynamic_batching.max_queue_delay_microseconds = options.queue_delay_us
    parameters = {"intra_op_thread_count": options.threads, "inter_op_thread_count": 1}
    for key, value in parameters.items():
        config.parameters[key].string_value = str(value)
    for key, value in sorted(model.description.items()):
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        config.parameters[f"{METADATA}.{key}"].string_value = text
        if key in TAGS:
            config.metric_tags[key] = text
    return config


def _shaped(schema: Any, tensor: Tensor) -> dict[str, Any]:
    """Name, type and axes of a tensor as fields of a message.

    The server knows no empty shape: one number a picture is told as one of shape [1] for clients,
    which reaches the graph as shape [].
    """
    fields = {
        "name": tensor.name,
        "data_type": schema.DataType.Value(tensor.data_type),
        "dims": tensor.shape or (1,),
    }
    return fields if tensor.shape else fields | {"reshape": schema.ModelTensorReshape(shape=[])}


def text_from_config(config: Any) -> str:
    """A configuration in protobuf's text form, read back and compared.

    Raises:
        ExportError: what was read back is not what was written.
    """
    text_format = importlib.import_module("google.protobuf.text_format")
    text: str = text_format.MessageToString(config, as_utf8=True)
    if config_from_text(text) != config:
        raise ExportError(
            "The text of Triton's configuration does not read back as the same configuration; "
            "nothing was written. Install another version of tritonclient or protobuf."
        )
    return text


def config_from_text(text: str) -> Any:
    """Read a `config.pbtxt` with the server's schema.

    Raises:
        OptionError: the text is not of the schema, or tritonclient is not installed.
    """
    schema = _schema()
    text_format = importlib.import_module("google.protobuf.text_format")
    try:
        return text_format.Parse(text, schema.ModelConfig())
    except text_format.ParseError as exc:
        raise OptionError(
            f"The configuration is not of Triton's schema ({exc}); expected what "
            "`python -m export.triton` writes. Write it again."
        ) from exc


def export_triton(fused: Path, repository: Path, options: ServerOptions) -> Path:
    """Put a fused graph into a model repository, whole or not at all.

    Args:
        fused: the ONNX file of the fused graph.
        repository: a folder of models; the other ones in it stay as they are.

    Returns:
        The model's folder in it, OUT/NAME.

    Raises:
        OptionError: the file or an option cannot be used, tritonclient is not installed, or
            something else than a model has the folder's name. Nothing is written then.
    """
    text = text_from_config(model_config(read_fused(fused), options))
    folder = repository / options.name
    if folder.exists() and not (folder / CONFIG).is_file():
        raise OptionError(
            f"{folder} is there and has no {CONFIG}; expected a model of this repository to "
            "replace, or nothing. Give another --name or --out."
        )
    with replaced(folder) as temporary:
        model = temporary / MODEL
        model.parent.mkdir()
        shutil.copyfile(fused, model)
        (temporary / CONFIG).write_text(text, encoding="utf-8")
    return folder


@click.command()
@click.option("--fused", type=click.Path(path_type=Path), default=Path("dist/base-int8.onnx"),
              show_default=True, help="A fused graph, as `make export` writes it.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("dist/triton"),
              show_default=True, help="The model repository.")  # fmt: skip
@click.option("--name", help="Of the model; the file's by default.")
@click.option("--max-batch-size", type=int, default=8, show_default=True,
              help="Most pictures in one run.")  # fmt: skip
@click.option("--preferred", "preferred", multiple=True, type=int,
              help="Preferred size of a batch; repeatable. Half of the most and the most by "
              "default.")  # fmt: skip
@click.option("--queue-delay-us", type=int, default=2000, show_default=True,
              help="Microseconds that a request may wait for others.")  # fmt: skip
@click.option("--device", type=click.Choice(list(DEVICES)), default="cpu", show_default=True)
@click.option("--instances", type=int, default=1, show_default=True,
              help="Copies of the model on each device.")  # fmt: skip
@click.option("--gpu", "gpus", multiple=True, type=int,
              help="Number of a GPU to use; repeatable. All by default.")  # fmt: skip
@click.option("--threads", type=int, default=1, show_default=True,
              help="Cores that one operation may use; 0 is all.")  # fmt: skip
def triton(
    fused: Path,
    out: Path,
    name: str | None,
    max_batch_size: int,
    preferred: Sequence[int],
    queue_delay_us: int,
    device: str,
    instances: int,
    gpus: Sequence[int],
    threads: int,
) -> None:
    """Put a fused graph into a model repository for Triton Inference Server."""
    halves = (max(1, max_batch_size // 2), max(1, max_batch_size))
    options = ServerOptions(
        name=fused.stem if name is None else name,
        max_batch_size=max_batch_size,
        preferred_batch_sizes=tuple(preferred) or halves,
        queue_delay_us=queue_delay_us,
        device=device,
        instances=instances,
        gpus=tuple(gpus),
        threads=threads,
    )
    click.echo(str(export_triton(fused, out, options)))


if __name__ == "__main__":
    run_command(triton)
