"""What runs a bundle's engines here, by the name of a provider."""

from t2a_edge.bundle import Bundle
from t2a_edge.checks import shown
from t2a_edge.errors import BundleError, OptionError
from t2a_edge.interface import check_interface
from t2a_edge.runner import PROVIDERS, OnnxRunner, Runner, available_providers

TENSORRT_FOLDER = "tensorrt"  # of a bundle's folder, where engines for TensorRT are looked for


def make_runner(bundle: Bundle, provider: str, threads: int) -> tuple[Runner, str]:
    """What runs a bundle's engines, and the name of the provider that was chosen.

    Args:
        provider: "cpu", "cuda", "tensorrt", or "auto": cuda where the installed onnxruntime has
            it, else cpu.

    Raises:
        OptionError: the provider is unknown, or is not to be had here.
        BundleError: an engine is missing, damaged, or not of the bundle's spec.
    """
    if not isinstance(provider, str) or provider not in ("auto", "tensorrt", *PROVIDERS):
        raise OptionError(
            f"The provider is {shown(provider)}; expected auto, {', '.join(PROVIDERS)} or tensorrt."
        )
    if provider == "tensorrt":
        from t2a_edge.tensorrt_runner import TensorRtRunner

        chosen: str = provider
        runner: OnnxRunner | TensorRtRunner
        runner = TensorRtRunner(bundle.folder / TENSORRT_FOLDER, bundle)
    else:
        best = "cuda" if "cuda" in available_providers() else "cpu"
        chosen = best if provider == "auto" else provider
        runner = OnnxRunner(bundle.folder, threads=threads, provider=chosen)
    try:
        check_interface(bundle.spec, runner.tensors)
    except BundleError:
        runner.close()
        raise
    return runner, chosen
