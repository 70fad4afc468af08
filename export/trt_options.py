"""The options of `python -m export.trt_build`, checked."""

from dataclasses import dataclass
from pathlib import Path

from export.tensorrt_form import FLOAT_TYPES
from t2a_edge.engine_header import BACKENDS, COMPATIBILITY
from t2a_edge.errors import OptionError
from t2a_edge.layout import CHUNK

RTX_TARGETS = ("SM75", "SM80", "SM86", "SM89", "SM120", "SM121")
USUAL_TARGETS = ("SM80", "SM86", "SM89", "SM120")
MOST_LEVEL = 5
MOST_PICTURES = 64


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How engines are built.

    Attributes:
        backend: "rtx" or "tensorrt".
        targets: of RTX: compute capabilities; empty for full TensorRT, which takes its GPU's.
        names: of the engines; empty is all of the bundle.
        fused: build the fused graph too, as "generator".
        float_type: "float16" or "float32", of what is not INT8; see `export.tensorrt_form`.
        max_pictures: most pictures in one run.
        hardware: of full TensorRT: other GPUs that may load the engines, one of `COMPATIBILITY`.
        version_compatible: of full TensorRT: later versions of the same major may load them.
        timing_cache: of full TensorRT: file of measured kernels, read and written.
        workspace_mib: most scratch memory on the GPU; 0 leaves it to TensorRT.
        level: how long to search for fast kernels, 0 to 5; -1 leaves it to TensorRT.
        timeout_s: seconds that one engine may take.
    """

    backend: str = "rtx"
    targets: tuple[str, ...] = USUAL_TARGETS
    names: tuple[str, ...] = ()
    fused: bool = False
    float_type: str = "float16"
    max_pictures: int = CHUNK
    hardware: str = "none"
    version_compatible: bool = False
    timing_cache: Path | None = None
    workspace_mib: int = 0
    level: int = -1
    timeout_s: int = 1800

    def __post_init__(self) -> None:
        for what, word, known in (
            ("backend", self.backend, tuple(BACKENDS)),
            ("float-type", self.float_type, FLOAT_TYPES),
            ("hardware", self.hardware, COMPATIBILITY),
        ):
            if word not in known:
                raise OptionError(
                    f"--{what} is {word!r}; expected one of {', '.join(known)}. Name one."
                )
        for what, number, least, most in (
            ("max-pictures", self.max_pictures, 1, MOST_PICTURES),
            ("workspace-mib", self.workspace_mib, 0, 2**20),
            ("level", self.level, -1, MOST_LEVEL),
            ("timeout-s", self.timeout_s, 1, 2**20),
        ):
            if not least <= number <= most:
                raise OptionError(
                    f"--{what} is {number}; expected {least} to {most}. Name such a number."
                )
        if self.backend == "rtx":
            self._check_rtx()
        elif self.targets:
            raise OptionError(
                f"--target is {self.targets[0]} with --backend tensorrt, which builds for the GPU "
                "that it finds; expected none. Leave it out, or take --hardware ampere-plus or "
                "--backend rtx."
            )

    def _check_rtx(self) -> None:
        unknown = [target for target in self.targets if target not in RTX_TARGETS]
        if unknown or not self.targets:
            found = repr(unknown[0]) if unknown else "not given"
            raise OptionError(
                f"--target is {found}; TensorRT for RTX builds for {', '.join(RTX_TARGETS)}. "
                "Name one or more of these, or use --backend tensorrt on a machine with the GPU."
            )
        given = {
            "hardware": self.hardware != "none",
            "version-compatible": self.version_compatible,
            "timing-cache": self.timing_cache is not None,
        }
        for what, there in given.items():
            if there:
                raise OptionError(
                    f"--{what} is given with --backend rtx, which has no such thing; expected "
                    "--target alone. Leave it out, or take --backend tensorrt."
                )

    @property
    def words(self) -> tuple[str, ...]:
        """The options that an engine depends on, as the command line takes them."""
        words = ["--backend", self.backend]
        for flag, values in (("--target", self.targets), ("--engine", self.names)):
            for value in values:
                words += [flag, value]
        usual = BuildOptions(backend=self.backend, targets=self.targets)
        for name in ("float_type", "max_pictures", "hardware", "workspace_mib", "level"):
            value = getattr(self, name)
            if value != getattr(usual, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
        flags = {"--fused": self.fused, "--version-compatible": self.version_compatible}
        return (*words, *(flag for flag, there in flags.items() if there))
