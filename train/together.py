"""One training in several processes, each on a core of its own, their gradients averaged.

Several threads of one process wait for the slowest at every operation; processes of one thread
each wait once a step.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from t2a_edge.errors import ConfigError


@dataclass(frozen=True)
class Together:
    """Which of how many processes this is.

    Attributes:
        rank: 0 is the one that validates, saves and tells.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what comes of the training."""
        return self.rank == 0

    def part(self, batch: int) -> int:
        """Samples of a batch that this process takes.

        Raises:
            ConfigError: the processes cannot share the batch evenly.
        """
        if batch % self.size:
            raise ConfigError(
                f"A batch of {batch} cannot be shared by {self.size} processes; expected a number "
                "of processes that divides it."
            )
        return batch // self.size

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Set every gradient to its mean over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts: Sequence[Tensor] = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def wait(self) -> None:
        """Until all processes are here: what one of them writes, the others read."""
        if self.size > 1:
            dist.barrier()


ALONE = Together()


def _work(rank: int, size: int, meeting: str, target: Callable[..., Any], given: Any) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    try:
        target(Together(rank, size), *given)
    finally:
        dist.destroy_process_group()


def run_together(size: int, target: Callable[..., Any], *given: Any) -> None:
    """Call `target(together, *given)` in so many processes, or here where it is one.

    Args:
        target: a function of a module; what it is given is pickled for the processes.
    """
    if size == 1:
        target(ALONE, *given)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        work = (size, meeting, target, given)
        spawn(_work, work, nprocs=size)  # type: ignore[no-untyped-call]
