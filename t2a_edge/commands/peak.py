"""`python -m t2a_edge.commands.peak generate ...`: run a command, then print its largest memory."""

import sys
from pathlib import Path

from t2a_edge.cli import main

STATUS = Path("/proc/self/status")  # of Linux; its peak is that of this program alone


def peak_bytes() -> int | None:
    """The largest resident memory of this process so far; None where the system does not tell."""
    if STATUS.is_file():
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


if __name__ == "__main__":
    main.main(sys.argv[1:], standalone_mode=False)
    sys.stdout.write(f"{peak_bytes() or ''}\n")
