"""`python -m export.post_training`: INT8 without training, what the trained INT8 is compared with.

A bundle in FP32 is drawn with, every engine's inputs are kept (`export.calibration`), and
optimum's `ORTQuantizer` (or ONNX Runtime's own `quantize_static`, which it stands on) chooses the
steps of the activations from them (`export.quantisers`, `export.quantised_graph`).
"""

import importlib.metadata
from pathlib import Path

import click
import onnx

from export.calibration import calibration_inputs
from export.pack import replaced, source_commit
from export.parity import Parity, compare_runners
from export.quantised_graph import integer_kernels, quantised_graph
from export.quantisers import LIBRARIES, METHODS, Settings
from t2a_edge.bundle import ENGINES, engine_file, load_bundle, write_manifest
from t2a_edge.command import run_command
from t2a_edge.errors import OptionError
from t2a_edge.runner import OnnxRunner

PRECISION = "ptq-int8"
NOT_KEPT = ("format", "files", "scores", "parity")  # of the manifest: they are of other engines
WHOLE = ("composer", "encoder")  # of whole numbers: nothing is quantised
LINK = "quantisation"  # of `export.parity`: a float model against its quantised form


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
    kernels = {}
    with replaced(folder) as temporary:
        for name in ENGINES:
            model = onnx.load(source / engine_file(name))
            if name not in WHOLE:
                model = quantised_graph(name, model, calls[name], settings)
                kernels[name] = integer_kernels(model)
            onnx.save(model, temporary / engine_file(name))
        with OnnxRunner(source) as reference, OnnxRunner(temporary) as candidate:
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
        write_manifest(temporary, manifest, [engine_file(name) for name in ENGINES])
    return parity


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
        f"against FP32: pixels {parity.psnr_db:.1f} dB, forms of the same words agree "
        f"{parity.choices:.2%}, indices of the same seed {parity.seed_agreement:.1%}, attributes "
        f"differ by {parity.attribute_absdiff:.3f}; in integer kernels {runs}",
        err=True,
    )
    click.echo(str(out))


if __name__ == "__main__":
    run_command(post_training)
