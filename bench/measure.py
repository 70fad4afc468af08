"""Pictures drawn by many configurations in turn, with the seconds, the energy and the memory.

A figure ends where pixels lie in this process's memory: prompts are parsed, host copies are
included, PNG encoding is not.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bench.artefacts import Artefact
from bench.energy import EnergyMeter
from bench.machine import gpu_memory_mb
from bench.reference import Reference
from bench.statistics import time_figures
from t2a_edge.bundle import ENGINES
from t2a_edge.errors import BundleError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.pipeline import TextToArt
from t2a_edge.prompt import parse_prompt
from t2a_edge.request import SamplingOptions
from t2a_edge.runner import (
    Float32Array,
    FormInputs,
    Int64Array,
    OnnxRunner,
    PainterInputs,
    Runner,
    UInt8Array,
    session_options,
)

PROMPT = "warm dark fluid"
WARM_UP = 5
GPU_ONLY_RUNS = 60
STAGES = ENGINES
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class TimingRunner(Runner):
    """Passes every call on and adds up the seconds that each engine took."""

    def __init__(self, inner: Runner) -> None:
        self.inner = inner
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def _timed(self, stage: str, call: Callable[..., Any], *inputs: Any) -> Any:
        started = time.perf_counter()
        result = call(*inputs)
        self.seconds[stage] += time.perf_counter() - started
        return result

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._timed("text", self.inner.text, text_bytes)
        return embedding

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        found: tuple[Float32Array, Int64Array] = self._timed("forms", self.inner.forms, inputs)
        return found

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        clean: Float32Array = self._timed("painter", self.inner.painter, inputs)
        return clean

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        indices: Int64Array = self._timed("composer", self.inner.composer, latents)
        return indices

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        latents: Float32Array = self._timed("encoder", self.inner.encoder, indices)
        return latents

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = self._timed("decoder", self.inner.decoder, indices)
        return pixels

    def close(self) -> None:
        """Free the runner inside."""
        self.inner.close()


class Drawer(Protocol):
    """Draws pictures and says how long the parts took."""

    def draw(self, seed: int) -> dict[str, float]:
        """Draw with this seed; seconds of each stage, and of the whole as `pipeline`."""

    def close(self) -> None:
        """Free the engines."""


class BundleDrawer:
    """The engines with the sampler between them.

    Args:
        runner: another way to run the engines than ONNX Runtime.
    """

    def __init__(
        self, artefact: Artefact, provider: str, threads: int, runner: Runner | None = None
    ) -> None:
        self.timing = TimingRunner(
            runner or OnnxRunner(artefact.path, threads=threads, provider=provider)
        )
        self.engine = TextToArt(artefact.path, runner=self.timing)

    def draw(self, seed: int) -> dict[str, float]:
        """See `Drawer.draw`; `sampling` is what is left beside the engines."""
        self.timing.seconds = dict.fromkeys(STAGES, 0.0)
        started = time.perf_counter()
        self.engine.generate(PROMPT, seed=seed)
        whole = time.perf_counter() - started
        parts = dict(self.timing.seconds)
        return {**parts, "sampling": whole - sum(parts.values()), "pipeline": whole}

    def close(self) -> None:
        """See `Drawer.close`."""
        self.timing.close()


def fused_session(artefact: Artefact, provider: str, threads: int) -> Any:
    """An ONNX Runtime session of a fused file.

    Raises:
        BundleError: the file cannot be loaded.
    """
    onnxruntime = onnx_runtime()
    wanted = PROVIDERS[provider]
    chain = list(dict.fromkeys([wanted, "CPUExecutionProvider"]))
    if provider == "tensorrt" and PROVIDERS["cuda"] in onnxruntime.get_available_providers():
        chain.insert(1, PROVIDERS["cuda"])
    try:
        return onnxruntime.InferenceSession(
            str(artefact.path), session_options(threads), providers=chain
        )
    except Exception as exc:  # ONNX Runtime raises its own classes, all below Exception
        raise BundleError(
            f"{artefact.path} cannot be loaded ({' '.join(str(exc).split())[:160]}); "
            "export it again."
        ) from exc


class FusedDrawer:
    """One graph for the whole way, for several pictures a call."""

    def __init__(self, artefact: Artefact, provider: str, threads: int, batch: int) -> None:
        self.artefact, self.provider, self.batch = artefact, provider, batch
        self.session = fused_session(artefact, provider, threads)

    def inputs(self, seed: int) -> dict[str, Any]:
        """The prompt, parsed, for every picture of the batch; a seed of its own for each."""
        from export.fused import fused_inputs

        spec = self.artefact.spec
        prompt = parse_prompt(PROMPT, max_words=spec.max_words, max_bytes=spec.max_bytes)
        options = SamplingOptions(
            guidance_scale=spec.guidance_scale, steps=spec.steps,
            form_strength=spec.form_strength, temperature=spec.temperature,
        )  # fmt: skip
        seeds = [seed * self.batch + number for number in range(self.batch)]
        return fused_inputs([prompt] * self.batch, seeds, options, spec)

    def draw(self, seed: int) -> dict[str, float]:
        """See `Drawer.draw`; a fused graph has no stages."""
        started = time.perf_counter()
        self.session.run(["pixels"], self.inputs(seed))
        return {"pipeline": time.perf_counter() - started}

    def device_seconds(self, runs: int, device: str = "cuda") -> list[float]:
        """Seconds of runs whose inputs and outputs stay on the device: no host copies."""
        onnxruntime = onnx_runtime()
        binding = self.session.io_binding()
        for name, array in self.inputs(1).items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)
            binding.bind_ortvalue_input(name, value)
        binding.bind_output("pixels", device)
        seconds = []
        for number in range(WARM_UP + runs):
            started = time.perf_counter()
            self.session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - started)
        return seconds

    def close(self) -> None:
        """See `Drawer.close`."""
        del self.session


def open_drawer(artefact: Artefact, provider: str, threads: int, batch: int) -> Drawer:
    """What draws with an artefact.

    Raises:
        BundleError: an engine is missing or cannot be loaded.
        OptionError: the provider is not to be had.
    """
    if artefact.form == "fused":
        return FusedDrawer(artefact, provider, threads, batch)
    return BundleDrawer(artefact, provider, threads)


@dataclass
class Cell:
    """One artefact in one configuration, with all samples so far.

    Attributes:
        every: it draws in every so many rounds.
        seconds: by stage, in the order they were measured.
        rounds: of each draw.
        joules: of each draw, where there is a meter.
        gpu_mb: megabytes more on the GPU once it was warm; None where there is no GPU.
        device_seconds: of runs without host copies.
    """

    artefact: Artefact
    provider: str
    threads: int
    batch: int
    every: int = 1
    seconds: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[int] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)
    gpu_mb: float | None = None
    device_seconds: list[float] = field(default_factory=list)

    def note(self, number: int, parts: dict[str, float]) -> None:
        """Keep the seconds of one draw and its round."""
        self.rounds.append(number)
        for stage, seconds in parts.items():
            self.seconds.setdefault(stage, []).append(seconds)

    def figures(self, reference: Sequence[float], no_energy: str) -> dict[str, Any]:
        """All figures of the cell.

        Args:
            reference: seconds of the reference workload, round by round.
            no_energy: why there is no meter; "" if there is one.
        """
        beside = [reference[number] for number in self.rounds]
        parts = {f"{stage}_ms": time_figures(s, beside) for stage, s in self.seconds.items()}
        whole = self.seconds["pipeline"]
        per_picture: dict[str, Any] = {"not_measured": no_energy or "no runs with the meter"}
        if self.joules:
            joules = sum(self.joules) / len(self.joules) / self.batch
            per_picture = {"joules_per_picture": round(joules, 3), "samples": len(self.joules)}
        return {
            **parts,
            "images_per_second": round(self.batch * len(whole) / sum(whole), 3),
            "energy": per_picture,
            "gpu_memory_mb": self._gpu_memory(),
            "gpu_only_ms": self._gpu_only(),
        }

    def _gpu_memory(self) -> Any:
        if self.provider == "cpu":
            return {"not_measured": "runs on the processor"}
        if self.gpu_mb is None:
            return {"not_measured": "nvidia-smi does not report it"}
        return round(self.gpu_mb, 1)

    def _gpu_only(self) -> dict[str, Any]:
        if self.provider == "cpu":
            return {"not_measured": "runs on the processor"}
        if not self.device_seconds:
            return {"not_measured": "a bundle copies between its engines"}
        return time_figures(self.device_seconds)


@dataclass
class Group:
    """Cells that draw in turn, so that they share whatever disturbs the machine.

    Attributes:
        reference: of its own, run once a round.
        rounds: how many were measured.
        meter: of energy, or the reason why there is none.
    """

    cells: list[Cell]
    meter: EnergyMeter | str = "no meter was looked for"
    open_drawer: Callable[[Artefact, str, int, int], Drawer] = open_drawer
    reference: Reference = field(default_factory=Reference)
    rounds: int = 0

    def run(self, rounds: int, only: Callable[[Cell], bool] | None = None) -> None:
        """Open the cells, warm them up, draw for so many rounds, and close them again."""
        cells = [cell for cell in self.cells if only is None or only(cell)]
        with ExitStack() as stack:
            pairs = [(cell, stack.enter_context(closing(self._warm(cell)))) for cell in cells]
            if self.rounds == 0:
                for _ in range(WARM_UP):
                    self.reference.run()
                self.reference.forget()
            for number in range(self.rounds, self.rounds + rounds):
                self.reference.run()
                first = number % max(len(pairs), 1)
                for cell, drawer in pairs[first:] + pairs[:first]:  # nobody is always first
                    if number % cell.every == 0:
                        self._measure(cell, drawer, number)
            self.rounds += rounds
            for cell, drawer in pairs:
                if cell.provider != "cpu" and isinstance(drawer, FusedDrawer):
                    cell.device_seconds += drawer.device_seconds(GPU_ONLY_RUNS)

    def _warm(self, cell: Cell) -> Drawer:
        before = None if cell.provider == "cpu" else gpu_memory_mb()
        drawer = self.open_drawer(cell.artefact, cell.provider, cell.threads, cell.batch)
        for seed in range(WARM_UP):
            drawer.draw(seed)
        if before is not None and cell.gpu_mb is None:
            cell.gpu_mb = max((gpu_memory_mb() or before) - before, 0.0)
        return drawer

    def _measure(self, cell: Cell, drawer: Drawer, number: int) -> None:
        if isinstance(self.meter, str):
            cell.note(number, drawer.draw(WARM_UP + number))
            return
        before = self.meter.read()
        parts = drawer.draw(WARM_UP + number)
        cell.joules.append(self.meter.joules_since(before))
        cell.note(number, parts)

    def figures(self) -> list[tuple[Cell, dict[str, Any]]]:
        """The figures of every cell."""
        no_energy = self.meter if isinstance(self.meter, str) else ""
        return [
            (cell, cell.figures(self.reference.seconds, no_energy))
            for cell in self.cells
            if cell.seconds
        ]


def provider_problem(provider: str, artefact: Artefact) -> str | None:
    """Why an artefact cannot run on a provider here, or None if it can."""
    import onnx

    from t2a_edge.runner import available_providers

    onnxruntime = onnx_runtime()
    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        return f"the installed onnxruntime has no {PROVIDERS[provider]}"
    if artefact.form == "bundle" and provider not in available_providers():
        return f"the runner of bundles has no provider {provider}"
    if provider == "cpu":
        return None
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Neg", ["x"], ["y"])], "probe",
        [value("x", onnx.TensorProto.FLOAT, [1])], [value("y", onnx.TensorProto.FLOAT, [1])],
    )  # fmt: skip
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9
    )
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(1), providers=[PROVIDERS[provider]]
        )
        session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as exc:  # ONNX Runtime raises its own classes, all below Exception
        return f"{PROVIDERS[provider]} does not start ({' '.join(str(exc).split())[:120]})"
    if session.get_providers()[0] != PROVIDERS[provider]:  # it falls back without a word
        return f"{PROVIDERS[provider]} is installed, but finds no device or library"
    return None


def agreement(artefact: Artefact, bundle: Artefact, seed: int = 7) -> float:
    """Share of the indices that a fused file and a bundle draw alike for one prompt and seed."""
    drawer = FusedDrawer(artefact, "cpu", 1, 1)
    (indices,) = drawer.session.run(["indices"], drawer.inputs(seed))
    with TextToArt(bundle.path) as engine:
        drawn = engine.generate(PROMPT, seed=seed).indices
    return float(np.mean(indices[0] == drawn))
