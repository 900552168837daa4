"""The diffusion prior and its training: noise is found in latents of crops, given the joints.

Source: arXiv 2404.01424, equations 1 and 2; the noise schedule is Stable Diffusion's.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn
from torchvision.utils import make_grid

from dpmesh.network.backbone import Backbone
from dpmesh.network.config import BackboneConfig
from dpmesh.training.autoencoder.trainer import SHOWN, Autoencoder
from dpmesh.training.engine.loop import Loop, LoopPlan
from dpmesh.training.engine.rng import Rng
from dpmesh.training.noise.simulated import CLEAN
from dpmesh.training.people.crops import Crops
from dpmesh.training.recovery.batches import prepare
from dpmesh.training.recovery.crops import CropShards

TIMESTEPS = 1000
BETAS: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
BLIND_RATE = 0.1
"""Share of the crops without joints: the prior also learns what people look like."""
SAMPLE_STEPS = 25
SEED = 12345


class PoseDiffusion(nn.Module):
    """The backbone, named as in `DPMesh`, and an output head for the noise that lives in training only.

    The whole U-Net is trained: LoRA layers are for what starts from it. The image encoder is given and stays.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.backbone = Backbone(replace(config, vae_frozen=True, lora_rank=0))
        channels = config.unet_channels[0]
        self.head = nn.Sequential(
            nn.GroupNorm(config.unet_groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, config.latent_channels, 3, padding=1),
        )

    def forward(self, latents: Tensor, timestep: Tensor, joints: Tensor, mask: Tensor) -> Tensor:
        """Return the noise (R, C, 32, 32) in latents of time steps (R,), with joints and mask as of `Backbone`."""
        unet_pass = self.backbone.run_unet(latents, self.backbone.steer(joints, mask), timestep)
        return self.head(unet_pass.up.taps[-1])


class DiffusionTraining(Loop[PoseDiffusion, Crops, CropShards]):
    """Trains a diffusion prior on the latents of crops."""

    def __init__(
        self,
        network: PoseDiffusion,
        plan: LoopPlan,
        output: Path,
        *,
        autoencoder: Autoencoder | None = None,
        **options: Any,
    ) -> None:
        """Make ready; the autoencoder decodes the samples that are drawn as it goes."""
        super().__init__(network, plan, output, **options)
        self._autoencoder = None if autoencoder is None else autoencoder.to(self.device).eval()
        self._schedule: Any = DDPMScheduler(num_train_timesteps=TIMESTEPS, **BETAS)

    def losses(self, batch: Crops, turn: int) -> dict[str, Tensor]:
        """Return the squared error of the noise."""
        rng = self.rng(1, turn)
        ready = prepare(batch.to(self.device), rng, replace(CLEAN, blind_rate=BLIND_RATE), is_augmented=True)
        timestep = rng.integers(TIMESTEPS, len(ready.joints))
        with self.autocast():
            latents = self.network.backbone.latents(ready.image).float()
            noise = rng.normal(1.0, *latents.shape)
            found = self.running(self._add(latents, noise, timestep), timestep, ready.joints, ready.mask)
        return {"noise": (found.float() - noise).square().mean()}

    @torch.no_grad()
    def measure(self, network: PoseDiffusion, held: CropShards) -> dict[str, float]:
        """Return the squared error of the noise, over all time steps and over each third of them."""
        errors, steps = [], []
        for number, batch in enumerate(held.in_order(32)):
            rng = Rng((SEED, number), self.device)
            ready = prepare(batch.to(self.device), rng, CLEAN, is_augmented=False)
            latents = network.backbone.latents(ready.image)
            timestep, noise = rng.integers(TIMESTEPS, len(latents)), rng.normal(1.0, *latents.shape)
            found = network.forward(self._add(latents, noise, timestep), timestep, ready.joints, ready.mask)
            errors.append((found - noise).square().mean((1, 2, 3)))
            steps.append(timestep)
        error, third = torch.cat(errors), 3 * torch.cat(steps) // TIMESTEPS
        named = {name: error[third == place] for place, name in enumerate(("early", "middle", "late"))}
        return {"noise_error": round(float(error.mean()), 4)} | {
            f"noise_error_{name}": round(float(part.mean()), 4) for name, part in named.items() if len(part)
        }

    @torch.no_grad()
    def sample_image(self, network: PoseDiffusion, held: CropShards) -> Tensor | None:
        """Return held-out crops over crops made from nothing but noise and their joints."""
        if self._autoencoder is None:
            return None
        rng = Rng((SEED,), self.device)
        ready = prepare(held.crops[:SHOWN].to(self.device), rng, CLEAN, is_augmented=False)
        latents = rng.normal(1.0, *network.backbone.latents(ready.image).shape)
        schedule: Any = DDIMScheduler(num_train_timesteps=TIMESTEPS, clip_sample=False, **BETAS)
        schedule.set_timesteps(SAMPLE_STEPS)
        for step in schedule.timesteps.tolist():
            timestep = torch.full((len(latents),), step, device=self.device)
            found = network.forward(latents, timestep, ready.joints, ready.mask)
            latents = schedule.step(found, step, latents).prev_sample
        made = self._autoencoder.decode(latents).clamp(0.0, 1.0)
        return make_grid(torch.cat([ready.image, made]), nrow=len(made))

    def _add(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        return self._schedule.add_noise(latents, noise, timestep)
