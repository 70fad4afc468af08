"""The stages of the generator that decides the whole picture at once.

Each starts from a codec and a text engine, which stay as they are (`train.stages.start`), and from
views that are encoded once:

    views      deep latent fitted, pictures encoded
    forms      tables of form codes, the bank, and how words choose from it
    painter    the flow over deep latents
    distilled  a copy of it that is told its guidance
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.spec import BLOCK
from train.checkpoint import (
    cached_tensors,
    is_finished,
    load_module,
    load_stage,
    load_tensors,
    read_report,
    with_prefix,
    write_report,
)
from train.data.pictures import PictureStore
from train.data.views import (
    PaintingViews,
    Source,
    StudioViews,
    Views,
    WordlessViews,
    cached_views,
    canvas_of,
    fitted,
)
from train.lineage import BEST, data_record, write_record
from train.models.bank import FormCodec, fitted_codec
from train.models.codec import Codec
from train.models.images import autocast, images_from_uint8
from train.models.latents import DeepLatent
from train.models.painter import Led, Painter, Words, painted
from train.models.qat import convert, disable
from train.models.text import TextEngine
from train.preset import SamplingConfig
from train.run import Run, stage_fit
from train.stages.codec_task import contact_sheet
from train.stages.distil_task import DistilTask
from train.stages.given import Start
from train.stages.painter_task import PainterTask, ViewMix, WordTable, new_painter
from train.stages.start import start_of

FITTED_FORMS = 6000  # that the tables of form codes are fitted to
KINDS = ("studio", "paintings", "more")  # of sources, in the order of their shares
SECTIONS = ("latent", "painter", "wording")  # that a painter must agree with to go on
REPORTED, SHEET, AT_ONCE = 200, 32, 16  # held-out pictures of each store


@dataclass(frozen=True)
class Parts:
    """Codec, text engine and deep latent: what drawing needs.

    Attributes:
        codec: without fake-quantisation, which only slows it down here.
    """

    codec: Codec
    text: TextEngine
    deep: DeepLatent

    @property
    def side(self) -> int:
        """Positions of the deep latent along each side of a picture."""
        return self.codec.quantizer.config.scales[-1] // BLOCK


@dataclass(frozen=True)
class Opened(Parts):
    """The same, and the pictures.

    Attributes:
        stores: pictures of the studio and of the data folder.
        sources: views of the studio, the annotated paintings, and others where given.
        key: see `latent_key`.
        inputs: sha256 of the files that codec and text engine are of, by name.
    """

    stores: dict[str, PictureStore]
    sources: dict[str, Source]
    key: str
    inputs: dict[str, str]


@dataclass(frozen=True)
class Prepared(Opened):
    """What the stages that learn start from.

    Attributes:
        form_codec: codes of forms.
        views: encoded views of each source.
        mix: batches of them.
        table: the text engine's vectors.
    """

    form_codec: FormCodec
    views: list[Views]
    mix: ViewMix
    table: WordTable


def opened(run: Run) -> Opened:
    """Paint and read what is missing; fit the deep latent."""
    start, config, size = start_of(run), run.preset.latent, run.preset.data.image_size
    codec, pixels, store = _plain(start.codec), run.paintings(), run.studio()
    stores: dict[str, PictureStore] = {"studio": store}
    sources: dict[str, Source] = {"studio": StudioViews(store)}
    if pixels is not None:
        stores["paintings"] = pixels
        sources["paintings"] = PaintingViews(pixels, config.painting_views, size, config.recoloured)
    if run.more is not None:
        sources["more"] = WordlessViews(
            run.more, config.more_kinds, config.more_views, size, config.recoloured
        )
    key = latent_key(run, start)
    deep = _deep_latent(codec, list(sources.values()), run, key)
    return Opened(codec, start.text, deep, stores, sources, key, start.inputs)


def latent_key(run: Run, start: Start) -> str:
    """Names an encoder, a text engine and the shape of the deep latent; no codes, no decoder."""
    digest = hashlib.sha256()
    for module in (start.codec.encoder, start.text):
        for name, tensor in module.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    config = run.preset.latent
    return f"{digest.hexdigest()[:16]}-{config.components}-{config.depth}"


def drawing_parts(run: Run) -> Parts:
    """What drawing needs, the deep latent as the run has it."""
    start = start_of(run)
    return Parts(_plain(start.codec), start.text, trained_latent(run))


def trained_latent(run: Run) -> DeepLatent:
    """The deep latent of the run."""
    deep = _untold_latent(run)
    load_module(deep, load_tensors(_latent_file(run))[0], "latent")
    return deep


def _plain(codec: Codec) -> Codec:
    """A codec without fake-quantisation, which only slows it down here."""
    disable(codec.eval())
    codec.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return codec


def _latent_file(run: Run) -> Path:
    config = run.preset.latent
    return run.folder / "cache" / f"latent-{config.components}-{config.depth}.safetensors"


def _untold_latent(run: Run) -> DeepLatent:
    config = run.preset.latent
    return DeepLatent(run.preset.codec.code_dim, config.components, config.depth)


def prepared(run: Run, start: Opened) -> Prepared:
    """Encode what is not encoded yet; fit the codes of forms."""
    cache, config = run.folder / "cache", run.preset.latent
    views = [
        cached_views(
            start.codec, start.deep, source, cache / f"views-{name}", start.key, run.workers
        )
        for name, source in start.sources.items()
    ]
    form_codec = _form_codec(views, run, start.key)
    again = [
        _coded_forms(v, form_codec, cache / f"views-{name}.codes.safetensors")
        for name, v in zip(start.sources, views, strict=True)
    ]
    shares = dict(zip(KINDS, config.shares, strict=True))
    mix = ViewMix(
        start.deep, views, [shares[name] for name in start.sources], run.preset.wording,
        run.preset.text.max_words, again, run.preset.form.coded,
    )  # fmt: skip
    return Prepared(
        **vars(start), form_codec=form_codec, views=views, mix=mix,
        table=WordTable(start.text, run.preset.text.max_words),
    )  # fmt: skip


def _deep_latent(codec: Codec, sources: list[Source], run: Run, key: str) -> DeepLatent:
    config, deep = run.preset.latent, _untold_latent(run)
    tensors = cached_tensors(
        _latent_file(run),
        "-".join([key, *(source.key for source in sources)]),
        lambda: fitted(codec, sources, config.components, config.depth).state_dict(),
    )
    load_module(deep, tensors, "latent")
    return deep


def _form_codec(views: list[Views], run: Run, key: str) -> FormCodec:
    config, each = run.preset.form, FITTED_FORMS // len(views)

    def tables() -> dict[str, Tensor]:
        forms = [v.forms[np.linspace(0, len(v) - 1, min(each, len(v))).astype(int)] for v in views]
        whole = torch.from_numpy(np.concatenate(forms))
        fitted = fitted_codec(whole, config.stages, config.codes, config.patch)
        return {"tables": fitted.tables}

    path = run.folder / "cache" / "form-codes.safetensors"
    about = f"{key}-{config.stages}-{config.codes}-{config.patch}-{[len(v) for v in views]}"
    return FormCodec(cached_tensors(path, about, tables)["tables"])


def _coded_forms(views: Views, codec: FormCodec, path: Path) -> npt.NDArray[np.int8]:
    """Forms as their codes leave them, (M, 64, 64); the codes are found once."""
    digest = hashlib.sha256(codec.tables.numpy().tobytes() + views.forms.tobytes())
    found = cached_tensors(
        path, digest.hexdigest(),
        lambda: {"codes": codec.encode_all(torch.from_numpy(views.forms))},
    )  # fmt: skip
    return codec.decode(found["codes"]).numpy()


def train_painter(run: Run, ready: Prepared) -> dict[str, Any]:
    """Train the painter on the encoded views; write the report and a sheet of held-out forms."""
    config = run.preset.painter_fit
    task = PainterTask(run.preset, ready.mix, ready.table, run.together.part(config.batch))
    fit = stage_fit(run, "painter", task, config, SECTIONS, key=ready.key)
    if is_finished(fit.folder):
        return read_report(fit.folder)
    fit.run()
    if not run.together.leads:
        return {}
    task.module.eval()
    led = Led(task.module.average, run.preset.painter.form_guidance)
    _sheet(run, ready, led, fit.folder)
    return write_record(
        run, fit, data=data_record(run, more=True), inputs=ready.inputs, val=task.validate()
    )


@torch.no_grad()
def report_latent(run: Run, start: Opened) -> dict[str, Any]:
    """What the deep latent costs: held-out pictures by the codec alone, and through the latent.

    Returns:
        Of the studio and the paintings each: `canvas` and `coded`, the shares of the canvas's
        variance that the latent and the codes leave out; `codec` and `through`, mean squared
        errors of pixels in [-1, 1]; `images`.
    """
    folder, size = run.folder / "latent", run.preset.data.image_size
    figures: dict[str, Any] = {}
    for name, store in start.stores.items():
        members = store.by_split["val"][:REPORTED]
        images = images_from_uint8([store.centre(index, size) for index in members])
        canvas = torch.cat([canvas_of(start.codec, part) for part in torch.split(images, AT_ONCE)])
        latents = start.deep.latents(start.deep.components(canvas))
        composed = start.deep.compose(latents)
        again = torch.cat([pictures(start, part) for part in torch.split(latents, AT_ONCE)])
        own = torch.cat([decoded(start.codec, part) for part in torch.split(canvas, AT_ONCE)])
        figures[name] = {
            "images": len(images),
            "canvas": _left_out(composed, canvas),
            "coded": _left_out(start.codec.quantizer(canvas)[0], canvas),
            "codec": float(F.mse_loss(own, images)), "through": float(F.mse_loss(again, images)),
        }  # fmt: skip
        contact_sheet([images[:SHEET], own[:SHEET], again[:SHEET]], 8, folder / f"{name}.png")
    return write_report(folder, figures)


def _left_out(canvas: Tensor, whole: Tensor) -> float:
    """The share of a canvas's variance, (B, C, h, w), that another lacks."""
    return float(F.mse_loss(canvas, whole) / whole.var(dim=(0, 2, 3)).mean())


def trained_painter(run: Run) -> tuple[Painter, str]:
    """The averaged painter of the run, and the sha256 of its file."""
    tensors, key = load_stage(run.folder, "painter")
    painter = new_painter(run.preset)
    load_module(painter, with_prefix(tensors, "average"), "painter")
    return painter.eval(), key


def train_distilled(run: Run, ready: Prepared) -> dict[str, Any]:
    """Teach a copy of the painter to be guided in one evaluation; write the report and a sheet."""
    config, (teacher, key) = run.preset.distil_fit, trained_painter(run)
    task = DistilTask(run.preset, ready.mix, ready.table, teacher, run.together.part(config.batch))
    about = {"painter_sha256": key, "sampling_steps": run.preset.sampling.steps}
    fit = stage_fit(run, "distilled", task, config, (*SECTIONS, "distil"), **about)
    if is_finished(fit.folder):
        return read_report(fit.folder)
    fit.run()
    if not run.together.leads:
        return {}
    student = task.module.eval()
    if config.qat_steps:
        convert(student)
    _sheet(run, ready, student, fit.folder)
    inputs = {**ready.inputs, f"painter/{BEST}": key}
    return write_record(
        run, fit, data=data_record(run, more=True), inputs=inputs, val=task.validate()
    )


def _sheet(run: Run, ready: Prepared, painter: nn.Module, folder: Path) -> None:
    drawn = repainted(ready, painter, run.preset.sampling)
    contact_sheet([drawn], 8, folder / "repainted.png")


def trained_distilled(run: Run) -> tuple[Painter, str]:
    """The distilled painter of the run, fake-quantised, and the sha256 of its file."""
    tensors, key = load_stage(run.folder, "distilled")
    painter = new_painter(run.preset)
    load_module(painter, tensors, "painter")
    if run.preset.distil_fit.qat_steps:
        convert(painter)
    return painter.eval(), key


def drawing_painter(run: Run, *, distilled: bool) -> nn.Module:
    """The run's painter as `draw` takes it: distilled, or led."""
    if distilled:
        return trained_distilled(run)[0]
    return Led(trained_painter(run)[0], run.preset.painter.form_guidance)


@torch.no_grad()
def pictures(start: Parts, latents: Tensor) -> Tensor:
    """Latents (B, N, D) -> images (B, 3, H, W) in [-1, 1], by way of the codec's indices."""
    return decoded(start.codec, start.deep.compose(latents.float()))


@torch.no_grad()
def decoded(codec: Codec, canvas: Tensor) -> Tensor:
    """Canvas (B, C, h, w), coded again -> images (B, 3, H, W) in [-1, 1]."""
    indices = codec.quantizer(canvas)[1]
    with autocast():
        images: Tensor = codec.decode(indices)
    return images.float().contiguous()


def draw(
    start: Parts, painter: nn.Module, words: Words, form: Tensor, sampling: SamplingConfig,
    rng: np.random.Generator,
) -> Tensor:  # fmt: skip
    """Images of words in given forms, (B, 64, 64) float32, by a distilled or led painter."""
    shape = (len(form), start.side**2, len(start.deep.block_rows))
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    whole = torch.zeros(len(form))  # the form without noise
    with autocast():
        latents = painted(
            painter, noise, form, whole, words, steps=sampling.steps,
            guidance_scale=sampling.guidance_scale,
        )  # fmt: skip
    return pictures(start, latents)


def repainted(
    ready: Prepared, painter: nn.Module, sampling: SamplingConfig, count: int = 24
) -> Tensor:
    """Held-out forms in the words of other held-out views: images (2 B, 3, H, W)."""
    rng = np.random.default_rng(3)
    batches = ready.mix.held_out(rng)
    each = count // len(batches)
    form = torch.cat([batch.form[:each] for batch in batches])
    prompts = [p for batch in batches for p in batch.prompts[-each:]]
    latents = torch.cat([batch.latents[:each] for batch in batches])
    words = ready.table.of(prompts)
    drawn = draw(ready, painter, words, form, sampling, rng)
    return torch.cat([pictures(ready, latents), drawn])
