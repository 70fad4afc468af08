"""ONNX Runtime, imported in this one place, so that its telemetry is off before it loads.

From version 1.29 on, the import itself writes a device id and an event database below the home
directory and starts an uploader, unless `ORT_DISABLE_TELEMETRY` is set before; what its API turns
off afterwards are the later events alone.

Source: docs/Privacy.md of ONNX Runtime.
"""

import importlib
import os
from functools import lru_cache
from typing import Any

SWITCH = "ORT_DISABLE_TELEMETRY"
ON = ("0", "false", "no", "off")  # values of SWITCH that leave ONNX Runtime's telemetry on


def onnx_runtime(part: str = "") -> Any:
    """The module `onnxruntime`, or a part of it such as "quantization", without its telemetry.

    `ORT_DISABLE_TELEMETRY=0` in the environment leaves it on. Where the program has imported
    onnxruntime before, its device id is written by then; its further events are turned off.

    Raises:
        ImportError: it is not installed, or has no such part.
    """
    whole = _whole()
    return importlib.import_module(f"onnxruntime.{part}") if part else whole


@lru_cache(maxsize=1)
def _whole() -> Any:
    if not os.environ.get(SWITCH):  # set but empty means nothing to ONNX Runtime either
        os.environ[SWITCH] = "1"  # stays, so that child processes are as quiet
    module = importlib.import_module("onnxruntime")
    if os.environ[SWITCH].strip().lower() not in ON:
        module.disable_telemetry_events()  # all that Windows knows, and for a late import
    return module
