"""The stages of a training run, each resumable, each with a report."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from torch import Tensor

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.vocabulary import known_words
from train.checkpoint import load_module, load_tensors, save_tensors, with_prefix
from train.codec import Codec
from train.codec_task import CodecTask, centre_images, contact_sheet, evaluate_codec, rebuild
from train.config import Preset
from train.data import PictureStore, PixelStore, code_version, load_rows
from train.decoder_task import DecoderTask
from train.generator_task import Generator, GeneratorTask, IndexMix, IndexStore, cache_indices
from train.loop import Fit
from train.model import Model
from train.qat import convert, disable, on_int8_grid
from train.refiner import Refiner
from train.refiner_task import RefinerTask
from train.studio_store import StudioStore
from train.tracking import make_tracker

SHEET_IMAGES = 24
MEASURES = (Path("train/augment.py"), *(Path(f"t2a_edge/attribute{part}.py") for part in
            ("s", "_table", "_colour", "_edges", "_lines", "_layout")))  # fmt: skip
HELD_OUT = ("val", "test")
NO_WORDS = (
    "note: this run has no words stage, so the text engine is trained along and knows other "
    "adjectives by their spelling alone; see `python -m train words` and `--text`"
)
PICTURE_KEYS = ("image_size", "shorter_side", "studio_pictures", "studio_share", "studio_seed")
STAGES = ("words", "codec", "decoder", "generator", "refiner")


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
    """

    preset: Preset
    folder: Path
    data: Path
    wandb: bool = False
    text: Path | None = None

    def stores(self) -> tuple[list[PictureStore], list[float]]:
        """The data folder, then the studio if the preset wants it, with their shares."""
        data, cache = self.preset.data, self.folder / "cache"
        stores: list[PictureStore] = [PixelStore(load_rows(self.data), data.shorter_side, cache)]
        if not data.studio_pictures:
            return stores, [1.0]
        stores.append(StudioStore(data.studio_pictures, data.image_size, data.studio_seed, cache))
        return stores, [1 - data.studio_share, data.studio_share]


def _read_report(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "report.json").read_text(encoding="utf-8")))


def _write_report(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(report, indent=1) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    return report


def _pictures(values: dict[str, Any]) -> dict[str, Any]:
    """What of the preset's data says which pictures a codec is trained on."""
    return {key: values["data"][key] for key in PICTURE_KEYS}


def _keys(stores: Sequence[PictureStore]) -> list[str]:
    """What names the pictures of each store: a run does not go on with others."""
    return [store.key for store in stores]


def train_codec(run: Run) -> dict[str, Any]:
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions."""
    preset, folder = run.preset, run.folder / "codec"
    stores, shares = run.stores()
    task = CodecTask(preset, stores, shares)
    values = preset.to_json()
    about = {"data": _pictures(values), "codec": values["codec"], "stores": _keys(stores)}
    fit = Fit(task, preset.codec_fit, folder, about, make_tracker(folder, values, wandb=run.wandb))
    if (folder / "report.json").is_file():  # done; balancing again would change its sha256
        return _read_report(folder)
    state = fit.run()
    task.balance()
    save_tensors(folder / "best.safetensors", task.module.state_dict(), fit.about)
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    report: dict[str, Any] = {"steps": state.step, "seconds": round(state.seconds)}
    return _write_report(folder, report | _codec_figures(task.module, stores[0], preset, folder))


def train_decoder(run: Run) -> dict[str, Any]:
    """Sharpen the codec's decoder against a discriminator; write the report and a sheet."""
    preset, folder = run.preset, run.folder / "decoder"
    if not preset.adversary.weight:
        raise ConfigError(
            "The preset leaves the decoder as the codec stage trained it: adversary.weight is 0; "
            "set it above 0, or leave this stage out."
        )
    codec, key = trained_codec(run, sharpened=False)
    stores, shares = run.stores()
    task = DecoderTask(preset, codec, stores, shares)
    values = preset.to_json()
    about = {"data": _pictures(values), "codec": values["codec"], "stores": _keys(stores)}
    about["adversary"] = values["adversary"]
    about["codec_sha256"] = key
    tracker = make_tracker(folder, values, wandb=run.wandb)
    state = Fit(task, preset.decoder_fit, folder, about, tracker).run()
    report: dict[str, Any] = {"steps": state.step, "seconds": round(state.seconds)}
    if preset.decoder_fit.qat_steps:
        disable(task.module.decoder)
        report["without_fake_quantisation"] = task.validate()
        convert(task.module.decoder)
    return _write_report(folder, report | _codec_figures(codec, stores[0], preset, folder))


def _codec_figures(
    codec: Codec, store: PictureStore, preset: Preset, folder: Path
) -> dict[str, Any]:
    """Figures on the held-out splits; also a sheet of originals over reconstructions."""
    size, figures = preset.data.image_size, {}
    for split in HELD_OUT:
        if store.by_split[split]:
            images = centre_images(store, split, size)
            report = evaluate_codec(codec, images, preset.codec.codebook_size)
            figures[split] = report.to_json()
    shown = centre_images(store, "val", size)[:SHEET_IMAGES]
    contact_sheet([shown, rebuild(codec, shown)], 8, folder / "reconstructions.png")
    return figures


def trained_codec(run: Run, *, sharpened: bool = True) -> tuple[Codec, str]:
    """The best codec of the run, and the sha256 of its file.

    Args:
        sharpened: with the decoder of the decoder stage, where the preset has that stage.
    """
    path = run.folder / "codec" / "best.safetensors"
    if not (run.folder / "codec" / "report.json").is_file():
        raise CheckpointError(
            f"{run.folder} has no finished codec; run `python -m train codec` first."
        )
    tensors, _ = load_tensors(path)
    codec = Codec(run.preset.codec)
    load_module(codec, tensors, "codec")
    book = codec.quantizer.codebook
    book.copy_(on_int8_grid(book))  # every later stage sees what INT8 stores
    key = hashlib.sha256(path.read_bytes()).hexdigest()
    if sharpened and run.preset.adversary.weight:
        path = run.folder / "decoder" / "best.safetensors"
        if not (run.folder / "decoder" / "report.json").is_file():
            raise CheckpointError(
                f"{run.folder} has no finished decoder; run `python -m train decoder` first."
            )
        tensors, about = load_tensors(path)
        _same_source(path, about, "codec_sha256", key, "decoder")
        load_module(codec.decoder, with_prefix(tensors, "decoder"), "decoder")
    return codec.eval(), key


def index_stores(run: Run, codec: Codec, key: str) -> tuple[IndexMix, IndexStore]:
    """Cached indices: what is trained on, and the validation split of the data folder."""
    preset, cache = run.preset, run.folder / "cache"
    stores, shares = run.stores()
    train = []
    for number, store in enumerate(stores):
        views = preset.data.studio_views if number else preset.data.views
        recolour = 0.0 if number else preset.data.recoloured
        path = cache / f"indices-{'studio' if number else 'train'}.safetensors"
        full_key = (
            f"{key}-{store.key}-{views}-{recolour}-{preset.data.slips}-{preset.data.image_size}"
            f"-{preset.transformer_fit.seed}-{code_version(*MEASURES)}"
        )
        train.append(
            cache_indices(
                codec, store, preset, "train", path, full_key, views=views, recolour=recolour
            )
        )
    path = cache / "indices-val.safetensors"
    full_key = f"{key}-{stores[0].key}-{preset.data.image_size}-{code_version(*MEASURES)}"
    val = cache_indices(codec, stores[0], preset, "val", path, full_key, views=0)
    return IndexMix(train, shares), val


def trained_text(run: Run) -> tuple[dict[str, Tensor] | None, str]:
    """Weights of the text engine to use, and the sha256 of their file.

    It is the one of this run's words stage, else that of the checkpoint which the run names; None
    and "" without either.
    """
    path, prefix, folder = run.text, "generator.text", run.folder / "words"
    if (folder / "report.json").is_file():
        path, prefix = folder / "best.safetensors", "text"
    elif folder.exists():
        raise CheckpointError(
            f"{folder} holds an unfinished words stage; finish it with `python -m train words`, "
            "or delete it."
        )
    if path is None:
        return None, ""
    tensors, _ = load_tensors(path)
    return with_prefix(tensors, prefix), hashlib.sha256(path.read_bytes()).hexdigest()


def train_generator(run: Run) -> dict[str, Any]:
    """Train the transformer on the codec's indices; write the report.

    The text engine is the one of the words stage, frozen; without that stage it is trained along.
    """
    preset, folder = run.preset, run.folder / "generator"
    codec, key = trained_codec(run, sharpened=False)
    started = time.monotonic()
    train, val = index_stores(run, codec, key)
    caching = time.monotonic() - started
    text, text_key = trained_text(run)
    if text is None:
        click.echo(NO_WORDS, err=True)
    task = GeneratorTask(preset, codec, train, val, text)
    values = preset.to_json()
    about = {k: values[k] for k in ("data", "codec", "text", "wording", "transformer")}
    about |= {"codec_sha256": key, "text_sha256": text_key}
    tracker = make_tracker(folder, values, wandb=run.wandb)
    state = Fit(task, preset.transformer_fit, folder, about, tracker).run()
    task.module.eval()
    if preset.transformer_fit.qat_steps:
        convert(task.module)
    report = {
        "steps": state.step,
        "float_steps": state.float_end,
        "seconds": round(state.seconds),
        "caching_seconds": round(caching),
        "val": task.validate(),
    }
    return _write_report(folder, report)


def trained_generator(run: Run, codec_key: str) -> tuple[Generator, str]:
    """The best generator of the run, and the sha256 of its file."""
    path = run.folder / "generator" / "best.safetensors"
    if not (run.folder / "generator" / "report.json").is_file():
        raise CheckpointError(
            f"{run.folder} has no finished generator; run `python -m train generator` first."
        )
    tensors, about = load_tensors(path)
    _same_source(path, about, "codec_sha256", codec_key, "generator")
    generator = Generator(run.preset)
    load_module(generator, tensors, "generator")
    return generator, hashlib.sha256(path.read_bytes()).hexdigest()


def _same_source(path: Path, about: dict[str, Any], name: str, key: str, stage: str) -> None:
    if about["preset"].get(name) != key:
        raise CheckpointError(
            f"{path} was trained on another {name.removesuffix('_sha256')} than the one in this "
            f"run; delete {path.parent} and run `python -m train {stage}` again."
        )


def train_all(run: Run) -> None:
    """Every stage that the preset has, one after the other; the words stage comes before them."""
    train_codec(run)
    if run.preset.adversary.weight:
        train_decoder(run)
    train_generator(run)
    if run.preset.refiner.passes:
        train_refiner(run)


def train_refiner(run: Run) -> dict[str, Any]:
    """Train the refiner, with the generator's text engine; write the report."""
    preset, folder = run.preset, run.folder / "refiner"
    if not preset.refiner.passes:
        raise ConfigError(
            "The preset has no refiner: refiner.passes is 0; set it to 1, 2 or 4, or leave this "
            "stage out."
        )
    codec, key = trained_codec(run, sharpened=False)
    generator, generator_key = trained_generator(run, key)
    train, val = index_stores(run, codec, key)
    task = RefinerTask(preset, codec, train, val, generator.text.state_dict())
    values = preset.to_json()
    about = {k: values[k] for k in ("data", "codec", "text", "wording", "refiner")}
    about |= {"codec_sha256": key, "generator_sha256": generator_key}
    tracker = make_tracker(folder, values, wandb=run.wandb)
    state = Fit(task, preset.refiner_fit, folder, about, tracker).run()
    task.module.eval()
    if preset.refiner_fit.qat_steps:
        convert(task.module)
    report = {
        "steps": state.step,
        "float_steps": state.float_end,
        "seconds": round(state.seconds),
        "val": task.validate(),
    }
    return _write_report(folder, report)


def trained_refiner(run: Run, codec_key: str, generator_key: str) -> Refiner:
    """The best refiner of the run."""
    path = run.folder / "refiner" / "best.safetensors"
    if not (run.folder / "refiner" / "report.json").is_file():
        raise CheckpointError(
            f"{run.folder} has no finished refiner; run `python -m train refiner` first."
        )
    tensors, about = load_tensors(path)
    _same_source(path, about, "codec_sha256", codec_key, "refiner")
    _same_source(path, about, "generator_sha256", generator_key, "refiner")
    preset = run.preset
    refiner = Refiner(preset.refiner, preset.codec, preset.transformer.width)
    load_module(refiner, tensors, "refiner")
    return refiner


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
            stage: json.loads((run.folder / stage / "report.json").read_text(encoding="utf-8"))
            for stage in STAGES
            if (run.folder / stage / "report.json").is_file()
        },
        "data": {
            "images": {s: sum(row.split == s for row in rows) for s in ("train", *HELD_OUT)},
            "studio_pictures": run.preset.data.studio_pictures,
        },
    }
    model = Model(run.preset, codec, generator, refiner, tuple(sorted(words)), card)
    model.use_int8()
    return model
