"""What the figures were measured on: processor, memory, system, GPU, versions."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.runner import int8_sums_saturate

INTEGER_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # INT8 dot products


def machine() -> dict[str, Any]:
    """What the figures were measured on; no names of hosts or people."""
    import psutil

    lines = _cpuinfo()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = {f for line in lines if line.startswith(("flags", "Features")) for f in line.split()}
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_allowed": len(affinity(0)) if affinity else os.cpu_count(),
        "integer_instructions": [name for name in INTEGER_FLAGS if name in flags],
        "int8_sums_saturate": int8_sums_saturate(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": gpu_name() or "none",
        "system": platform.system(),
        "python": platform.python_version(),
        "onnxruntime": onnx_runtime().__version__,
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def gpu_name() -> str | None:
    """The first NVIDIA GPU, or None."""
    rows = _nvidia_smi("name")
    return rows[0] if rows else None


def gpu_memory_mb() -> float | None:
    """Megabytes (10^6 bytes) in use on the first GPU, by whatever program; None without a GPU."""
    rows = _nvidia_smi("memory.used")
    try:
        return float(rows[0]) * 2**20 / 1e6 if rows else None
    except ValueError:  # "[N/A]" where the memory is shared with the processor
        return None


def _nvidia_smi(field: str) -> list[str]:
    arguments = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
