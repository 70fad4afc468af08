"""One training loop for every stage: float steps, then quantisation-aware ones, resumable.

All randomness of a step comes from (seed, step), so a run that was killed and resumed computes
exactly what an unbroken one does.
"""

import json
import math
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.files import write_whole
from train.checkpoint import (
    load_module,
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    save_tensors,
    with_prefix,
)
from train.checks import require
from train.together import ALONE, Together
from train.tracking import Tracker

APART = 1_000_000_007  # between the random seeds of two processes
LOG_EVERY = 25  # steps between lines in the log
FINAL_SHARE = 0.1  # of the learning rate, where the float phase ends
LENGTHS = ("steps", "qat_steps", "validate_every", "patience", "checkpoint_every")
"""Of a `FitConfig`, which a run may go on with other values of."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """One training run: float steps with a cosine schedule, then quantisation-aware steps.

    Attributes:
        steps, qat_steps: optimiser steps in either phase.
        batch: samples a step.
        learning_rate: at its highest; the float phase ends at a tenth of it.
        warmup: steps over which the learning rate rises.
        validate_every: steps between validations.
        patience: validations without a better one that end the float phase early; 0 is never.
        checkpoint_every: steps between checkpoints to resume from.
    """

    steps: int = 1000
    qat_steps: int = 100
    batch: int = 16
    learning_rate: float = 4e-4
    weight_decay: float = 0.01
    warmup: int = 100
    clip: float = 1.0
    validate_every: int = 250
    patience: int = 0
    checkpoint_every: int = 250
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value}; expected at least 1.")


class Task(Protocol):
    """What a stage brings to the loop."""

    @property
    def module(self) -> nn.Module:
        """What is trained."""

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """The figures of one step; `loss` is the one to minimise."""

    def validate(self) -> dict[str, float]:
        """Figures on the validation split; a smaller `loss` is better."""

    def start_qat(self) -> None:
        """Switch to quantisation-aware steps."""


@dataclass
class State:
    """Where a run stands.

    Attributes:
        step: optimiser steps done, over both phases.
        float_end: step at which the float phase ended, or will.
        best: smallest validation loss of the present phase.
        stale: validations since then.
        seconds: time spent, over all resumed parts.
        history: validation figures with their step.
    """

    step: int = 0
    float_end: int = 0
    best: float = math.inf
    stale: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def learning_rate(fit: FitConfig, step: int, float_end: int) -> float:
    """Warm-up and cosine to a tenth in the float phase; from there straight to zero."""
    low = fit.learning_rate * FINAL_SHARE
    if step >= float_end:
        return low * max(0.0, 1 - (step - float_end) / max(1, fit.qat_steps))
    warm = min(1.0, (step + 1) / max(1, fit.warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * step / fit.steps))
    return warm * (low + (fit.learning_rate - low) * cosine)


def _agrees(saved: Any, now: Any) -> bool:
    """Whether a checkpoint was trained with all that is told now; what only it says is past."""
    if isinstance(now, dict):
        return isinstance(saved, dict) and all(_agrees(saved.get(k), v) for k, v in now.items())
    return bool(saved == now)


class Fit:
    """A resumable run of one task in one folder.

    Args:
        task: model, losses and validation.
        fit: schedule.
        folder: where checkpoints, log and figures go; a run found there is resumed.
        about: description that a checkpoint must agree with to be resumed.
        together: the processes that train it.
    """

    def __init__(
        self, task: Task, fit: FitConfig, folder: Path, about: dict[str, Any], tracker: Tracker,
        together: Together = ALONE,
    ) -> None:  # fmt: skip
        self.task, self.fit, self.folder, self.tracker = task, fit, folder, tracker
        self.together = together
        if together.size > 1 and fit.patience:
            raise ConfigError(
                f"The patience is {fit.patience} with {together.size} processes; expected 0, or "
                "one process."
            )
        self.about = {"preset": about, "fit": asdict(fit)}
        self.state = State(float_end=fit.steps)
        parameters = [p for p in task.module.parameters() if p.requires_grad]
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(
            parameters, lr=fit.learning_rate, betas=(0.9, 0.95), weight_decay=fit.weight_decay
        )
        if (folder / "state.safetensors").is_file():
            self._resume()

    @property
    def last_step(self) -> int:
        """Step at which the run is over."""
        return self.state.float_end + self.fit.qat_steps

    def run(self, stop_at: int | None = None) -> State:
        """Train to the end, or to step `stop_at`; the best weights are in the module afterwards."""
        bar = tqdm(
            total=self.last_step, initial=self.state.step, desc=self.folder.name, unit="step",
            disable=not self.together.leads,
        )  # fmt: skip
        try:
            with bar:
                self._train(bar, stop_at)
        except BaseException:  # also where it is interrupted
            self.tracker.close(failed=True)
            raise
        self.tracker.close()
        return self.state

    def _train(self, bar: "tqdm[Any]", stop_at: int | None) -> None:
        started = time.monotonic()
        while self.state.step < self.last_step:
            if self.state.step == stop_at:
                if self.together.leads:
                    self._save_state()
                self.together.wait()
                return
            if self.state.step == self.state.float_end:
                self._enter_qat()
            figures = self._one_step()
            self.state.step += 1
            self.state.seconds += time.monotonic() - started
            started = time.monotonic()
            bar.update()
            self._after_step(figures, bar)
            bar.total = self.last_step
        self._load_best()

    def _one_step(self) -> dict[str, float]:
        fit, state = self.fit, self.state
        rank = self.together.rank
        torch.manual_seed(fit.seed * 1_000_003 + state.step + rank * APART)
        rng = np.random.default_rng((fit.seed, state.step, rank))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(fit, state.step, state.float_end)
        self.task.module.train()
        losses = self.task.loss(state.step, rng)
        value = float(losses["loss"].detach())
        if not math.isfinite(value):
            raise CheckpointError(
                f"The loss is {value} at step {state.step}; expected a finite "
                "number. Lower the learning rate and resume."
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        self.together.average(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, fit.clip)
        self.optimizer.step()
        return {**{k: float(v.detach()) for k, v in losses.items()}, "gradient_norm": float(norm)}

    def _after_step(self, figures: dict[str, float], bar: "tqdm[Any]") -> None:
        step, fit = self.state.step, self.fit
        if not self.together.leads:
            return
        if step % LOG_EVERY == 0:
            bar.set_postfix(loss=f"{figures['loss']:.4f}")
            self.tracker.log("train", step, {**figures, **self._resources()})
        over = step in (self.state.float_end, self.last_step)
        if step % fit.validate_every == 0 or over:
            self._validate()
        if step % fit.checkpoint_every == 0 or over:
            self._save_state()

    def _resources(self) -> dict[str, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "steps_per_second": self.state.step / max(self.state.seconds, 1e-9),
            "peak_memory_mb": usage.ru_maxrss / 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def _validate(self) -> None:
        state, fit = self.state, self.fit
        self.task.module.eval()
        with torch.no_grad():
            figures = self.task.validate()
        state.history.append({"step": state.step, **figures})
        self.tracker.log("val", state.step, figures)
        if figures["loss"] < state.best:
            state.best, state.stale = figures["loss"], 0
            save_tensors(
                self.folder / "best.safetensors", self.task.module.state_dict(), self.about
            )
        else:
            state.stale += 1
        in_float = state.step < state.float_end
        if in_float and fit.patience and state.stale >= fit.patience:
            state.float_end = state.step

    def _enter_qat(self) -> None:
        if self.fit.qat_steps:
            self._load_best()
            self.task.start_qat()
            self.state.best, self.state.stale = math.inf, 0

    def _load_best(self) -> None:
        self.together.wait()
        tensors, _ = load_tensors(self.folder / "best.safetensors")
        load_module(self.task.module, tensors, "best weights")

    def _save_state(self) -> None:
        tensors = {f"module.{k}": v for k, v in self.task.module.state_dict().items()}
        tensors |= {f"optimizer.{k}": v for k, v in optimizer_tensors(self.optimizer).items()}
        about = {**self.about, "state": asdict(self.state)}
        save_tensors(self.folder / "state.safetensors", tensors, about)
        history = json.dumps(self.state.history, indent=1)
        write_whole(self.folder / "history.json", f"{history}\n".encode(), error=CheckpointError)

    def _resume(self) -> None:
        path = self.folder / "state.safetensors"
        tensors, about = load_tensors(path)
        told = json.loads(json.dumps(self.about))
        told["fit"] = {key: value for key, value in told["fit"].items() if key not in LENGTHS}
        if not _agrees(about, told):
            raise CheckpointError(
                f"{path} belongs to another preset; expected the one given now. "
                "Name another run folder, or delete this one."
            )
        load_module(self.task.module, with_prefix(tensors, "module"), "weights")
        load_optimizer(self.optimizer, with_prefix(tensors, "optimizer"))
        self.state = State(**about["state"])
        self._take_length(about["fit"]["steps"])
        if self.state.step > self.state.float_end and self.fit.qat_steps:
            self.task.start_qat()

    def _take_length(self, before: int) -> None:
        """Let the float phase, of so many steps before, be as long as it is to be now."""
        state, steps = self.state, self.fit.steps
        if state.float_end != before or state.step >= before or steps == before:
            return  # it is over, or nothing changes
        if state.step >= steps:
            raise ConfigError(
                f"{self.folder} is at step {state.step} and is to end at step {steps}; expected a "
                "later one. Raise the stage's steps."
            )
        state.float_end = steps
