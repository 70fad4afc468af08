"""The stages of a training run, each resumable, each with a report."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.vocabulary import known_words
from train.checkpoint import (
    file_sha256,
    is_finished,
    load_module,
    load_stage,
    load_tensors,
    read_report,
    save_tensors,
    with_prefix,
    write_report,
)
from train.codec import Codec
from train.codec_task import CodecTask, centre_images, contact_sheet, rebuild
from train.config import FitConfig, Preset
from train.data import PictureMix, PictureStore, PixelStore, code_version, load_rows
from train.decoder_task import DecoderTask
from train.draw import BatchSampler
from train.generator_task import Generator, GeneratorTask, IndexMix, IndexStore, cache_indices
from train.loop import Fit, State, Task
from train.metrics import codec_report
from train.model import Model
from train.qat import convert, disable, on_int8_grid
from train.refiner import Refiner
from train.refiner_task import RefinerTask
from train.selection_task import SelectionTask, selected_pictures
from train.studio_store import StudioStore
from train.together import ALONE, Together
from train.tracking import NoTracker, make_tracker

SHEET_IMAGES = 24
MEASURES = (Path("train/augment.py"), *(Path(f"t2a_edge/attribute{part}.py") for part in
            ("s", "_table", "_colour", "_edges", "_lines", "_layout")))  # fmt: skip
HELD_OUT = ("val", "test")
TOGETHER = "held_out"  # name of the figures over both
NO_WORDS = (
    "note: this run has no words stage, so the text engine is trained along and knows other "
    "adjectives by their spelling alone; see `python -m train words` and `--text`"
)
PICTURE_KEYS = ("image_size", "shorter_side", "studio_pictures", "studio_share", "studio_seed")
INDEX_SECTIONS = ("data", "codec", "text", "wording")  # of the preset, for stages on indices
DRAWN = ("draws", "prompts", "lengths", "favoured", "odds", "wordless", "seed", "noise_seed")
STAGES = ("words", "codec", "decoder", "generator", "refiner", "selection")


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares.

    Attributes:
        preset: shapes and schedules.
        folder: checkpoints, logs and figures go below it.
        data: folder of images with one .jsonl of adjectives.
        wandb: log to Weights & Biases, not to TensorBoard.
        text: a whole model's checkpoint whose text engine is used where the run has no words
            stage; None trains one along.
        workers: processes that paint the studio's pictures, encode views of pictures, or draw for
            another selection.
        together: the processes that train a stage, for those that can be shared.
    """

    preset: Preset
    folder: Path
    data: Path
    wandb: bool = False
    text: Path | None = None
    workers: int = os.cpu_count() or 1
    together: Together = ALONE

    def paintings(self) -> PixelStore:
        """The data folder."""
        return PixelStore(
            load_rows(self.data), self.preset.data.shorter_side, self.folder / "cache"
        )

    def pictures(self) -> PictureMix:
        """The data folder, then the studio if the preset wants it, with their shares."""
        data, cache, paintings = self.preset.data, self.folder / "cache", self.paintings()
        if not data.studio_pictures:
            return PictureMix([paintings], [1.0])
        studio = StudioStore(
            data.studio_pictures, data.image_size, data.studio_seed, cache, self.workers
        )
        return PictureMix([paintings, studio], [1 - data.studio_share, data.studio_share])


def _pictures(values: dict[str, Any], pictures: PictureMix) -> dict[str, Any]:
    """What says which pictures a codec is trained on, beside its shape."""
    data = {key: values["data"][key] for key in PICTURE_KEYS}
    return {"data": data, "codec": values["codec"], "stores": pictures.keys}


def stage_fit(
    run: Run, stage: str, task: Task, config: FitConfig, sections: Sequence[str], **about: Any
) -> Fit:
    """The resumable run of one stage.

    Args:
        sections: of the preset, which a checkpoint must agree with to be resumed.
        about: what else it must agree with.
    """
    values, folder = run.preset.to_json(), run.folder / stage
    told = {**{key: values[key] for key in sections}, **about}
    if not run.together.leads:
        return Fit(task, config, folder, told, NoTracker(), run.together)
    tracker = make_tracker(folder, values, wandb=run.wandb)
    return Fit(task, config, folder, told, tracker, run.together)


def stage_effort(state: State) -> dict[str, Any]:
    """What a report says of the training itself."""
    return {"steps": state.step, "seconds": round(state.seconds)}


def finish(fit: Fit, **figures: Any) -> dict[str, Any]:
    """Train a stage on indices to its end; write its report, validated as INT8 will compute it."""
    state, module = fit.run(), fit.task.module
    module.eval()
    if fit.fit.qat_steps:
        convert(module)
    report = {**stage_effort(state), "float_steps": state.float_end, **figures}
    return write_report(fit.folder, {**report, "val": fit.task.validate()})


def train_codec(run: Run) -> dict[str, Any]:
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions."""
    preset, folder = run.preset, run.folder / "codec"
    pictures = run.pictures()
    task = CodecTask(preset, pictures)
    about = _pictures(preset.to_json(), pictures)
    fit = stage_fit(run, "codec", task, preset.codec_fit, (), **about)
    if is_finished(folder):  # balancing again would change its sha256
        return read_report(folder)
    state = fit.run()
    task.balance()
    save_tensors(folder / "best.safetensors", task.module.state_dict(), fit.about)
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    figures = _codec_figures(task.module, pictures.stores[0], preset, folder)
    return write_report(folder, stage_effort(state) | figures)


def train_decoder(run: Run) -> dict[str, Any]:
    """Sharpen the codec's decoder against a discriminator; write the report and a sheet."""
    preset, folder = run.preset, run.folder / "decoder"
    if not preset.adversary.weight:
        raise ConfigError(
            "The preset leaves the decoder as the codec stage trained it: adversary.weight is 0; "
            "set it above 0, or leave this stage out."
        )
    codec, key = trained_codec(run, sharpened=False)
    pictures = run.pictures()
    task = DecoderTask(preset, codec, pictures)
    about = _pictures(preset.to_json(), pictures) | {"codec_sha256": key}
    state = stage_fit(run, "decoder", task, preset.decoder_fit, ("adversary",), **about).run()
    report = stage_effort(state)
    if preset.decoder_fit.qat_steps:
        disable(task.module.decoder)
        report["without_fake_quantisation"] = task.validate()
        convert(task.module.decoder)
    figures = _codec_figures(codec, pictures.stores[0], preset, folder)
    return write_report(folder, report | figures)


def _codec_figures(
    codec: Codec, store: PictureStore, preset: Preset, folder: Path
) -> dict[str, Any]:
    """Figures on the held-out splits and all of them; a sheet of originals over reconstructions."""
    size, codes = preset.data.image_size, preset.codec.codebook_size
    figures, parts = {}, []
    for split in HELD_OUT:
        if store.by_split[split]:
            images = centre_images(store, split, size)
            rebuilt, indices = rebuild(codec, images)
            parts.append((images, rebuilt, indices))
            figures[split] = codec_report(images, rebuilt, indices, codes).to_json()
    if len(parts) > 1:
        images, rebuilt, indices = (torch.cat(part) for part in zip(*parts, strict=True))
        figures[TOGETHER] = codec_report(images, rebuilt, indices, codes).to_json()
    shown = centre_images(store, "val", size)[:SHEET_IMAGES]
    contact_sheet([shown, rebuild(codec, shown)[0]], 8, folder / "reconstructions.png")
    return figures


def trained_codec(run: Run, *, sharpened: bool = True) -> tuple[Codec, str]:
    """The best codec of the run, and the sha256 of its file.

    Args:
        sharpened: with the decoder of the decoder stage, where the preset has that stage.
    """
    tensors, key = load_stage(run.folder, "codec")
    codec = Codec(run.preset.codec)
    load_module(codec, tensors, "codec")
    book = codec.quantizer.codebook
    book.copy_(on_int8_grid(book))  # every later stage sees what INT8 stores
    if sharpened and run.preset.adversary.weight:
        tensors, _ = load_stage(run.folder, "decoder", codec_sha256=key)
        load_module(codec.decoder, with_prefix(tensors, "decoder"), "decoder")
    return codec.eval(), key


def index_stores(run: Run, codec: Codec, key: str) -> tuple[IndexMix, IndexStore]:
    """Cached indices: what is trained on, and the validation split of the data folder."""
    pictures = run.pictures()
    train = [
        training_indices(run, codec, key, store, studio=bool(number))
        for number, store in enumerate(pictures.stores)
    ]
    return IndexMix(train, pictures.shares), validation_indices(run, codec, key, pictures.stores[0])


def validation_indices(run: Run, codec: Codec, key: str, paintings: PictureStore) -> IndexStore:
    """Cached indices of the validation split of the data folder.

    Args:
        key: names the codec's weights.
    """
    path = run.folder / "cache" / "indices-val.safetensors"
    full_key = f"{key}-{paintings.key}-{run.preset.data.image_size}-{code_version(*MEASURES)}"
    return cache_indices(codec, paintings, run.preset, "val", path, full_key, views=0)


def training_indices(
    run: Run, codec: Codec, key: str, store: PictureStore, *, studio: bool
) -> IndexStore:
    """Cached indices of the training views of the data folder, or of the studio."""
    data = run.preset.data
    views, recolour = (data.studio_views, 0.0) if studio else (data.views, data.recoloured)
    path = run.folder / "cache" / f"indices-{'studio' if studio else 'train'}.safetensors"
    full_key = (
        f"{key}-{store.key}-{views}-{recolour}-{data.slips}-{data.image_size}"
        f"-{run.preset.transformer_fit.seed}-{code_version(*MEASURES)}"
    )
    return cache_indices(
        codec, store, run.preset, "train", path, full_key, views=views, recolour=recolour
    )


def trained_text(run: Run) -> tuple[dict[str, Tensor] | None, str]:
    """Weights of the text engine to use, and the sha256 of their file.

    It is the one of this run's words stage, else that of the checkpoint which the run names; None
    and "" without either.
    """
    folder = run.folder / "words"
    if is_finished(folder):
        tensors, key = load_stage(run.folder, "words")
        return with_prefix(tensors, "text"), key
    if folder.exists():
        raise CheckpointError(
            f"{folder} holds an unfinished words stage; finish it with `python -m train words`, "
            "or delete it."
        )
    if run.text is None:
        return None, ""
    tensors, _ = load_tensors(run.text)
    key = file_sha256(run.text)
    return with_prefix(tensors, "generator.text"), key


def train_generator(run: Run) -> dict[str, Any]:
    """Train the transformer on the codec's indices; write the report.

    The text engine is the one of the words stage, frozen; without that stage it is trained along.
    """
    preset = run.preset
    codec, key = trained_codec(run, sharpened=False)
    started = time.monotonic()
    train, val = index_stores(run, codec, key)
    caching = time.monotonic() - started
    text, text_key = trained_text(run)
    if text is None:
        click.echo(NO_WORDS, err=True)
    task = GeneratorTask(preset, codec, train, val, text)
    fit = stage_fit(
        run, "generator", task, preset.transformer_fit, (*INDEX_SECTIONS, "transformer"),
        codec_sha256=key, text_sha256=text_key,
    )  # fmt: skip
    return finish(fit, caching_seconds=round(caching))


def trained_generator(run: Run, codec_key: str, *, selected: bool = True) -> tuple[Generator, str]:
    """The best generator of the run, and the sha256 of the generator stage's file.

    Args:
        selected: with the weights of the selection stage, where the preset has that stage.
    """
    tensors, key = load_stage(run.folder, "generator", codec_sha256=codec_key)
    if selected and run.preset.selection.draws:
        tensors, _ = load_stage(
            run.folder, "selection", codec_sha256=codec_key, generator_sha256=key
        )
    generator = Generator(run.preset)
    load_module(generator, tensors, "generator")
    return generator, key


def train_all(run: Run) -> None:
    """Every stage that the preset has, one after the other; the words stage comes before them."""
    train_codec(run)
    if run.preset.adversary.weight:
        train_decoder(run)
    train_generator(run)
    if run.preset.refiner.passes:
        train_refiner(run)
    if run.preset.selection.draws:
        train_selection(run)


def train_refiner(run: Run) -> dict[str, Any]:
    """Train the refiner, with the generator's text engine; write the report."""
    preset = run.preset
    if not preset.refiner.passes:
        raise ConfigError(
            "The preset has no refiner: refiner.passes is 0; set it to 1, 2 or 4, or leave this "
            "stage out."
        )
    codec, key = trained_codec(run, sharpened=False)
    generator, generator_key = trained_generator(run, key, selected=False)
    train, val = index_stores(run, codec, key)
    text = generator.text.state_dict()
    task = RefinerTask(preset, codec, train, val, text, preset.refiner_fit)
    fit = stage_fit(
        run, "refiner", task, preset.refiner_fit, (*INDEX_SECTIONS, "refiner"),
        codec_sha256=key, generator_sha256=generator_key,
        redraws=list(map(bool, preset.spec.refiner_redraws)),
    )  # fmt: skip
    return finish(fit)


def trained_refiner(run: Run, codec_key: str, generator_key: str) -> Refiner:
    """The best refiner of the run."""
    tensors, _ = load_stage(
        run.folder, "refiner", codec_sha256=codec_key, generator_sha256=generator_key
    )
    preset = run.preset
    refiner = Refiner(preset.refiner, preset.codec, preset.transformer.width)
    load_module(refiner, tensors, "refiner")
    return refiner


def train_selection(run: Run) -> dict[str, Any]:
    """Train the generator on the best of what it draws as well; write the report."""
    preset, folder = run.preset, run.folder / "selection"
    if not preset.selection.draws:
        raise ConfigError(
            "The preset has no selection: selection.draws is 0; set it above selection.keep, or "
            "leave this stage out."
        )
    codec, key = trained_codec(run)
    generator, generator_key = trained_generator(run, key, selected=False)
    if is_finished(folder):  # other sampling defaults would draw all pictures again
        return read_report(folder)
    refiner = trained_refiner(run, key, generator_key) if preset.refiner.passes else None
    return fit_selection(
        run, "selection", BatchSampler(preset, codec, generator, refiner), key,
        codec_sha256=key, generator_sha256=generator_key,
    )  # fmt: skip


def drawing_folder(run: Run, stage: str) -> Path:
    """Where the pictures that a stage draws are kept."""
    return run.folder / "cache" / f"drawn-{stage}"


def drawing_key(run: Run, stage: str, **sources: str) -> str:
    """Names what a stage draws: the weights, the prompts and the way of drawing."""
    config = getattr(run.preset, stage)
    drawn = {name: getattr(config, name) for name in DRAWN}
    return json.dumps([*sources.values(), drawn, asdict(run.preset.spec)])


def fit_selection(
    run: Run, stage: str, sampler: BatchSampler, codec_key: str, **sources: str
) -> dict[str, Any]:
    """Draw, select and train in one of the stages that select; write the report.

    Args:
        stage: "selection" or "reselection", with the preset's sections of that name.
        sampler: draws; its generator is where training starts.
        sources: sha256 of the files that the weights come from, by name.
    """
    preset = run.preset
    config, fit_config = getattr(preset, stage), getattr(preset, f"{stage}_fit")
    train, val = index_stores(run, sampler.codec, codec_key)
    started = time.monotonic()
    key = drawing_key(run, stage, **sources)
    drawn, shown = selected_pictures(sampler, config, drawing_folder(run, stage), key)
    drawing = time.monotonic() - started
    shares = [share * (1 - config.share) for share in train.shares]
    mix = IndexMix([*train.stores, drawn], [*shares, config.share])
    task = SelectionTask(sampler, mix, val, config, fit_config)
    fit = stage_fit(
        run, stage, task, fit_config, (*INDEX_SECTIONS, "transformer", stage), **sources
    )
    kept = len(drawn.indices)
    return finish(fit, drawing_seconds=round(drawing), shown_before=shown, kept=kept)


def assemble_model(run: Run) -> Model:
    """Codec, generator and refiner of a finished run as one model, with its card."""
    codec, key = trained_codec(run)
    generator, generator_key = trained_generator(run, key)
    refiner = trained_refiner(run, key, generator_key) if run.preset.refiner.passes else None
    rows = load_rows(run.data)
    words = {word for row in rows if row.split == "train" for word in row.adjectives}
    if run.preset.data.studio_pictures:
        words |= set(known_words())
    card = {
        "training": {
            stage: read_report(run.folder / stage)
            for stage in STAGES
            if is_finished(run.folder / stage)
        },
        "data": {
            "images": {s: sum(row.split == s for row in rows) for s in ("train", *HELD_OUT)},
            "studio_pictures": run.preset.data.studio_pictures,
        },
    }
    model = Model(run.preset, codec, generator, refiner, tuple(sorted(words)), card)
    model.use_int8()
    return model
