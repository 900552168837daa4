"""From a crop to its latent: the encoder half of a Stable-Diffusion VAE."""

import torch
from torch import Tensor, nn

from dpmesh.network.config import BackboneConfig
from dpmesh.network.diffusers_parts import Encoder


class LatentEncoder(nn.Module):
    """Encodes crops to latents; takes the mean and samples nothing.

    The latent is not multiplied by Stable Diffusion's 0.18215 and the image stays in [0, 1]: the released network was
    trained that way. There is no decoder.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        moments = 2 if config.latent_moments else 1
        self.latent_channels = config.latent_channels
        self.patch_px = config.patch_px
        self.frozen = config.vae_frozen
        self.encoder = Encoder(
            in_channels=3 * config.patch_px**2,
            out_channels=config.latent_channels,
            down_block_types=("DownEncoderBlock2D",) * len(config.vae_channels),
            block_out_channels=config.vae_channels,
            layers_per_block=config.vae_layers,
            norm_num_groups=config.vae_groups,
            double_z=config.latent_moments,
            mid_block_add_attention=config.vae_attention,
        )
        self.quant_conv = nn.Conv2d(moments * config.latent_channels, moments * config.latent_channels, 1)
        if self.frozen:
            self.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Return latents (R, latent_channels, 32, 32) of crops (R, 3, P, P) in [0, 1]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            patches = fold_patches(image.to(self.quant_conv.weight.dtype), self.patch_px)
            return self.quant_conv(self.encoder(patches))[:, : self.latent_channels]


def fold_patches(image: Tensor, patch_px: int) -> Tensor:
    """Return (R, C * p * p, H / p, W / p) of images (R, C, H, W), as `pixel_unshuffle` but also for no rows."""
    rows, channels, height, width = image.shape
    grid = image.reshape(rows, channels, height // patch_px, patch_px, width // patch_px, patch_px)
    return grid.permute(0, 1, 3, 5, 2, 4).reshape(rows, channels * patch_px**2, height // patch_px, width // patch_px)
