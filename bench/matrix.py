"""The whole measurement: which cells there are, what the report says, where more samples go."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.artefacts import PRECISIONS, REQUIRED, Artefact
from bench.energy import EnergyMeter, find_meter
from bench.machine import machine
from bench.measure import PROMPT, WARM_UP, Cell, Group, agreement, provider_problem
from bench.processes import Processes
from bench.statistics import CONFIDENCE, LOOKS, paired_ratio

FORMAT = 2  # of the JSON report, described by bench/schema.json
OTHER_EVERY = 4  # FP32 and FP16 draw in every fourth round: no gate needs their tails
SIDE_ROUNDS = 12  # of cells that no gate is on; enough for p50
COLD_FIGURES = ("cold_ms", "load_ms", "first_run_ms")
INCLUDED = {
    "pipeline_ms": "prompt to pixels in memory; host copies included, PNG encoding not",
    "text_ms, forms_ms, painter_ms, composer_ms, encoder_ms, decoder_ms": "the engine's calls for "
    "one picture, host copies included",
    "sampling_ms": "what is left of the pipeline: prompt, noise, steps",
    "load_ms": "a new process with the libraries imported: hashes checked (bundles), graphs "
    "optimised",
    "first_run_ms": "the first picture of that process, without a warm-up",
    "cold_ms": "bundles: `t2a-edge generate` from its start to the PNG on the disk and its end; "
    "fused files: a process that loads, draws once and ends, without a PNG",
    "peak_memory_mb": "largest resident memory of any of the cold processes",
    "images_per_second": "pictures over the sum of the pipeline's times, PNG encoding not included",
    "energy": "processor packages over the pipeline's times, whatever else runs on them included",
    "gpu_memory_mb": "more in use on the GPU after the warm-up than before the file was loaded",
    "gpu_only_ms": "fused files: inputs and pixels stay on the GPU, no host copies",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and how often.

    Attributes:
        providers: of cpu, cuda, tensorrt.
        threads: of the processor; the gated number first.
        batches: pictures a call; bundles draw one at a time.
        runs: pictures drawn by each INT8 artefact at the first of the threads and batches.
        cold: processes started for each artefact.
        cross: every batch with every number of threads; else each is varied alone.
    """

    providers: tuple[str, ...] = ("cpu", "cuda", "tensorrt")
    threads: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = (1,)
    runs: int = 300
    cold: int = 9
    cross: bool = False


@dataclass
class Matrix:
    """Every artefact in every configuration.

    Attributes:
        missing: artefacts that are not there, with their reasons.
        groups: by provider, threads and batch.
        problems: by artefact and provider, why it was not measured there.
    """

    artefacts: list[Artefact]
    missing: dict[str, dict[str, Any]]
    plan: Plan
    groups: dict[tuple[str, int, int], Group] = field(default_factory=dict)
    problems: dict[tuple[str, str], str] = field(default_factory=dict)
    agreements: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = machine()  # its load before this run adds to it
        self.processes = Processes(self.artefacts)
        meter = find_meter()
        for provider in self.plan.providers:
            able = []
            for artefact in self.artefacts:
                problem = provider_problem(provider, artefact)
                if problem is None:
                    able.append(artefact)
                else:
                    self.problems[artefact.name, provider] = problem
            self._add_groups(provider, able, meter)

    def _add_groups(
        self, provider: str, artefacts: Sequence[Artefact], meter: EnergyMeter | str
    ) -> None:
        threads = self.plan.threads if provider == "cpu" else self.plan.threads[:1]
        for number in threads:
            for batch in self.plan.batches:
                alone = number == threads[0] or batch == self.plan.batches[0]
                if not (alone or self.plan.cross):
                    continue
                cells = [
                    Cell(a, provider, number, batch, 1 if a.precision == "int8" else OTHER_EVERY)
                    for a in artefacts
                    if batch == 1 or a.form == "fused"
                ]
                if cells:
                    self.groups[provider, number, batch] = Group(cells, meter)

    def measure(self) -> None:
        """Take the planned samples."""
        main = (self.plan.threads[0], self.plan.batches[0])
        for (_, *configuration), group in self.groups.items():
            gated = tuple(configuration) == main
            if not gated:
                for cell in group.cells:
                    cell.every = 1
            group.run(self.plan.runs if gated else min(SIDE_ROUNDS, self.plan.runs))
        self.processes.run(self.plan.cold)
        bundles = {a.precision: a for a in self.artefacts if a.form == "bundle"}
        for artefact in self.artefacts:
            if artefact.form == "fused" and artefact.precision in bundles:
                bundle = bundles[artefact.precision]
                self.agreements[artefact.name] = round(agreement(artefact, bundle), 5)

    def extend(self, figures: Sequence[str]) -> bool:
        """Double the samples behind these figures; False if none of them has samples.

        Args:
            figures: dotted names; a regression is named like the figure that it is about.
        """
        names = [name.removeprefix("regression.").removeprefix("artefacts.") for name in figures]
        extended = False
        for (provider, threads, batch), group in self.groups.items():
            place = f"{provider}.threads_{threads}.batch_{batch}."
            wanted = {name.split(".")[0] for name in names if f".{place}" in f".{name}"}
            for name in names:
                if (
                    batch == 1
                    and threads == self.plan.threads[0]
                    and name.startswith(f"speedup.{provider}.")
                ):
                    prefix = "fused_" if ".fused." in name else ""
                    wanted |= {f"{prefix}fp32", f"{prefix}int8"}
            if wanted:
                group.run(group.rounds, lambda cell, wanted=wanted: cell.artefact.name in wanted)  # type: ignore[misc]
                extended = True
        cold = {n.split(".")[0] for n in names if n.split(".")[1:2] in [[c] for c in COLD_FIGURES]}
        cold &= {artefact.name for artefact in self.artefacts}
        if cold:
            self.processes.run(self.processes.rounds, cold)
        return extended or bool(cold)

    def report(self) -> dict[str, Any]:
        """All figures so far, as the JSON report has them but for the gates."""
        main = self.groups.get(("cpu", self.plan.threads[0], self.plan.batches[0]))
        artefacts = {a.name: self._artefact(a) for a in self.artefacts} | self.missing
        order = [*PRECISIONS, *(f"fused_{p}" for p in PRECISIONS)]
        reference = main.reference if main else self.processes.reference
        return {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": self.machine,
            "workload": {"prompt": PROMPT, "warm_up": WARM_UP, "included": INCLUDED},
            "confidence": round(CONFIDENCE, 4),
            "looks": LOOKS,
            "reference": reference.figures(),
            "artefacts": {name: artefacts[name] for name in order if name in artefacts},
            "speedup": self._speedups(),
        }

    def _artefact(self, artefact: Artefact) -> dict[str, Any]:
        figures = artefact.figures()
        if artefact.name in self.agreements:
            figures["agreement"] = self.agreements[artefact.name]
        if artefact.name in self.processes.samples:
            figures |= self.processes.figures(artefact.name)
        for provider in self.plan.providers:
            problem = self.problems.get((artefact.name, provider))
            figures[provider] = {} if problem is None else {"not_measured": problem}
        for group in self.groups.values():
            for cell, measured in group.figures():
                if cell.artefact is artefact:
                    threads = figures[cell.provider].setdefault(f"threads_{cell.threads}", {})
                    threads[f"batch_{cell.batch}"] = measured
        return figures

    def _speedups(self) -> dict[str, Any]:
        """How many times as long FP32 takes as INT8, by provider, form and stage."""
        speedups: dict[str, Any] = {}
        for provider in self.plan.providers:
            group = self.groups.get((provider, self.plan.threads[0], 1))
            cells = {cell.artefact.name: cell for cell in group.cells} if group else {}
            forms: dict[str, Any] = {}
            for form, prefix in (("bundle", ""), ("fused", "fused_")):
                fp32, int8 = (cells.get(f"{prefix}{precision}") for precision in REQUIRED)
                if fp32 is None or int8 is None:
                    forms[form] = {"not_measured": "needs FP32 and INT8 in the same run"}
                else:
                    forms[form] = _speedup(fp32, int8)
            speedups[provider] = forms
        return speedups


def _speedup(slow: Cell, fast: Cell) -> dict[str, Any]:
    """By stage, over the rounds in which both drew."""
    places = [{number: place for place, number in enumerate(c.rounds)} for c in (slow, fast)]
    shared = [number for number in slow.rounds if number in places[1]]
    return {
        stage: paired_ratio(
            [seconds[places[0][number]] for number in shared],
            [fast.seconds[stage][places[1][number]] for number in shared],
        )
        for stage, seconds in slow.seconds.items()
    }
