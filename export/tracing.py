"""Torch modules traced into graphs: what is compared with our engines, or compiled from torch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from export.compose import OPSET
from t2a_edge.errors import ExportError


@dataclass(frozen=True)
class GraphSource:
    """A module with everything that its export needs.

    Attributes:
        inputs: examples by name.
        outputs: their names.
        dynamic: the free axes of each input.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, dict[int, Any]]


def onnx_from_module(name: str, source: GraphSource) -> onnx.ModelProto:
    """Trace a module into an ONNX graph.

    Raises:
        ExportError: torch cannot export the module.
    """
    try:
        with quiet():
            program = torch.onnx.export(
                source.module.eval(),
                tuple(source.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(source.inputs),
                output_names=source.outputs,
                dynamic_shapes=source.dynamic,
                external_data=False,
                verbose=False,
                optimize=True,
            )
    except Exception as exc:  # the exporter raises many classes, its own and torch's
        reason = " ".join(str(exc).split())[:300]
        raise ExportError(
            f"The {name} engine cannot be exported to ONNX ({reason}); "
            "check the installed torch and onnxscript against pyproject.toml."
        ) from exc
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's progress and deprecation notes off the terminal."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
