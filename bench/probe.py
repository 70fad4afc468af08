"""`python -m bench.probe`: load an artefact once, draw once, print both times as JSON.

It runs as a process of its own, so that nothing is loaded yet. A fused file is given its inputs
as arrays, so that nothing but numpy and ONNX Runtime is in memory.
"""

import json
import sys
import time
from pathlib import Path


def probe_bundle(folder: Path, prompt: str, threads: int) -> tuple[float, float]:
    """Seconds of loading (hashes checked, graphs optimised) and of the first picture."""
    from t2a_edge.onnx_runtime import onnx_runtime
    from t2a_edge.pipeline import TextToArt

    onnx_runtime()  # it is not part of the loading
    started = time.perf_counter()
    engine = TextToArt(folder, threads=threads)
    loaded = time.perf_counter()
    engine.generate(prompt, seed=7)
    return loaded - started, time.perf_counter() - loaded


def probe_fused(path: Path, inputs: Path, threads: int) -> tuple[float, float]:
    """Seconds of loading and of the first call, with the arrays in an .npz file."""
    import numpy as np

    from t2a_edge.onnx_runtime import onnx_runtime
    from t2a_edge.runner import session_options

    onnxruntime = onnx_runtime()
    with np.load(inputs) as stored:
        arrays = dict(stored)
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(
        str(path), session_options(threads), providers=["CPUExecutionProvider"]
    )
    loaded = time.perf_counter()
    session.run(["pixels"], arrays)
    return loaded - started, time.perf_counter() - loaded


def main(arguments: list[str]) -> None:
    """FORM PATH PROMPT-OR-INPUTS THREADS."""
    form, path, given, threads = arguments
    if form == "bundle":
        load, first = probe_bundle(Path(path), given, int(threads))
    else:
        load, first = probe_fused(Path(path), Path(given), int(threads))
    sys.stdout.write(json.dumps({"load": load, "first_run": first}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
