"""Sharpening of the decoder: encoder and codebook stay, so every index keeps its meaning."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data.pictures import PictureMix
from train.models.adversary import Discriminator, adaptive_weight, discriminator_loss, feature_loss
from train.models.codec import Codec
from train.models.images import autocast, images_from_uint8
from train.models.qat import prepare
from train.preset import Preset
from train.stages.codec_task import centre_images, pixel_loss, rebuild
from train.stages.metrics import band_energy_error, codec_report


class Sharpened(nn.Module):
    """The decoder with the discriminator that it is trained against."""

    def __init__(self, codec: Codec, width: int) -> None:
        super().__init__()
        self.decoder = codec.decoder
        self.discriminator = Discriminator(width)


class DecoderTask:
    """The decoder's losses and validation; see `train.loop.Task`.

    Args:
        codec: as the codec stage left it; its decoder is trained in place.
        pictures: what to train on.
    """

    def __init__(self, preset: Preset, codec: Codec, pictures: PictureMix) -> None:
        self.preset, self.codec, self.pictures = preset, codec, pictures
        codec.encoder.requires_grad_(False)
        torch.manual_seed(preset.decoder_fit.seed)
        self.module = Sharpened(codec, preset.adversary.width)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._validation = centre_images(pictures.stores[0], "val", preset.data.image_size)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Pixel losses, the discriminator's verdict, and the discriminator's own loss."""
        config = self.preset.adversary
        count, size = self.preset.decoder_fit.batch, self.preset.data.image_size
        images = images_from_uint8(self.pictures.draw(rng, count, size))
        critic = self.module.discriminator
        self.codec.eval()
        self.module.train()
        with torch.no_grad():
            with autocast():
                latents = self.codec.latents(images)
            canvas = self.codec.quantizer(latents)[0]
        with autocast():
            decoded = self.module.decoder(canvas).float()
        mse = F.mse_loss(decoded, images)
        pixels = pixel_loss(decoded, images)
        critic.requires_grad_(False)  # the decoder's loss must not teach the discriminator
        with autocast():
            judged = critic(decoded)
        critic.requires_grad_(True)
        with autocast():
            real, on_decoded = critic(images), critic(decoded.detach())[-1]
        likeness = feature_loss(real, judged)
        adversarial = likeness - judged[-1].float().mean()
        weight = adaptive_weight(pixels, adversarial, self.module.decoder.head.weight)
        own = discriminator_loss(real[-1], on_decoded)
        ramp = min(1.0, step / max(1, config.ramp_steps))
        loss = pixels + config.weight * ramp * weight * adversarial + own
        return {
            "loss": loss, "mse": mse, "features": likeness, "discriminator": own,
            "adaptive_weight": weight,
        }  # fmt: skip

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The codec's report and how far fine texture is from the pictures' own.

        `loss` adds both: sharper and still faithful is better.
        """
        images, size = self._validation, self.preset.codec.codebook_size
        rebuilt, indices = rebuild(self.codec, images)
        report = codec_report(images, rebuilt, indices, size).to_json()
        error = band_energy_error(images, rebuilt)
        loss = report["mse"] + self.preset.adversary.band_weight * error
        return {"loss": loss, "band_energy_error": error, **report}

    def start_qat(self) -> None:
        """Fake-quantise the decoder."""
        prepare(self.module.decoder, self.preset.qat)
