"""What only a machine with a GPU, or with a package that is not installed, can do."""

import importlib
from types import ModuleType
from typing import NoReturn

from t2a_edge.errors import EXIT_NOT_MEASURED, ExportError
from t2a_edge.gpu import missing_driver


class NotAvailableError(ExportError):
    """A package or a GPU that the work needs is not here; nothing was tried."""

    exit_code = EXIT_NOT_MEASURED


def require_driver(work: str) -> None:
    """Raise a NotAvailableError if this machine has no NVIDIA driver or no GPU.

    Args:
        work: what needs it, as the beginning of a sentence: "Full TensorRT".
    """
    missing = missing_driver()
    if missing:
        raise NotAvailableError(
            f"{work} needs an NVIDIA GPU and its driver; here {missing}. Run this on a machine "
            "with a GPU; `python -m export.trt_build --backend rtx` builds engines without one."
        )


def require_package(module: str, install: str) -> ModuleType:
    """Import a package, or raise a NotAvailableError that says how to get it.

    Args:
        module: as it is imported.
        install: the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as exc:  # a library that it loads may be missing
        refuse(module, install, " ".join(str(exc).split())[:200], exc)


def refuse(module: str, install: str, reason: str, cause: BaseException | None = None) -> NoReturn:
    """Raise a NotAvailableError about a package."""
    raise NotAvailableError(
        f"The package {module} cannot be imported ({reason}); expected it to be installed. "
        f"Install it with `{install}`."
    ) from cause
