"""`python -m export.trt_table INT8 FP16`: whether INT8 weights took, from two folders of engines.

An engine's size says little: it holds kernels for each target. What TensorRT says its weights take
on the GPU is half of float16's where they are INT8.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from t2a_edge.command import run_command
from t2a_edge.engine_header import ENGINE_SUFFIX, EngineHeader, read_header
from t2a_edge.errors import ExportError

MOST_SHARE = 0.6
"""Of float16's weight memory: INT8 takes half, and its scales a little."""


def read_headers(folder: Path) -> dict[str, EngineHeader]:
    """Headers of a folder's engines by their names.

    Raises:
        BundleError: a header is missing or cannot be read.
        ExportError: there are no engines.
    """
    found = [read_header(path) for path in sorted(folder.glob(f"*{ENGINE_SUFFIX}"))]
    if not found:
        raise ExportError(
            f"{folder} has no {ENGINE_SUFFIX} files; expected a folder that "
            "`python -m export.trt_build` wrote. Build it with `make export-rtx`."
        )
    return {header.engine: header for header in found}


def weight_table(int8: Mapping[str, EngineHeader], fp16: Mapping[str, EngineHeader]) -> str:
    """Markdown: weight memory and size of the engines that both have.

    Raises:
        ExportError: they have no engine in common, or the first ones are not INT8.
    """
    for headers, precision in ((int8, "int8"), (fp16, "fp16")):
        other = [h for h in headers.values() if h.precision != precision]
        if other:
            raise ExportError(
                f"The {other[0].engine} engine is in {other[0].precision}; expected {precision}. "
                "Name the folder of INT8 engines first, then that of FP16 ones."
            )
    names = [name for name in int8 if name in fp16]
    if not names:
        raise ExportError("The folders have no engine in common; build both from one model.")
    lines = [
        "| engine | weights, bytes, INT8 | FP16 | INT8 / FP16 | file, MB, INT8 | FP16 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        ours, theirs = int8[name], fp16[name]
        share = ours.weight_memory_bytes / theirs.weight_memory_bytes
        lines.append(
            f"| {name} | {ours.weight_memory_bytes:,} | {theirs.weight_memory_bytes:,} "
            f"| {share:.2f} | {ours.engine_bytes / 1e6:.2f} | {theirs.engine_bytes / 1e6:.2f} |"
        )
    return "\n".join(lines)


def check_shares(int8: Mapping[str, EngineHeader], fp16: Mapping[str, EngineHeader]) -> None:
    """Raise an ExportError if an INT8 engine's weights take more than `MOST_SHARE` of FP16's."""
    for name in int8.keys() & fp16.keys():
        ours, theirs = (h[name].weight_memory_bytes for h in (int8, fp16))
        if not ours <= MOST_SHARE * theirs:
            raise ExportError(
                f"The weights of the {name} engine take {ours:,} bytes in INT8 and {theirs:,} in "
                f"FP16; expected at most {MOST_SHARE:g} of it. TensorRT keeps them in float: check "
                "the graph's Q/DQ nodes (export/tensorrt_form.py)."
            )


@click.command()
@click.argument("int8", type=click.Path(path_type=Path))
@click.argument("fp16", type=click.Path(path_type=Path))
def trt_table(int8: Path, fp16: Path) -> None:
    """Compare the weight memory of INT8 and FP16 engines; fails if INT8 did not take."""
    first, second = read_headers(int8), read_headers(fp16)
    click.echo(weight_table(first, second))
    check_shares(first, second)


if __name__ == "__main__":
    run_command(trt_table)
