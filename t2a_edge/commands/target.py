"""Where --out says that files go: a file or a folder, told apart as `cp` does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from t2a_edge.errors import OptionError
from t2a_edge.files import check_target, is_open_file

SUFFIXES = {
    ".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg", ".avif": "avif",
    ".npy": "npy",
}  # fmt: skip
FILE_SUFFIX = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "avif": ".avif", "npy": ".npy"}
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


@dataclass(frozen=True)
class Target:
    """What --out names.

    A folder that is there, or a name that ends in a slash, is a folder; a name with the suffix of
    a picture is a file, and so is a device or a FIFO. Any other name is of a folder to be made.

    Attributes:
        text: as it was typed.
        suffixes: of files that can be written, and their formats.
    """

    text: str = ""
    suffixes: Mapping[str, str] = field(default_factory=SUFFIXES.copy)

    def __str__(self) -> str:
        return self.text

    @property
    def path(self) -> Path:
        """The file or folder."""
        return Path(self.text)

    @property
    def is_file(self) -> bool:
        """Whether it is one file, and not a folder."""
        if self.text.endswith(SEPARATORS) or self.path.is_dir():
            return False
        return self.path.suffix.lower() in self.suffixes or is_open_file(self.path)

    @property
    def is_standard_output(self) -> bool:
        """Whether a file written there goes where this program's own lines go."""
        try:
            return self.is_file and os.path.samestat(self.path.stat(), os.fstat(1))
        except (OSError, ValueError):
            return False

    def format(self, asked: str | None) -> str:
        """The format of its files: by the suffix, else what was asked for, else the usual one."""
        if not self.is_file:
            return asked or "png"
        usual = next(iter(self.suffixes.values()))
        return self.suffixes.get(self.path.suffix.lower(), asked or usual)

    def check(self, asked: str | None = None) -> None:
        """An OptionError if nothing can be written there; nothing is made or changed.

        Args:
            asked: format that was asked for.
        """
        if "\0" in self.text:
            raise OptionError("--out has a NUL character; expected a path.")
        try:
            is_file, is_folder = self.is_file, self.path.is_dir()
        except OSError as exc:  # a name that is too long, links in a circle
            raise OptionError(
                f"--out {self.text!r} cannot be written ({exc.strerror}); name another path."
            ) from exc
        typed_as_folder = is_folder or self.text.endswith(SEPARATORS)
        if self.path.suffix and not is_file and not typed_as_folder:
            raise OptionError(
                f"--out is {self.text!r}; expected a {' '.join(self.suffixes)} file or a folder; "
                "a folder that is to be made ends in a slash where its name has a dot."
            )
        if is_file and asked not in (None, self.format(asked)):
            raise OptionError(
                f"--out is {self.text!r} and --format is {asked}; leave --format out, or "
                "name a file or folder that fits it."
            )
        check_target(self.path, is_folder=not is_file)

    def file(self, name: str, asked: str | None = None) -> Path:
        """The file that a picture goes to; `name` ends in .png."""
        if self.is_file:
            return self.path
        return self.path / Path(name).with_suffix(FILE_SUFFIX[self.format(asked)])


class TargetType(click.Path):
    """A path as it is typed, its last slash included.

    Args:
        suffixes: of the files that can be written, and their formats.
    """

    name = "path"

    def __init__(self, suffixes: Mapping[str, str] = SUFFIXES) -> None:
        super().__init__(readable=False)  # a folder that may be written is enough
        self._suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Text to a `Target`."""
        text = value.text if isinstance(value, Target) else super().convert(value, param, ctx)
        return Target(os.fsdecode(text), self._suffixes)
