"""`python -m export`: from a checkpoint to bundles."""

import time
from pathlib import Path

import click

from t2a_edge.command import run_command

CHECKPOINT = Path("checkpoints/base.safetensors")
DIST = Path("dist")


@click.command()
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    default=CHECKPOINT,
    show_default=True,
    help="What `python -m train checkpoint` wrote.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=DIST,
    show_default=True,
    help="Folder for the bundles.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    default=("fp32", "int8"),
    show_default=True,
    help="Which bundles; repeatable.",
)
@click.option("--name", default="base", show_default=True,
              help="Bundles are called NAME-PRECISION.")  # fmt: skip
def export(checkpoint: Path, out: Path, precisions: tuple[str, ...], name: str) -> None:
    """Export a checkpoint as ONNX bundles, each compared with the model before it is written."""
    from export.pack import export_bundle
    from train.model import Model

    model = Model.load(checkpoint)
    for precision in precisions:
        started = time.monotonic()
        folder = out / f"{name}-{precision}"
        parity = export_bundle(model, checkpoint, folder, precision)
        seconds = time.monotonic() - started
        click.echo(
            f"{precision}: pixels {parity.psnr_db:.1f} dB, codes agree {parity.agreement:.2%}, "
            f"{seconds:.0f} s",
            err=True,
        )
        click.echo(str(folder))


if __name__ == "__main__":
    run_command(export)
