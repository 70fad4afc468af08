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
    type=click.Choice(["fp32", "fp16", "int8"]),
    default=("fp32", "fp16", "int8"),
    show_default=True,
    help="Which bundles; repeatable.",
)
@click.option("--name", default="base", show_default=True,
              help="Bundles are called NAME-PRECISION.")  # fmt: skip
def export(checkpoint: Path, out: Path, precisions: tuple[str, ...], name: str) -> None:
    """Export a checkpoint as ONNX bundles, and each as one fused graph; all compared first."""
    from export.pack import export_bundle, export_fused
    from train.models.whole import WholeModel

    model = WholeModel.load(checkpoint)
    for precision in precisions:
        started = time.monotonic()
        folder = out / f"{name}-{precision}"
        links = export_bundle(model, checkpoint, folder, precision)
        seconds = time.monotonic() - started
        click.echo(
            f"{precision}: pixels {links[-1].psnr_db:.1f} dB, indices of the same latents agree "
            f"{links[-1].agreement:.2%}, {seconds:.0f} s",
            err=True,
        )
        click.echo(str(folder))
        fused = out / f"{name}-{precision}.onnx"
        same = export_fused(folder, fused)
        click.echo(
            f"{precision}, fused: {fused.stat().st_size / 1e6:.2f} MB, indices of the same seed "
            f"agree {same.agreement:.2%}",
            err=True,
        )
        click.echo(str(fused))


if __name__ == "__main__":
    run_command(export)
