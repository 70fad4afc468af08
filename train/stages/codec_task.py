"""Training of the VQ-VAE on crops of the training split."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.data.pictures import PictureMix, PictureStore
from train.models.codec import Codec, colour_loss, laplacian_loss
from train.models.images import autocast, images_from_uint8, uint8_from_images
from train.models.qat import prepare
from train.preset import Preset
from train.stages.metrics import codec_report

EVALUATION_BATCH = 16
START_PICTURES = 256  # whose latents the codebook starts from


class CodecTask:
    """The codec's losses and validation; see `train.loop.Task`.

    Args:
        pictures: what to train on.
    """

    def __init__(self, preset: Preset, pictures: PictureMix) -> None:
        self.preset, self.pictures = preset, pictures
        torch.manual_seed(preset.codec_fit.seed)
        self.module = Codec(preset.codec)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._validation = centre_images(pictures.stores[0], "val", preset.data.image_size)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Differences of pixels, octaves and colours, and the commitment."""
        config = self.preset.codec
        if step == config.plain_steps:
            self._start_codebook(rng)
        images = self._batch(rng)
        with autocast():
            out = self.module(images, plain=step < config.plain_steps)
        mse = F.mse_loss(out.images, images)
        loss = pixel_loss(out.images, images) + config.commitment * out.commitment
        return {"loss": loss, "mse": mse, "commitment": out.commitment}

    def _batch(self, rng: np.random.Generator) -> Tensor:
        count, size = self.preset.codec_fit.batch, self.preset.data.image_size
        return images_from_uint8(self.pictures.draw(rng, count, size))

    def _start_codebook(self, rng: np.random.Generator) -> None:
        count = -(-START_PICTURES // self.preset.codec_fit.batch)
        batches = [self._batch(rng) for _ in range(count)]
        with torch.no_grad(), autocast():
            latents = torch.cat([self.module.latents(batch) for batch in batches])
        self.module.quantizer.start_from(latents)

    @torch.no_grad()
    def balance(self) -> None:
        """Even the use of codes out, over fixed views of the first store's training pictures."""
        config, store = self.preset.codec, self.pictures.stores[0]
        members = store.by_split["train"]
        members = members[:: max(1, len(members) // START_PICTURES)]
        size, parts = self.preset.data.image_size, []
        self.module.eval()
        for start in range(0, len(members), EVALUATION_BATCH):
            squares = [store.centre(i, size) for i in members[start : start + EVALUATION_BATCH]]
            with autocast():
                parts.append(self.module.latents(images_from_uint8(squares)))
        self.module.quantizer.balance(torch.cat(parts), config.balance_rounds, config.balance_rate)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The codec's report on the validation split; `loss` is its mean squared error."""
        images, size = self._validation, self.preset.codec.codebook_size
        rebuilt, indices = rebuild(self.module, images)
        report = codec_report(images, rebuilt, indices, size)
        return {"loss": report.mse, **report.to_json()}

    def start_qat(self) -> None:
        """Fake-quantise the decoder; the encoder is not shipped."""
        prepare(self.module.decoder, self.preset.qat)


def pixel_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """L2, L1, Laplacian and colour differences of (B, 3, H, W) in [-1, 1], weighed by eye."""
    return (
        2 * F.mse_loss(decoded, images)
        + 0.5 * F.l1_loss(decoded, images)
        + 0.5 * laplacian_loss(decoded, images)
        + 0.5 * colour_loss(decoded, images)
    )


def centre_images(store: PictureStore, split: str, size: int) -> Tensor:
    """The fixed validation view of every image of a split, (B, 3, H, W) in [-1, 1]."""
    return images_from_uint8([store.centre(i, size) for i in store.by_split[split]])


@torch.no_grad()
def rebuild(codec: Codec, images: Tensor) -> tuple[Tensor, Tensor]:
    """Encode and decode: (B, 3, H, W) in [-1, 1] -> the same from its indices, and these (B, N)."""
    codec.eval()
    rebuilt, parts = [], []
    for batch in torch.split(images, EVALUATION_BATCH):
        with autocast():
            parts.append(codec.encode(batch))
            rebuilt.append(codec.decode(parts[-1]).contiguous())
    return torch.cat(rebuilt), torch.cat(parts)


def contact_sheet(pairs: list[Tensor], columns: int, path: Path) -> None:
    """Write rows of pictures, each (B, 3, H, W) in [-1, 1], one list entry a row block."""
    from PIL import Image

    rows = []
    for start in range(0, len(pairs[0]), columns):
        for images in pairs:
            pixels = uint8_from_images(images[start : start + columns])
            rows.append(np.concatenate(list(pixels), axis=1))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)
