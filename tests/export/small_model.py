"""Small models with random weights."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from export.graphs import engine_graphs
from t2a_edge.bundle import engine_file, write_manifest
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.runner import OnnxRunner, session_options
from t2a_edge.spec import Spec
from train.models.bank import FormCodec
from train.models.chooser import Query
from train.models.codec import Codec
from train.models.latents import DeepLatent
from train.models.painter import Painter
from train.models.qat import convert, on_int8_grid, prepare
from train.models.text import TextEngine
from train.models.whole import Bank, WholeModel
from train.preset import Preset, load_preset

SCALES = (1, 4, 16, 32, 32)
FORMS = 24


def small_preset() -> Preset:
    """The tiny preset with a canvas of 32 x 32, as the painter's 8 x 8 positions need it."""
    tiny = load_preset("tiny")
    return replace(
        tiny,
        codec=replace(tiny.codec, scales=SCALES),
        data=replace(tiny.data, image_size=128, shorter_side=140),
    )


def random_bank(preset: Preset, count: int) -> Bank:
    """Smooth random tables and codes."""
    config, generator = preset.form, torch.Generator().manual_seed(3)
    patch, parts = config.patch**2, (FORM_SIDE // config.patch) ** 2

    def whole(*shape: int, most: int) -> torch.Tensor:
        return torch.randint(-most, most + 1, shape, generator=generator)

    tables = whole(preset.bank.stages, config.codes, patch, most=60).to(torch.int8)
    codes = torch.randint(config.codes, (count, parts, preset.bank.stages), generator=generator)
    keys = whole(count, config.key, most=127).to(torch.int8)
    upright = torch.zeros(count, dtype=torch.bool)
    return Bank(FormCodec(tables), codes.to(torch.int16), keys, 0.02, upright)


def random_model(
    preset: Preset, forms: int = FORMS, vocabulary: tuple[str, ...] = ("calm", "warm")
) -> WholeModel:
    """Every part with random weights, fake-quantisers frozen at what some passes showed."""
    torch.manual_seed(5)
    width, config = preset.text.width, preset.latent
    text, query = TextEngine(preset.text), Query(width, preset.form.key)
    painter = Painter(preset.painter, config.depth, width, preset.latent_side)
    torch.nn.init.normal_(painter.modulate.weight, std=0.05)
    torch.nn.init.normal_(painter.modulate.bias, std=0.1)
    if painter.conv_head is not None:
        for parameter in painter.conv_head.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    codec = Codec(preset.codec)
    codec.quantizer.codebook.copy_(on_int8_grid(0.5 * torch.randn(codec.quantizer.codebook.shape)))
    codec.quantizer.bias.copy_(0.1 * torch.randn(len(codec.quantizer.bias)))
    for parameter in codec.decoder.parameters():
        if not parameter.any():  # those that start at 0 do nothing
            torch.nn.init.normal_(parameter, std=0.05)
    deep = DeepLatent(preset.codec.code_dim, config.components, config.depth)
    with torch.no_grad():
        indices = torch.randint(preset.codec.codebook_size, (24, _positions(preset)))
        deep.fit(codec.quantizer.canvas_from_indices(indices))
        for part in (text, query, painter, codec.decoder):
            prepare(part, preset.qat)
            part.train()
        _observe(text, query, painter, codec, preset)
    for part in (text, query, painter, codec.decoder):
        convert(part)
    codec.eval()
    bank = random_bank(preset, forms)
    return WholeModel(preset, text, query, bank, painter, deep, codec, vocabulary, {})


def _positions(preset: Preset) -> int:
    return sum(side * side for side in preset.codec.scales)


def _observe(
    text: TextEngine, query: Query, painter: Painter, codec: Codec, preset: Preset
) -> None:
    rng = np.random.default_rng(2)
    for step in range(4):
        letters = torch.from_numpy(rng.integers(97, 123, (4, 3, preset.text.max_bytes)))
        letters[:, :, 6 + step :] = 0
        embedding = text(letters.to(torch.uint8))
        weights = torch.from_numpy(rng.choice([1.0, 0.5, 0.0, -1.0], (4, 3))).float()
        query(embedding)
        level = torch.from_numpy(rng.random((3, 4))).float()
        painter(
            torch.randn(4, preset.latent_side**2, preset.latent.depth), level[0],
            torch.randn(4, FORM_SIDE, FORM_SIDE), level[1], 8 * level[2], embedding, weights,
        )  # fmt: skip
        indices = torch.randint(preset.codec.codebook_size, (2, _positions(preset)))
        codec.decoder(codec.quantizer.canvas_from_indices(indices))


@lru_cache(maxsize=1)
def small_model() -> WholeModel:
    """One for all tests; networks are traced from it, which leaves it in a precision's mode."""
    return random_model(small_preset())


def small_spec() -> Spec:
    """The shapes of `small_model`."""
    return small_preset().spec(FORMS)


@lru_cache(maxsize=3)
def small_engines(precision: str) -> Mapping[str, onnx.ModelProto]:
    """The engines of `small_model` in a precision; do not change them."""
    return engine_graphs(small_model(), precision)


def session(model: onnx.ModelProto, **changes: Any) -> onnxruntime.InferenceSession:
    """A session as the runtime makes it, but for some of its options."""
    options = session_options(changes.pop("threads", 1))
    for name, value in changes.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def opened(engines: Mapping[str, onnx.ModelProto], folder: Path) -> OnnxRunner:
    """The runtime's runner on these engines, which are written to a folder."""
    for name, model in engines.items():
        onnx.save(model, folder / engine_file(name))
    return OnnxRunner(folder)


def fill_small_bundle(folder: Path) -> None:
    """A bundle of `small_model` in INT8: its pictures can be as large as a server is asked for."""
    engines = small_engines("int8")
    for name, model in engines.items():
        onnx.save(model, folder / engine_file(name))
    manifest = {
        "spec": small_spec().to_json(), "vocabulary": ["calm", "warm"], "precision": "int8",
        "checkpoint_sha256": hashlib.sha256(b"small").hexdigest(),
    }  # fmt: skip
    write_manifest(folder, manifest, [engine_file(name) for name in engines])
