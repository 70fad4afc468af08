"""Training presets: frozen dataclasses, read from TOML, with `section.key=value` on top."""

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from t2a_edge.attribute_table import AXIS_MEASURES
from t2a_edge.checks import shown
from t2a_edge.documents import is_file
from t2a_edge.errors import ConfigError
from t2a_edge.spec import BLOCK, Spec
from train.documents import parsed

PRESETS = Path(__file__).parent / "presets"
FACTORS = ("scale_guidance", "scale_temperature", "scale_coherence")
REFINER_PASSES = (0, 1, 2, 4)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How pictures are cut out of the training images.

    Attributes:
        image_size: side of the square that is trained on, in pixels.
        shorter_side: images are scaled so that their shorter side has this many pixels.
        views: crops, turns and flips of each training image that are cached as indices.
        slips: mean share of the positions whose code is a wrong one in what training sees; see
            `train.codec.MultiScaleQuantizer.encode_with_slips`.
        recoloured: share of those views that get other colours, with the words that still hold.
        studio_pictures: pictures that the studio paints for training; 0 is none.
        studio_share: share of them in what is trained on; the rest is the data folder's.
        studio_views: turns and flips of each that are cached as indices.
        studio_seed: of the first picture; the next ones count on.
    """

    image_size: int = 256
    shorter_side: int = 288
    views: int = 16
    slips: float = 0.1
    recoloured: float = 0.0
    studio_pictures: int = 0
    studio_share: float = 0.5
    studio_views: int = 2
    studio_seed: int = 0

    def __post_init__(self) -> None:
        _require(
            self.shorter_side >= self.image_size,
            f"data.shorter_side is {self.shorter_side}; expected at least data.image_size, "
            f"{self.image_size}. Raise it, or lower data.image_size.",
        )
        for name in ("views", "studio_views"):
            value = getattr(self, name)
            _require(value >= 1, f"data.{name} is {value}; expected at least 1.")
        _require(
            0 <= self.slips <= 0.5 and 0 <= self.recoloured <= 1,
            f"data.slips is {self.slips} and data.recoloured {self.recoloured}; expected 0 to 0.5 "
            "and 0 to 1.",
        )
        _require(
            self.studio_pictures >= 0 and 0 <= self.studio_share < 1,
            f"data.studio_pictures is {self.studio_pictures} and data.studio_share "
            f"{self.studio_share}; expected 0 or more pictures and a share in [0, 1).",
        )


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Shape of the VQ-VAE. Widths and blocks run from the latent grid outwards.

    Attributes:
        scales: grid sides, coarse to fine; the last is the side of the latent canvas.
        codebook_size, code_dim: the codebook that all scales share.
        encoder_widths, decoder_widths: channels at latent side x 1, 2, 4, ...
        encoder_blocks, decoder_blocks: residual blocks at the same sides.
        encoder_stem_pixels, decoder_stem_pixels: side of the pixel block that one outermost
            position covers.
        decay: of the codebook's moving average.
        commitment: weight of the loss that keeps latents near their codes.
        revive_below: a code with a smaller moving count is replaced by a latent of the batch.
        plain_steps: steps without codebook, before the k-means start.
        balance_rounds, balance_rate: how the use of codes is evened out at the end; see
            `train.codec.MultiScaleQuantizer.balance`.
    """

    scales: tuple[int, ...] = (1, 2, 4, 8, 16, 16)
    codebook_size: int = 512
    code_dim: int = 64
    encoder_widths: tuple[int, ...] = (128, 96, 64)
    encoder_blocks: tuple[int, ...] = (2, 1, 1)
    encoder_stem_pixels: int = 4
    decoder_widths: tuple[int, ...] = (128, 96, 64, 32)
    decoder_blocks: tuple[int, ...] = (3, 2, 1, 1)
    decoder_stem_pixels: int = 2
    decay: float = 0.99
    commitment: float = 0.25
    revive_below: float = 0.05
    plain_steps: int = 200
    balance_rounds: int = 0
    balance_rate: float = 0.002

    def __post_init__(self) -> None:
        _require(
            bool(self.scales)
            and min(self.scales) >= 1
            and not any(self.scales[-1] % side for side in self.scales),
            f"codec.scales is {shown(list(self.scales))}; expected divisors of the last one, "
            "whole numbers from 1.",
        )
        for name in ("encoder", "decoder"):
            widths, blocks = getattr(self, f"{name}_widths"), getattr(self, f"{name}_blocks")
            _require(
                len(widths) == len(blocks),
                f"codec.{name}_widths has {len(widths)} entries and codec.{name}_blocks "
                f"{len(blocks)}; expected one for each resolution in both.",
            )

    def pixels_per_latent(self, name: str) -> int:
        """Pixels along a side that a latent covers in the encoder or decoder, as `name` says."""
        levels = len(getattr(self, f"{name}_widths"))
        stem: int = getattr(self, f"{name}_stem_pixels")
        return int(stem * 2 ** (levels - 1))


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Shape of the tokenizer-free word embedding.

    Attributes:
        table_size: rows that byte n-grams are hashed to.
        table_dim: dimensions of a row.
        ngrams: lengths of the byte n-grams, boundary marks included.
        max_words, max_bytes: most adjectives in a prompt and bytes in one.
    """

    table_size: int = 4096
    table_dim: int = 64
    ngrams: tuple[int, ...] = (2, 3, 4)
    max_words: int = 8
    max_bytes: int = 32

    def __post_init__(self) -> None:
        _require(
            bool(self.ngrams) and all(1 <= n <= 6 for n in self.ngrams),
            f"text.ngrams is {list(self.ngrams)}; expected lengths from 1 to 6.",
        )


@dataclass(frozen=True, kw_only=True)
class WordsConfig:
    """What the text engine is distilled towards, and how words are written meanwhile.

    Attributes:
        teacher_dim: principal components of the teachers' vectors that are kept.
        score_weight: length of a full axis score beside a teacher vector of length 1.
        pair_weight, antonym_weight: of the pairwise-similarity and the antonym loss.
        antonym_cosine: antonyms end at most this close.
        misspelt, inflected, nonsense: shares of a batch that are written with a slip, with an
            ending, or that are no words at all.
        held_out: share of the lexicon's strings that training never sees, to measure spelling.
    """

    teacher_dim: int = 48
    score_weight: float = 1.4
    pair_weight: float = 4.0
    antonym_weight: float = 1.0
    antonym_cosine: float = 0.0
    misspelt: float = 0.3
    inflected: float = 0.1
    nonsense: float = 0.05
    held_out: float = 0.0

    def __post_init__(self) -> None:
        _require(self.teacher_dim >= 1, f"words.teacher_dim is {self.teacher_dim}; expected >= 1.")
        shares = self.misspelt + self.inflected + self.nonsense
        _require(
            0 <= shares < 1,
            f"words.misspelt, inflected and nonsense add up to {shares:g}; expected less than 1.",
        )
        _require(
            0 <= self.held_out < 1,
            f"words.held_out is {self.held_out}; expected from 0 to below 1.",
        )


@dataclass(frozen=True, kw_only=True)
class WordingConfig:
    """Which adjectives a training step shows for a picture; see `train.wording`.

    Attributes:
        guidance_dropout: share of samples that lose all their adjectives.
        dropout: chance of each given adjective to be left out otherwise.
        prompt_dropout: the same for the words of a prompt that a selected picture was drawn for.
        checked: whether a given adjective is left out where the picture measures on the other side
            of the middle of all pictures.
        measured: chance of each strongly measured attribute to be named.
        extreme_share: of the pictures that count as strong at either end of an attribute.
        synonyms: chance of each word to be replaced by one of the lexicon that means the same.
        caps: a step shows at most one of these numbers of words, drawn anew for each sample; none
            given is no cap.
    """

    guidance_dropout: float = 0.1
    dropout: float = 0.5
    prompt_dropout: float = 0.2
    checked: bool = False
    measured: float = 0.0
    extreme_share: float = 0.25
    synonyms: float = 0.0
    caps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("guidance_dropout", "dropout", "prompt_dropout", "measured", "synonyms"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"wording.{name} is {value}; expected 0 to 1.")
        _require(
            0 < self.extreme_share <= 0.5,
            f"wording.extreme_share is {self.extreme_share}; expected above 0, at most 0.5.",
        )
        _require(
            all(cap >= 1 for cap in self.caps),
            f"wording.caps is {list(self.caps)}; expected numbers from 1.",
        )


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of the next-scale transformer.

    Attributes:
        layers, width, heads, mlp_ratio: as usual; heads divide width.
        branch_dropout: chance that a sample skips a residual branch in training.
    """

    layers: int = 3
    width: int = 192
    heads: int = 3
    mlp_ratio: int = 4
    branch_dropout: float = 0.1

    def __post_init__(self) -> None:
        _require(
            self.width % self.heads == 0,
            f"transformer.width is {self.width} and transformer.heads {self.heads}; "
            "expected a width that the heads divide.",
        )


@dataclass(frozen=True, kw_only=True)
class AdversaryConfig:
    """How the decoder is sharpened against a discriminator.

    Attributes:
        weight: of the discriminator's verdict, where 1 pulls as hard as the pixel losses; 0 leaves
            the stage out.
        width: channels of the discriminator's first layer.
        ramp_steps: over which the weight rises.
        band_weight: of the error of fine detail in the validation loss, beside the squared error.
    """

    weight: float = 0.0
    width: int = 32
    ramp_steps: int = 100
    band_weight: float = 0.05


@dataclass(frozen=True, kw_only=True)
class RefinerConfig:
    """Shape of the refiner, which predicts the finest scales in the transformer's place.

    Attributes:
        passes: over each of its scales, 1, 2 or 4; 0 is no refiner.
        scales: how many of the finest scales it predicts.
        width, blocks: channels and residual blocks.
        corrupt: chance of each index of the passes before to be replaced by a random one in
            training.
    """

    passes: int = 0
    scales: int = 1
    width: int = 128
    blocks: int = 2
    corrupt: float = 0.05

    def __post_init__(self) -> None:
        _require(
            self.passes in REFINER_PASSES,
            f"refiner.passes is {self.passes}; expected one of {list(REFINER_PASSES)}.",
        )
        _require(self.scales >= 1, f"refiner.scales is {self.scales}; expected at least 1.")


@dataclass(frozen=True, kw_only=True)
class DrawingConfig:
    """Pictures that a model draws to learn from.

    Attributes:
        draws: pictures of each prompt; 0 leaves the stage out.
        prompts: how many; their words are known adjectives.
        lengths: a prompt has one of these numbers of words, each as likely as it is often here.
        favoured, odds: axes that are named more or less often than the others, and how many times
            as often.
        enough: margin from which pictures are alike, in spreads of the pictures without words.
        wordless: pictures without words that the others are compared with.
        seed: of the prompts.
        noise_seed: of the noise without words; the two next ones are those of the prompts' noise
            and of a validation's.
    """

    STAGE: ClassVar[str] = "drawing"

    draws: int = 0
    prompts: int = 1500
    lengths: tuple[int, ...] = (1, 1, 2, 3)
    favoured: tuple[str, ...] = ()
    odds: tuple[float, ...] = ()
    enough: float = 1.0
    wordless: int = 240
    seed: int = 5
    noise_seed: int = 5

    def __post_init__(self) -> None:
        stage = self.STAGE
        _require(self.draws >= 0, f"draws of a {stage} is {self.draws}; expected 0 or more.")
        for name in ("prompts", "wordless"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} of a {stage} is {value}; expected at least 1.")
        _require(
            bool(self.lengths) and all(length >= 1 for length in self.lengths),
            f"lengths of a {stage} is {list(self.lengths)}; expected numbers from 1.",
        )
        unknown = [name for name in self.favoured if name not in AXIS_MEASURES]
        _require(
            not unknown,
            f"favoured of a {stage} names {unknown}; expected axes with a measure: "
            f"{', '.join(AXIS_MEASURES)}.",
        )
        _require(
            len(self.odds) == len(self.favoured) and all(odds > 0 for odds in self.odds),
            f"odds of a {stage} is {list(self.odds)} for the favoured axes "
            f"{list(self.favoured)}; expected a number above 0 for each.",
        )


@dataclass(frozen=True, kw_only=True)
class SelectionConfig(DrawingConfig):
    """How the generator learns from those of its own pictures that show what was asked for.

    Attributes:
        keep: most pictures of a prompt that are kept.
        share: of the selected pictures in what is trained on.
    """

    STAGE: ClassVar[str] = "selection"

    keep: int = 2
    share: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.keep >= 1, f"keep of a selection is {self.keep}; expected at least 1.")
        _require(
            0 < self.share < 1,
            f"share of a selection is {self.share}; expected above 0 and below 1.",
        )


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig(DrawingConfig):
    """How generator and refiner learn which of two pictures shows its words better.

    Attributes:
        gap: least difference of the margins of two pictures that are compared.
        strength: how much a difference of likelihoods counts, per nat.
        held_out: share of the prompts whose pictures are validated on.
    """

    STAGE: ClassVar[str] = "preference"

    gap: float = 0.4
    strength: float = 0.1
    held_out: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.draws != 1, "draws of a preference is 1; expected 2 or more to compare.")
        for name in ("gap", "strength"):
            value = getattr(self, name)
            _require(value > 0, f"{name} of a preference is {value}; expected above 0.")
        _require(
            0 < self.held_out < 1,
            f"held_out of a preference is {self.held_out}; expected above 0 and below 1.",
        )


@dataclass(frozen=True, kw_only=True)
class RewardConfig(DrawingConfig):
    """How a model learns from critics that see what its codes will measure.

    `enough` is the margin at which a word is shown well enough; from there on it hardly counts.

    Attributes:
        scales: numbers of the scales that are drawn anew, each with a critic that sees the codes
            up to it.
        width: channels of a critic.
        weight: of what each critic says, beside the losses on data.
        divergence: of leaving what the model drew before, per nat.
        wordless_share: of the pictures without words among those that must stay as they were.
        held_out: share of the prompts whose pictures are validated on.
    """

    STAGE: ClassVar[str] = "reward"

    scales: tuple[int, ...] = (3, 4)
    width: int = 64
    weight: float = 5.0
    divergence: float = 0.4
    wordless_share: float = 0.1
    held_out: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct = set(self.scales)
        _require(
            bool(distinct) and len(distinct) == len(self.scales) and min(distinct) >= 0,
            f"scales of a reward is {list(self.scales)}; expected numbers of scales, each once.",
        )
        _require(self.width >= 1, f"width of a reward's critic is {self.width}; expected from 1.")
        for name in ("weight", "divergence"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} of a reward is {value}; expected 0 or more.")
        for name in ("wordless_share", "held_out"):
            value = getattr(self, name)
            _require(0 < value < 1, f"{name} of a reward is {value}; expected above 0 and below 1.")


HUE = "hue"  # what the hues are called together


@dataclass(frozen=True, kw_only=True)
class CompositionConfig:
    """How the generator learns to follow all words of a prompt as it follows each alone.

    Attributes:
        share: of the teacher's pull that comes from the words one by one, 0 to 1; the rest is
            that of all words together. 0 leaves the stage out.
        axes, pulls: how strongly the words of these axes, or hues by the name "hue", pull on a
            picture of the teacher; 1 is the plain pull, which all others have.
        most: words from which on the words alone share what this many would pull.
        lengths: a prompt has one of these numbers of words, each as likely as it is often here; 0
            is a picture without words.
        seed: of the prompts and noise of a validation.
    """

    share: float = 0.0
    axes: tuple[str, ...] = ()
    pulls: tuple[float, ...] = ()
    most: int = 3
    lengths: tuple[int, ...] = (0, 1, 2, 2, 3, 3, 3, 4)
    seed: int = 31

    def __post_init__(self) -> None:
        _require(
            0 <= self.share <= 1, f"share of a composition is {self.share}; expected from 0 to 1."
        )
        unknown = [name for name in self.axes if name not in (*AXIS_MEASURES, HUE)]
        _require(
            not unknown,
            f"axes of a composition names {unknown}; expected {HUE} or axes with a measure: "
            f"{', '.join(AXIS_MEASURES)}.",
        )
        _require(
            len(self.pulls) == len(self.axes) and all(pull > 0 for pull in self.pulls),
            f"pulls of a composition is {list(self.pulls)} for the axes {list(self.axes)}; "
            "expected a number above 0 for each.",
        )
        _require(self.most >= 1, f"most of a composition is {self.most}; expected at least 1.")
        _require(
            bool(self.lengths) and all(length >= 0 for length in self.lengths),
            f"lengths of a composition is {list(self.lengths)}; expected numbers from 0.",
        )


@dataclass(frozen=True, kw_only=True)
class QatConfig:
    """Quantisation-aware steps: symmetric INT8, weights per channel, activations per tensor.

    Attributes:
        momentum: of the moving average of each activation's largest magnitude.
    """

    momentum: float = 0.05

    def __post_init__(self) -> None:
        _require(0 < self.momentum <= 1, f"qat.momentum is {self.momentum}; expected (0, 1].")


@dataclass(frozen=True, kw_only=True)
class LatentConfig:
    """The deep latent, and which views of pictures it is fitted to and the painter learns from.

    Attributes:
        components: of the canvas's vectors that are kept.
        depth: numbers of each of the 8 x 8 positions.
        studio_pictures: pictures of the studio, a view of each.
        painting_views, more_views: squares of each annotated painting, and of each other picture.
        more_kinds: kinds of the other pictures that are used; all of them where empty.
        recoloured: share of the squares of paintings that get other colours.
        shares: of the studio, the annotated paintings and the others in what is trained on.
    """

    components: int = 12
    depth: int = 64
    studio_pictures: int = 40_000
    painting_views: int = 10
    more_views: int = 4
    more_kinds: tuple[str, ...] = ("abstract",)
    recoloured: float = 0.25
    shares: tuple[float, ...] = (0.5, 0.25, 0.25)

    def __post_init__(self) -> None:
        for name in ("components", "depth", "studio_pictures", "painting_views"):
            value = getattr(self, name)
            _require(value >= 1, f"latent.{name} is {value}; expected at least 1.")
        _require(
            len(self.shares) == 3 and min(self.shares) >= 0 and self.shares[0] > 0,
            f"latent.shares is {list(self.shares)}; expected one number for the studio, the "
            "annotated paintings and other pictures each.",
        )


@dataclass(frozen=True, kw_only=True)
class FormConfig:
    """The bank of forms, and how words choose from it.

    Attributes:
        size: forms in the bank.
        paintings: share of them that are of paintings; the others are of the studio.
        stages, codes: table rows that a patch of a form is summed from, of so many each.
        coded: share of training forms that the painter sees as the codes leave them.
        key: numbers of a form's key and of a word's vector.
        settling: steps in which the keys of the bank's forms move to what is known of each.
        faith: weight of how far they move from what the encoder says.
        doubt: how likely what is known of a form is wrong.
        temperature: of the choice between forms.
    """

    size: int = 2000
    paintings: float = 0.3
    stages: int = 5
    codes: int = 256
    coded: float = 0.6
    key: int = 64
    settling: int = 1200
    faith: float = 0.05
    doubt: float = 0.005
    temperature: float = 0.5


@dataclass(frozen=True, kw_only=True)
class PainterConfig:
    """Shape of the painter, a flow over deep latents, and how it is taught.

    Attributes:
        layers, width, heads, mlp_ratio: as usual; heads divide width.
        form_dropout: share of samples whose form says nothing.
        form_noised: share whose form has noise of any level; the others have up to `form_noise`.
        form_noise: see above.
        level_mean: mean of the logit of the noise level that a sample is taught at.
        form_guidance: how far the form is followed, where 1 is the model's own strength.
        average: samples after which half of the averaged weights is new.
    """

    layers: int = 3
    width: int = 192
    heads: int = 3
    mlp_ratio: int = 4
    form_dropout: float = 0.08
    form_noised: float = 0.25
    form_noise: float = 0.15
    level_mean: float = 0.4
    form_guidance: float = 1.6
    average: int = 40_000

    def __post_init__(self) -> None:
        _require(
            self.width % self.heads == 0,
            f"painter.width is {self.width} and painter.heads {self.heads}; expected a width that "
            "the heads divide.",
        )
        _require(
            self.form_dropout >= 0
            and self.form_noised >= 0
            and self.form_dropout + self.form_noised <= 1,
            f"painter.form_dropout is {self.form_dropout} and painter.form_noised "
            f"{self.form_noised}; expected shares that add up to at most 1.",
        )


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """One training run: float steps with a cosine schedule, then quantisation-aware steps.

    Attributes:
        steps, qat_steps: optimiser steps in either phase.
        batch: samples a step.
        learning_rate: at its highest; the float phase ends at a tenth of it.
        warmup: steps over which the learning rate rises.
        validate_every: steps between validations.
        patience: validations without a better one that end the float phase early; 0 is never.
        checkpoint_every: steps between checkpoints to resume from.
    """

    steps: int = 1000
    qat_steps: int = 100
    batch: int = 16
    learning_rate: float = 4e-4
    weight_decay: float = 0.01
    warmup: int = 100
    clip: float = 1.0
    validate_every: int = 250
    patience: int = 0
    checkpoint_every: int = 250
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "checkpoint_every"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} is {value}; expected at least 1.")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Sampling defaults that go into the bundle; see `t2a_edge.spec.Spec`.

    Attributes:
        scale_guidance, scale_temperature: a factor for each scale; none given is 1 for all.
        scale_coherence: a radius for each scale; none given is 0 for all.
        guidance_by_words: a share for each number of words; none given is 1 for all.
        refiner_redraws: how many parts of each of its scales the refiner draws anew after its
            passes, one number for all or one for each; it is trained for it where there are any.
    """

    guidance_scale: float = 3.0
    temperature: float = 1.0
    top_k: int = 0
    scale_guidance: tuple[float, ...] = ()
    scale_temperature: tuple[float, ...] = ()
    scale_coherence: tuple[float, ...] = ()
    guidance_by_words: tuple[float, ...] = ()
    refiner_redraws: tuple[int, ...] = ()


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
    codec: CodecConfig = field(default_factory=CodecConfig)
    codec_fit: FitConfig = field(default_factory=FitConfig)
    text: TextConfig = field(default_factory=TextConfig)
    words: WordsConfig = field(default_factory=WordsConfig)
    words_fit: FitConfig = field(default_factory=FitConfig)
    wording: WordingConfig = field(default_factory=WordingConfig)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    transformer_fit: FitConfig = field(default_factory=FitConfig)
    adversary: AdversaryConfig = field(default_factory=AdversaryConfig)
    decoder_fit: FitConfig = field(default_factory=FitConfig)
    refiner: RefinerConfig = field(default_factory=RefinerConfig)
    refiner_fit: FitConfig = field(default_factory=FitConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    selection_fit: FitConfig = field(default_factory=FitConfig)
    reselection: SelectionConfig = field(default_factory=SelectionConfig)
    reselection_fit: FitConfig = field(default_factory=FitConfig)
    refinement_fit: FitConfig = field(default_factory=FitConfig)
    preference: PreferenceConfig = field(default_factory=PreferenceConfig)
    preference_fit: FitConfig = field(default_factory=FitConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    critic_fit: FitConfig = field(default_factory=FitConfig)
    reward_fit: FitConfig = field(default_factory=FitConfig)
    composition: CompositionConfig = field(default_factory=CompositionConfig)
    composition_fit: FitConfig = field(default_factory=FitConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    form: FormConfig = field(default_factory=FormConfig)
    chooser_fit: FitConfig = field(default_factory=FitConfig)
    painter: PainterConfig = field(default_factory=PainterConfig)
    painter_fit: FitConfig = field(default_factory=FitConfig)
    distil_fit: FitConfig = field(default_factory=FitConfig)
    qat: QatConfig = field(default_factory=QatConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    card: CardConfig = field(default_factory=CardConfig)

    def __post_init__(self) -> None:
        for name in FACTORS:
            count = len(getattr(self.sampling, name))
            _require(
                count in (0, len(self.codec.scales)),
                f"sampling.{name} has {count} entries; expected {len(self.codec.scales)}, one for "
                "each scale, or none.",
            )
        _require(
            not self.refiner.passes or len(self.codec.scales) > self.refiner.scales,
            f"refiner.scales is {self.refiner.scales} and codec.scales {list(self.codec.scales)}; "
            "expected fewer: the refiner draws the finest scales from the transformer's.",
        )
        redraws = self.sampling.refiner_redraws
        _require(
            len(redraws) in (0, 1, self.refiner.scales),
            f"sampling.refiner_redraws has {len(redraws)} entries; expected {self.refiner.scales}, "
            "one for each of the refiner's scales, or one for all.",
        )
        _require(
            all(number >= 0 for number in redraws)
            and (self.refiner.passes > 1 or not any(redraws)),
            f"sampling.refiner_redraws is {list(redraws)} and refiner.passes "
            f"{self.refiner.passes}; expected 0 or more, and 0 with fewer than two passes.",
        )
        for name in ("encoder", "decoder"):
            side = self.codec.scales[-1] * self.codec.pixels_per_latent(name)
            _require(
                side == self.data.image_size,
                f"The codec's {name} makes {side} pixels a side and data.image_size is "
                f"{self.data.image_size}; expected the same. Change codec.{name}_widths.",
            )

    @property
    def coarse_scales(self) -> tuple[int, ...]:
        """The scales that the transformer predicts: all, or all but the refiner's."""
        return (
            self.codec.scales[: -self.refiner.scales] if self.refiner.passes else self.codec.scales
        )

    @property
    def latent_side(self) -> int:
        """Positions of the deep latent along each side of a picture."""
        return self.codec.scales[-1] // BLOCK

    @property
    def spec(self) -> Spec:
        """The numbers that a runtime needs."""
        ones = (1.0,) * len(self.codec.scales)
        redraws = self.sampling.refiner_redraws
        return Spec(
            image_size=self.data.image_size,
            scales=self.codec.scales,
            codebook_size=self.codec.codebook_size,
            code_dim=self.codec.code_dim,
            max_words=self.text.max_words,
            max_bytes=self.text.max_bytes,
            layers=self.transformer.layers,
            heads=self.transformer.heads,
            head_dim=self.transformer.width // self.transformer.heads,
            guidance_scale=self.sampling.guidance_scale,
            temperature=self.sampling.temperature,
            top_k=self.sampling.top_k,
            scale_guidance=self.sampling.scale_guidance or ones,
            scale_temperature=self.sampling.scale_temperature or ones,
            scale_coherence=self.sampling.scale_coherence,
            guidance_by_words=self.sampling.guidance_by_words,
            refiner_passes=self.refiner.passes,
            refiner_redraws=redraws * self.refiner.scales if len(redraws) == 1 else redraws,
            refiner_scales=self.refiner.scales,
        )

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
        if type(value) is int and get_args(expected) and int in get_args(expected):
            value = [value]  # one number for all
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
