"""One training run: what all of its stages share."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.data.pictures import PictureMix, PixelStore, load_rows
from train.data.studio_store import StudioStore
from train.loop import Fit, FitConfig, Task
from train.preset import Preset
from train.together import ALONE, Together
from train.tracking import NoTracker, make_tracker


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares.

    Attributes:
        preset: shapes and schedules.
        folder: checkpoints, logs and figures go below it.
        data: folder of images with one .jsonl of adjectives; None leaves the studio alone.
        more: folder of pictures without words, with a .jsonl of their files; None is none.
        model: checkpoint whose codec and text engine are used; None uses the run's own stages.
        studio_cache: where the studio's pictures are; None is the run's cache.
        wandb: log to Weights & Biases, not to TensorBoard.
        workers: processes that paint the studio's pictures and encode views of pictures.
        together: the processes that train a stage, for those that can be shared.
        overrides: what was changed of the preset, as on the command line.
        command: the command line, for the record.
    """

    preset: Preset
    folder: Path
    data: Path | None = None
    more: Path | None = None
    model: Path | None = None
    studio_cache: Path | None = None
    wandb: bool = False
    workers: int = os.cpu_count() or 1
    together: Together = ALONE
    overrides: tuple[str, ...] = ()
    command: str = ""

    @property
    def cache(self) -> Path:
        """What is made once and read by several stages."""
        return self.folder / "cache"

    def paintings(self) -> PixelStore | None:
        """The data folder, if there is one."""
        if self.data is None:
            return None
        return PixelStore(load_rows(self.data), self.preset.data.shorter_side, self.cache)

    def studio(self) -> StudioStore:
        """The studio's pictures, painted where they are not."""
        data, count = self.preset.data, self.preset.latent.studio_pictures
        cache = self.studio_cache or self.cache
        return StudioStore(count, data.image_size, data.studio_seed, cache, self.workers)

    def pictures(self) -> PictureMix:
        """The data folder, then the studio, with their shares; or the studio alone.

        Small pictures are left out of the training split.
        """
        paintings, share = self.paintings(), self.preset.data.studio_share
        if paintings is None:
            return PictureMix([self.studio()], [1.0])
        paintings.leave_small_out(self.preset.data.image_size)
        if not share:
            return PictureMix([paintings], [1.0])
        return PictureMix([paintings, self.studio()], [1 - share, share])


def stage_fit(
    run: Run, stage: str, task: Task, config: FitConfig, sections: Sequence[str], **about: Any
) -> Fit:
    """The resumable run of one stage.

    Args:
        sections: of the preset, which a checkpoint must agree with to be resumed.
        about: what else it must agree with.
    """
    values, folder = run.preset.to_json(), run.folder / stage
    told = {**{key: values[key] for key in sections}, **about}
    if not run.together.leads:
        return Fit(task, config, folder, told, NoTracker(), run.together)
    tracker = make_tracker(folder, values, wandb=run.wandb)
    return Fit(task, config, folder, told, tracker, run.together)
