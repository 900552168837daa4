"""The image autoencoder and its training: crops to latents and back.

Latents are held at zero mean and unit deviation per channel, so that the diffusion that follows can add noise of
deviation 1 to them without a factor, which the recovery network would not know of.
"""

from dataclasses import replace

import torch
from diffusers.models.autoencoders.vae import Decoder
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.utils import make_grid

from dpmesh.network.config import BackboneConfig
from dpmesh.network.latents import LatentEncoder
from dpmesh.training.engine.loop import Loop
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import mirrored, recoloured
from dpmesh.training.recovery.crops import CropShards

MOMENT_WEIGHT = 0.05
SHOWN = 8


class Autoencoder(nn.Module):
    """The latent encoder, named as in `DPMesh`, and a decoder of the same widths, used in training only."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.patch_px = config.patch_px
        self.backbone = nn.ModuleDict({"latents": LatentEncoder(replace(config, vae_frozen=False))})
        self.enter = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(
            in_channels=config.latent_channels,
            out_channels=3 * config.patch_px**2,
            up_block_types=("UpDecoderBlock2D",) * len(config.vae_channels),
            block_out_channels=config.vae_channels,
            layers_per_block=config.vae_layers,
            norm_num_groups=config.vae_groups,
            mid_block_add_attention=config.vae_attention,
        )

    def encode(self, image: Tensor) -> Tensor:
        """Return latents (R, C, 32, 32) of crops (R, 3, P, P) in [0, 1]."""
        return self.backbone["latents"](image)

    def decode(self, latents: Tensor) -> Tensor:
        """Return crops (R, 3, P, P), about 0 to 1, of latents (R, C, 32, 32)."""
        return F.pixel_shuffle(self.decoder(self.enter(latents)), self.patch_px)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latents of crops, and the crops made of them."""
        latents = self.encode(image)
        return latents, self.decode(latents)


class AutoencoderTraining(Loop[Autoencoder, Crops, CropShards]):
    """Trains an autoencoder on crops."""

    def losses(self, batch: Crops, turn: int) -> dict[str, Tensor]:
        """Return the losses of the images (L1) and of the latents' moments."""
        rng = self.rng(1, turn)
        image = recoloured(mirrored(batch.to(self.device), rng).image.float() / 255.0, rng)
        with self.autocast():
            latents, made = self.running(image)
        latents = latents.float()
        mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        return {
            "picture": (made.float() - image).abs().mean(),
            "moments": MOMENT_WEIGHT * (mean.square() + (deviation - 1.0).square()).mean(),
        }

    @torch.no_grad()
    def measure(self, network: Autoencoder, held: CropShards) -> dict[str, float]:
        """Return the signal to noise of images that come back, in decibel, and the deviation of their latents."""
        errors, latents = [], []
        for batch in held.in_order(32):
            image = batch.image.to(self.device).float() / 255.0
            found, made = network.forward(image)
            errors.append((made.clamp(0.0, 1.0) - image).square().mean((1, 2, 3)))
            latents.append(found.std((0, 2, 3)))
        decibel = -10.0 * torch.cat(errors).clamp_min(1e-8).log10()
        deviation = torch.stack(latents).mean(0)
        return {
            "psnr_db": round(float(decibel.mean()), 2),
            "latent_deviation_least": round(float(deviation.min()), 3),
            "latent_deviation_most": round(float(deviation.max()), 3),
        }

    @torch.no_grad()
    def sample_image(self, network: Autoencoder, held: CropShards) -> Tensor:
        """Return held-out crops over what the autoencoder makes of them."""
        image = held.crops.image[:SHOWN].to(self.device).float() / 255.0
        return make_grid(torch.cat([image, network.forward(image)[1].clamp(0.0, 1.0)]), nrow=len(image))
