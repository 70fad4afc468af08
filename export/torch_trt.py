"""`python -m export.torch_trt`: engines as torch programs, compiled with Torch-TensorRT.

    OUT/painter.ep           `torch.export.load(path).module()`, with torch_tensorrt imported
    OUT/painter.ep.json      versions, shapes, GPU, sha256 of checkpoint and program

For programs that run in torch anyway; all others take `export.trt_build`. It needs a GPU and the
package torch-tensorrt. INT8 is not among its precisions: our fake-quantisers have no converter
there, so INT8 engines come from ONNX Q/DQ.
"""

import dataclasses
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from export.gpu import require_driver, require_package
from export.networks import PIXEL_SCALE
from export.pack import replaced
from export.tracing import GraphSource, quiet
from export.trt_build import Range, axis_ranges
from export.trt_options import MOST_LEVEL, MOST_PICTURES
from t2a_edge.command import run_command
from t2a_edge.engine_header import ShapeRange
from t2a_edge.errors import ExportError, OptionError
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.gpu import compute_capability
from t2a_edge.layout import CHUNK
from train.checkpoint import file_sha256
from train.models.codec import Decoder
from train.models.qat import disable
from train.models.whole import WholeModel

INSTALL = "pip install torch-tensorrt"
PRECISIONS = ("fp16", "fp32")
ENGINES = ("painter", "pixels")  # networks: the rest is whole numbers, or small
PROGRAM_SUFFIX = ".ep"
"""Of a program that torch.export wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TorchTrtOptions:
    """How programs are compiled.

    Attributes:
        names: of `ENGINES`; empty is all.
        precision: "fp16" or "fp32"; inputs and outputs are float32 either way.
        max_pictures: most pictures in one run.
        level: how long to search for fast kernels, 0 to 5; -1 leaves it to TensorRT.
        full: fail rather than leave a part of an engine to torch.
    """

    names: tuple[str, ...] = ()
    precision: str = "fp16"
    max_pictures: int = CHUNK
    level: int = -1
    full: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(
                f"--precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}. For "
                "INT8 use export.trt_build with an INT8 bundle."
            )
        unknown = [name for name in self.names if name not in ENGINES]
        if unknown:
            raise OptionError(
                f"--engine is {unknown[0]!r}; expected one of {', '.join(ENGINES)}. Name one."
            )
        for what, value, least, most in (
            ("max-pictures", self.max_pictures, 1, MOST_PICTURES),
            ("level", self.level, -1, MOST_LEVEL),
        ):
            if not least <= value <= most:
                raise OptionError(
                    f"--{what} is {value}; expected {least} to {most}. Name such a number."
                )


class PixelsGraph(nn.Module):
    """canvas (B, C, h, w) -> (B, H, W, 3) uint8 sRGB."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, canvas: Tensor) -> Tensor:
        """Decode to grey levels."""
        images = self.decoder(canvas)  # (B, 3, H, W)
        pixels = ((images + 1) * PIXEL_SCALE).round().clamp(0, 255).to(torch.uint8)
        grey: Tensor = pixels.permute(0, 2, 3, 1)
        return grey


def network_sources(model: WholeModel) -> dict[str, GraphSource]:
    """The networks of `ENGINES` with example inputs; the pixels' is of a canvas, not of indices."""
    preset, dim = model.preset, torch.export.Dim
    batch, words = dim("batch", max=4096), dim("words", max=4096)
    generator = torch.Generator().manual_seed(1)
    positions, size = model.painter.side**2, preset.codec.scales[-1]
    inputs = {
        "latents": torch.randn(2, positions, preset.latent.depth, generator=generator),
        "level": torch.tensor([1.0, 0.3]),
        "form": torch.randn(2, FORM_SIDE, FORM_SIDE, generator=generator),
        "form_level": torch.tensor([0.0, 1.0]),
        "guidance": torch.tensor([2.5, 1.0]),
        "text_embedding": torch.randn(2, 3, model.painter.text_in.in_features, generator=generator),
        "word_weights": torch.tensor([[1.0, 0.5, -1.0], [1.0, 0.0, 0.0]]),
    }
    dynamic: dict[str, dict[int, Any]] = {name: {0: batch} for name in inputs}
    for name in ("text_embedding", "word_weights"):
        dynamic[name][1] = words
    canvas = torch.randn(2, preset.codec.code_dim, size, size, generator=generator)
    pixels = PixelsGraph(model.codec.decoder)
    return {
        "painter": GraphSource(model.painter, inputs, ["clean"], dynamic),
        "pixels": GraphSource(pixels, {"canvas": canvas}, ["pixels"], {"canvas": {0: batch}}),
    }


def narrowed(source: GraphSource, ranges: Mapping[str, Range]) -> GraphSource:
    """The same engine with free axes that are as long as TensorRT is told."""
    dims: dict[str, Any] = {}
    for axes in source.dynamic.values():
        for dim in axes.values():
            least, _, most = ranges[dim.__name__]
            dims.setdefault(dim.__name__, torch.export.Dim(dim.__name__, min=least, max=most))
    dynamic = {
        name: {
            axis: dims[dim.__name__]
            for axis, dim in axes.items()
            if ranges[dim.__name__][0] < ranges[dim.__name__][2]  # else it is fixed
        }
        for name, axes in source.dynamic.items()
    }
    return dataclasses.replace(source, dynamic=dynamic)


def shape_ranges(source: GraphSource, ranges: Mapping[str, Range]) -> dict[str, ShapeRange]:
    """Least, usual and most shape of every input."""
    found = {}
    for name, tensor in source.inputs.items():
        axes: list[Range] = [(size, size, size) for size in tensor.shape]
        for axis, dim in source.dynamic.get(name, {}).items():
            axes[axis] = ranges[dim.__name__]
        least, usual, most = (tuple(axis[end] for axis in axes) for end in range(3))
        found[name] = ShapeRange(least, usual, most)
    return found


def exported_program(name: str, source: GraphSource) -> torch.export.ExportedProgram:
    """Trace an engine with its free axes, on the device that its weights and inputs are on.

    Raises:
        ExportError: torch cannot export the module.
    """
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                source.module.eval(),
                tuple(source.inputs.values()),
                dynamic_shapes=source.dynamic,
                strict=False,
            )
    except Exception as exc:  # torch.export raises many classes, its own and torch's
        reason = " ".join(str(exc).split())[:300]
        raise ExportError(
            f"The {name} engine cannot be exported with torch.export ({reason}); check the "
            "installed torch against pyproject.toml."
        ) from exc


def compile_settings(library: Any, options: TorchTrtOptions) -> dict[str, Any]:
    """Arguments of `torch_tensorrt.dynamo.compile`, in the words of the installed version.

    TensorRT 11 is strongly typed: float16 comes of Torch-TensorRT's autocast. Versions without it
    let TensorRT choose.
    """
    known = {field.name for field in dataclasses.fields(library.dynamo.CompilationSettings)}
    settings: dict[str, Any] = {"truncate_double": True, "require_full_compilation": options.full}
    if options.level >= 0:
        settings["optimization_level"] = options.level
    if "enable_autocast" in known:
        settings["use_explicit_typing"] = True
        if options.precision == "fp16":
            settings["enable_autocast"] = True
            settings["autocast_low_precision_type"] = torch.float16
    elif options.precision == "fp16":
        settings["enabled_precisions"] = {torch.float32, torch.float16}
    return settings


def compile_engine(
    library: Any,
    name: str,
    source: GraphSource,
    shapes: Mapping[str, ShapeRange],
    target: Path,
    options: TorchTrtOptions,
) -> None:
    """Compile one engine and save it.

    Args:
        library: torch_tensorrt.
        source: with weights and inputs on the GPU.
        target: file of the program.

    Raises:
        ExportError: torch or Torch-TensorRT cannot export, compile or save it.
    """
    program = exported_program(name, source)
    inputs = [
        library.Input(
            min_shape=shapes[key].least, opt_shape=shapes[key].usual, max_shape=shapes[key].most,
            dtype=tensor.dtype, name=key,
        )
        for key, tensor in source.inputs.items()
    ]  # fmt: skip
    given: dict[str, Any] = {"retrace": False}
    if "dynamic_shapes" in inspect.signature(library.save).parameters:  # keeps the free axes
        given = {"retrace": True, "dynamic_shapes": source.dynamic}
    try:
        settings = compile_settings(library, options)
        compiled = library.dynamo.compile(program, arg_inputs=inputs, **settings)
        library.save(
            compiled,
            str(target),
            output_format="exported_program",
            arg_inputs=list(source.inputs.values()),
            **given,
        )
    except Exception as exc:  # Torch-TensorRT raises many classes, TensorRT's and torch's too
        reason = " ".join(str(exc).split())[:300]
        raise ExportError(
            f"The {name} engine cannot be compiled with Torch-TensorRT "
            f"{library.__version__} ({reason}); nothing was written. Build it from ONNX instead: "
            "python -m export.trt_build --backend tensorrt."
        ) from exc


def compile_model(checkpoint: Path, out: Path, options: TorchTrtOptions) -> list[Path]:
    """Compile engines of a checkpoint into a folder, all of them or none.

    Returns:
        The programs' files.

    Raises:
        NotAvailableError: a GPU or the package is missing.
        CheckpointError: the checkpoint cannot be read.
        OptionError: an engine's name or the folder cannot be used.
        ExportError: an engine cannot be exported or compiled.
    """
    if out.exists() and any(not p.name.endswith((".ep", ".ep.json")) for p in out.iterdir()):
        raise OptionError(
            f"{out} is there and holds something else than compiled programs; expected a folder of "
            "these to replace, or nothing. Give another --out."
        )
    require_driver("Torch-TensorRT")
    library = require_package("torch_tensorrt", INSTALL)
    model = WholeModel.load(checkpoint)
    for module in model.modules.values():
        disable(module)  # float weights: no rounding to INT8 steps
    sources = network_sources(model)
    sha256 = file_sha256(checkpoint)
    with replaced(out) as folder:
        ranges = axis_ranges(model.spec, len(model.vocabulary), options.max_pictures)
        for name in options.names or ENGINES:
            source = _on_gpu(narrowed(sources[name], ranges))
            shapes, target = shape_ranges(source, ranges), folder / f"{name}{PROGRAM_SUFFIX}"
            compile_engine(library, name, source, shapes, target, options)
            about = _about(library, target, shapes, options) | {"checkpoint_sha256": sha256}
            text = json.dumps(about, indent=1, sort_keys=True) + "\n"
            target.with_name(target.name + ".json").write_text(text, encoding="utf-8")
    return [out / f"{name}{PROGRAM_SUFFIX}" for name in options.names or ENGINES]


def _on_gpu(source: GraphSource) -> GraphSource:
    inputs = {name: tensor.cuda() for name, tensor in source.inputs.items()}
    return dataclasses.replace(source, module=source.module.cuda(), inputs=inputs)


def _about(
    library: Any, target: Path, shapes: Mapping[str, ShapeRange], options: TorchTrtOptions
) -> dict[str, Any]:
    """What is known of a program."""
    return {
        "precision": options.precision,
        "profile": {name: dataclasses.asdict(shape) for name, shape in shapes.items()},
        "target": compute_capability(),
        "torch": torch.__version__,
        "torch_tensorrt": library.__version__,
        "sha256": file_sha256(target),
    }


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path),
              default=Path("checkpoints/base.safetensors"), show_default=True,
              help="What `python -m train checkpoint` wrote.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("dist/base-torch-tensorrt"),
              show_default=True, help="Folder of the programs.")  # fmt: skip
@click.option("--engine", "names", multiple=True, help="Only this engine; repeatable.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True)
@click.option("--max-pictures", type=int, default=CHUNK, show_default=True,
              help="Most pictures in one run; the runtime asks for up to that many.")  # fmt: skip
@click.option("--level", type=int, default=-1,
              help="How long to search for fast kernels, 0 to 5.")  # fmt: skip
@click.option("--full", is_flag=True, help="Fail rather than leave a part to torch.")
def torch_trt(checkpoint: Path, out: Path, **values: Any) -> None:
    """Compile engines with Torch-TensorRT. Exits with 3 where the package or a GPU is missing."""
    for path in compile_model(checkpoint, out, TorchTrtOptions(**values)):
        click.echo(str(path))


if __name__ == "__main__":
    run_command(torch_trt)
