"""A codec and a text engine of a checkpoint, for the stages that start from one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.errors import CheckpointError
from train.checkpoint import file_sha256, load_module, load_tensors, with_prefix
from train.models.codec import Codec
from train.models.qat import convert
from train.models.text import TextEngine
from train.models.whole import description_of, loaded_codec
from train.preset import Preset

STAGES = ("words", "codec", "decoder")  # that make a start


@dataclass(frozen=True)
class Start:
    """A codec and a text engine, which stay as they are.

    Attributes:
        inputs: sha256 of the files that they are of, by name.
        lineage: records of the stages that made them, in order.
    """

    codec: Codec
    text: TextEngine
    inputs: dict[str, str]
    lineage: list[dict[str, Any]]


def start_of_checkpoint(path: Path, preset: Preset) -> Start:
    """Codec and text engine of a checkpoint.

    Raises:
        CheckpointError: the checkpoint does not fit the preset.
    """
    key = file_sha256(path)
    tensors, about = load_tensors(path)
    told = description_of(path, about)
    if (told.preset.codec, told.preset.text) != (preset.codec, preset.text):
        raise CheckpointError(
            f"{path} has another codec or text engine than the preset; expected the shapes of "
            "the model that is started from. Name the preset that it was trained with."
        )
    lineage = [r for r in told.card.get("lineage", []) if r["stage"] in STAGES]
    codec, text = loaded_codec(preset, tensors), TextEngine(preset.text)
    load_module(text, with_prefix(tensors, "text"), "text engine")
    convert(text)
    return Start(codec, text, {path.name: key}, lineage)
