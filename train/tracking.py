"""Where training figures go: TensorBoard by default, Weights & Biases when asked for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from t2a_edge.errors import ConfigError


class Tracker(Protocol):
    """Takes figures; `group` is train or val."""

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Record figures of one step."""

    def close(self, *, failed: bool = False) -> None:
        """End the stage's record, whatever came of it."""


class NoTracker:
    """Keeps nothing."""

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Drop the figures."""

    def close(self, *, failed: bool = False) -> None:
        """Nothing is open."""


class TensorBoardTracker:
    """Event files that `tensorboard --logdir runs` shows."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Record figures of one step."""
        for name, value in figures.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)
        self._writer.flush()

    def close(self, *, failed: bool = False) -> None:
        """Close the event file."""
        self._writer.close()


class WandbTracker:
    """A Weights & Biases run of one stage; needs `pip install wandb` and its own login.

    It begins with the first figures. `wandb.init` gives the run that is open where there is one, so
    each has to be finished: figures of a later stage, whose steps begin anew, would be dropped.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # figures are sent, nothing else
        try:
            import wandb
        except ImportError as exc:
            raise ConfigError(
                "--wandb needs the package wandb, which is not installed; "
                "run `pip install wandb`, or leave --wandb out to log to TensorBoard."
            ) from exc
        self._wandb, self._folder, self._config = wandb, folder, config
        self._run: Any = None

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Record figures of one step."""
        if self._run is None:
            folder = self._folder
            self._run = self._wandb.init(
                project="t2a-edge", group=folder.absolute().parent.name, name=folder.name,
                dir=str(folder), config=self._config,
            )  # fmt: skip
        self._run.log({f"{group}/{k}": v for k, v in figures.items()}, step=step)

    def close(self, *, failed: bool = False) -> None:
        """Finish the run, so that the next stage has one of its own."""
        if self._run is not None:
            self._run.finish(exit_code=int(failed))
            self._run = None


def make_tracker(folder: Path, config: Mapping[str, Any], *, wandb: bool) -> Tracker:
    """The tracker that the command line asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    return WandbTracker(folder, config) if wandb else TensorBoardTracker(folder)
