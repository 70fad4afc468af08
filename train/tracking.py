"""Where training figures go: TensorBoard by default, Weights & Biases when asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from t2a_edge.errors import ConfigError


class Tracker(Protocol):
    """Takes figures; `group` is train or val."""

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Record figures of one step."""


class NoTracker:
    """Keeps nothing."""

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Drop the figures."""


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


class WandbTracker:
    """A Weights & Biases run; needs `pip install wandb` and its own login."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as exc:
            raise ConfigError(
                "--wandb needs the package wandb, which is not installed; "
                "run `pip install wandb`, or leave --wandb out to log to TensorBoard."
            ) from exc
        self._run = wandb.init(project="t2a-edge", name=folder.name, dir=str(folder), config=config)

    def log(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        """Record figures of one step."""
        self._run.log({f"{group}/{k}": v for k, v in figures.items()}, step=step)


def make_tracker(folder: Path, config: Mapping[str, Any], *, wandb: bool) -> Tracker:
    """The tracker that the command line asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    return WandbTracker(folder, config) if wandb else TensorBoardTracker(folder)
