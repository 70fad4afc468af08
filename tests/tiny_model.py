"""A model of random weights that decides the whole picture at once, of the tiny preset."""

from functools import lru_cache

import numpy as np
import torch

from tests.tiny import FORMS
from train.models.bank import FormCodec
from train.models.chooser import Query
from train.models.codec import Codec
from train.models.latents import DeepLatent
from train.models.painter import Painter
from train.models.qat import on_int8_grid
from train.models.text import TextEngine
from train.models.whole import Bank, WholeModel
from train.preset import load_preset

CANVASES = 40


@lru_cache(maxsize=1)
def tiny_model() -> WholeModel:
    """The model, in float; words, form, noise levels and guidance all change what it paints."""
    state = torch.random.get_rng_state()
    torch.manual_seed(5)
    preset = load_preset("tiny")
    width, config = preset.text.width, preset.latent
    codec = Codec(preset.codec).eval()
    codec.quantizer.codebook.copy_(on_int8_grid(codec.quantizer.codebook))
    painter = Painter(preset.painter, config.depth, width, preset.latent_side)
    for parameter in painter.parameters():  # those that start at 0 do nothing
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=1.2 / parameter.shape[1] ** 0.5)
    latent = DeepLatent(preset.codec.code_dim, config.components, config.depth)
    positions = sum(side * side for side in preset.codec.scales)
    indices = torch.randint(preset.codec.codebook_size, (CANVASES, positions))
    latent.fit(codec.quantizer.canvas_from_indices(indices))
    form, stages, parts = preset.form, preset.bank.stages, (64 // preset.form.patch) ** 2
    tables = torch.randint(-30, 31, (stages, form.codes, form.patch**2), dtype=torch.int8)
    codes = torch.randint(form.codes, (FORMS, parts, stages), dtype=torch.int16)
    keys = torch.randint(-127, 128, (FORMS, form.key), dtype=torch.int8)
    bank = Bank(FormCodec(tables), codes, keys, 0.02, torch.zeros(FORMS, dtype=torch.bool))
    model = WholeModel(
        preset, TextEngine(preset.text), Query(width, preset.form.key), bank, painter,
        latent, codec, ("cool", "warm"), {},
    )  # fmt: skip
    torch.random.set_rng_state(state)
    return model


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coarse blocks of random colours: (H, W, 3) uint8."""
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 5 // width
    return blocks[np.ix_(rows, columns)]
