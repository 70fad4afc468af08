"""Training presets: the sections of all parts, read from TOML, `section.key=value` on top."""

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Self, get_args

from t2a_edge.checks import shown
from t2a_edge.documents import is_file
from t2a_edge.errors import BundleError, ConfigError
from t2a_edge.spec import BLOCK, Spec
from train.checks import require
from train.data.pictures import DataConfig
from train.data.wording import WordingConfig
from train.documents import parsed
from train.loop import FitConfig
from train.models.adversary import AdversaryConfig
from train.models.bank import BankConfig, FormConfig
from train.models.codec import CodecConfig
from train.models.latents import LatentConfig
from train.models.painter import DistilConfig, PainterConfig
from train.models.qat import QatConfig
from train.models.text import TextConfig, WordsConfig

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Sampling defaults that go into the bundle; see `t2a_edge.spec.Spec`."""

    guidance_scale: float = 2.5
    steps: int = 8
    form_strength: float = 1.0
    temperature: float = 0.5


@dataclass(frozen=True, kw_only=True)
class CardConfig:
    """What the model card says beside the figures.

    Attributes:
        title: of the card.
        data: where the training images and adjectives come from, and on what terms.
        licence: of the weights.
        limits: what the model does badly, as somebody saw it.
    """

    title: str = "A t2a-edge model"
    data: str = "not described"
    licence: str = "not stated"
    limits: str = "not described"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """All of one model and its training."""

    data: DataConfig = field(default_factory=DataConfig)
    text: TextConfig = field(default_factory=TextConfig)
    words: WordsConfig = field(default_factory=WordsConfig)
    words_fit: FitConfig = field(default_factory=FitConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)
    codec_fit: FitConfig = field(default_factory=FitConfig)
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    decoder_fit: FitConfig = field(default_factory=FitConfig)
    wording: WordingConfig = field(default_factory=WordingConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    form: FormConfig = field(default_factory=FormConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    chooser_fit: FitConfig = field(default_factory=FitConfig)
    painter: PainterConfig = field(default_factory=PainterConfig)
    painter_fit: FitConfig = field(default_factory=FitConfig)
    distil: DistilConfig = field(default_factory=DistilConfig)
    distil_fit: FitConfig = field(default_factory=FitConfig)
    prior: PainterConfig = field(default_factory=PainterConfig)
    prior_fit: FitConfig = field(default_factory=FitConfig)
    qat: QatConfig = field(default_factory=QatConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    card: CardConfig = field(default_factory=CardConfig)

    def __post_init__(self) -> None:
        for name in ("encoder", "decoder"):
            side = self.codec.scales[-1] * self.codec.pixels_per_latent(name)
            require(
                side == self.data.image_size,
                f"The codec's {name} makes {side} pixels a side and data.image_size is "
                f"{self.data.image_size}; expected the same. Change codec.{name}_widths.",
            )
        try:
            self.spec(self.bank.size)
        except BundleError as exc:
            raise ConfigError(f"The preset makes no model that runs: {exc}") from exc

    @property
    def latent_side(self) -> int:
        """Positions of the deep latent along each side of a picture."""
        return self.codec.scales[-1] // BLOCK

    def spec(self, forms: int) -> Spec:
        """The numbers that a runtime needs.

        Args:
            forms: in the model's bank.

        Raises:
            BundleError: a number is out of a runtime's bounds.
        """
        return Spec(
            image_size=self.data.image_size, scales=self.codec.scales,
            codebook_size=self.codec.codebook_size, code_dim=self.codec.code_dim,
            max_words=self.text.max_words, max_bytes=self.text.max_bytes,
            depth=self.latent.depth, forms=forms, **asdict(self.sampling),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The preset as plain JSON values."""
        return dict(json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; an unknown section or key is a ConfigError."""
        sections = {f.name: f.default_factory for f in fields(cls)}
        built: dict[str, Any] = {}
        for name, section in values.items():
            _known(name, sections, "section")
            built[name] = _section(sections[name], name, section)
        return cls(**built)


def _known(name: str, names: Iterable[str], what: str) -> None:
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3) or names
        raise ConfigError(f"Unknown {what} {shown(name)}; did you mean {', '.join(near)}?")


def _section(kind: Any, name: str, values: Any) -> Any:
    assert is_dataclass(kind)
    if not isinstance(values, Mapping):
        raise ConfigError(f"[{name}] is {shown(values)}; expected a table of keys and values.")
    known = {f.name: f for f in fields(kind)}
    built = {}
    for key, value in values.items():
        _known(key, known, f"key in [{name}],")
        expected = known[key].type
        if isinstance(value, list):
            to_float = float in get_args(expected)
            value = tuple(float(v) if to_float and type(v) is int else v for v in value)
        if expected is float and isinstance(value, int):
            value = float(value)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(v, float) and not math.isfinite(v) for v in numbers):
            raise ConfigError(f"{name}.{key} is {shown(value)}; expected finite numbers.")
        if not _fits(value, expected):
            raise ConfigError(f"{name}.{key} is {shown(value)}; expected {expected}.")
        built[key] = value
    return kind(**built)  # type: ignore[operator]


def _fits(value: Any, expected: Any) -> bool:
    if expected in (int, float, bool, str):
        return type(value) is expected
    item_type = get_args(expected)[0]
    return isinstance(value, tuple) and all(type(item) is item_type for item in value)


def load_preset(name: str, overrides: Iterable[str] = ()) -> Preset:
    """Load a shipped preset by name, or a TOML file by path, with overrides on top.

    Args:
        name: "base", or a path that ends in ".toml".
        overrides: "section.key=value" each; the value is written as in TOML.

    Raises:
        ConfigError: the file is missing or not TOML, or a key or value does not fit.
    """
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{name}.toml"
    if not is_file(path):
        shipped = ", ".join(sorted(p.stem for p in PRESETS.glob("*.toml")))
        raise ConfigError(
            f"No preset {name!r}; expected one of {shipped}, or a path to a .toml file."
        )
    try:
        values = parsed(tomllib.loads, path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:  # ValueError: TOML, text that is not UTF-8
        raise ConfigError(f"{path} is not TOML ({exc}); mend the line that it names.") from exc
    for override in overrides:
        key, equals, text = override.partition("=")
        section, dot, leaf = key.strip().partition(".")
        if not (equals and dot and leaf):
            raise ConfigError(f"--set got {shown(override)}; expected section.key=value.")
        try:
            value = parsed(tomllib.loads, f"value = {text}")["value"]
        except ValueError as exc:
            raise ConfigError(
                f"--set {shown(key)} got {shown(text)}; expected a TOML value ({exc})."
            ) from exc
        values.setdefault(section, {})[leaf] = value
    return Preset.from_json(values)
