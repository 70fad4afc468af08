"""Energy of the processor, where Linux reports it: RAPL counters under /sys/class/powercap."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
MICRO = 1e-6


@dataclass(frozen=True)
class EnergyMeter:
    """Counters of the processor's packages.

    Attributes:
        ranges: file of each counter to the microjoules at which it starts again from 0.
    """

    ranges: Mapping[Path, int]

    def read(self) -> dict[Path, int]:
        """Microjoules of every counter now."""
        return {path: int(path.read_text(encoding="ascii")) for path in self.ranges}

    def joules_since(self, before: Mapping[Path, int]) -> float:
        """Joules that all packages took since a reading; a counter may have wrapped once."""
        total = 0
        for path, value in self.read().items():
            total += (value - before[path]) % (self.ranges[path] + 1)
        return total * MICRO


def find_meter(root: Path = POWERCAP) -> EnergyMeter | str:
    """The meter of this machine, or the reason why there is none."""
    counters = sorted(root.glob("intel-rapl:[0-9]*/energy_uj"))
    packages = [path for path in counters if path.parent.name.count(":") == 1]
    if not packages:
        return "the platform has no RAPL counters in /sys/class/powercap"
    try:
        meter = EnergyMeter({p: int((p.parent / "max_energy_range_uj").read_text("ascii"))
                             for p in packages})  # fmt: skip
        meter.read()
    except (OSError, ValueError) as exc:
        return f"the RAPL counters cannot be read ({type(exc).__name__}); they need root"
    return meter
