"""The diffusion prior as image backbone: latent, control branch, one U-Net pass, fused feature."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.network.config import JOINT_COUNT, BackboneConfig, Part
from dpmesh.network.control import ControlBranch
from dpmesh.network.latents import LatentEncoder
from dpmesh.network.prompts import JointPrompt, drop_joints, heatmaps
from dpmesh.network.unet import DecoderFeatures, EncoderFeatures, build_unet, decode, encode, time_embedding


@dataclass(frozen=True, slots=True)
class FusedFeatures:
    """The three inputs' common 8x8 grid: `fine` and `middle` are the reduced 32 and 16 px taps, `fused` the result."""

    fine: Tensor  # (R, C0, 8, 8)
    middle: Tensor  # (R, C1 + 30, 8, 8)
    fused: Tensor  # (R, fused_channels, 8, 8)


@dataclass(frozen=True, slots=True)
class Steering:
    """The given joints in the two forms that steer the U-Net."""

    maps: Tensor  # (R, 30, 32, 32) heat maps
    context: Tensor  # (R, 30, context_dim) prompt tokens


@dataclass(frozen=True, slots=True)
class UNetPass:
    """One pass of control branch and U-Net."""

    control: list[Tensor]
    down: EncoderFeatures
    up: DecoderFeatures


@dataclass(frozen=True, slots=True)
class BackboneOutput:
    """Everything the backbone computed for a batch of crops."""

    heatmaps: Tensor  # (R, 30, 32, 32)
    context: Tensor  # (R, 30, context_dim)
    latents: Tensor  # (R, latent_channels, 32, 32)
    control: list[Tensor]
    down: EncoderFeatures
    up: DecoderFeatures
    maps_16: Tensor  # (R, 30, 16, 16) cross-attention, mean over layers and heads
    maps_8: Tensor  # (R, 30, 8, 8)
    features: FusedFeatures
    keypoint_logits: Tensor | None  # (R, 30, 32, 32), the softmax over a map tells where the joint is

    @property
    def taps(self) -> list[Tensor]:
        """Return the taps of the U-Net, 4 px first."""
        return self.up.taps

    @property
    def scales(self) -> tuple[tuple[Tensor, ...], ...]:
        """Return the paper's hierarchical features: the taps at 4, 8 and 16 px with the attention maps of their size.

        Source: arXiv 2404.01424, section 3.2, output blocks 1, 4 and 7; cross-attention is read at 8 and 16 px.
        """
        coarsest, coarse, middle, _ = self.up.taps
        return (coarsest,), (coarse, self.maps_8), (middle, self.maps_16)


class KeypointMaps(nn.Module):
    """Says where the image shows each joint, starting from where the detector saw it."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        channels = config.unet_channels[0]
        self.layers = nn.Sequential(
            nn.GroupNorm(config.unet_groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * channels, JOINT_COUNT, 1),
        )
        self.trust = nn.Parameter(torch.full((JOINT_COUNT, 1, 1), 4.0))

    def forward(self, tap: Tensor, maps: Tensor) -> Tensor:
        """Return logits (R, 30, 32, 32) of the finest tap (R, C0, 32, 32) and the given joints' heat maps."""
        return self.layers(tap).float() + self.trust * maps.float()


class FeatureFusion(nn.Module):
    """Brings the taps and attention maps to 8x8 and mixes them."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        fine, middle, coarse, coarsest = config.unet_channels
        middle, coarse = middle + JOINT_COUNT, coarse + JOINT_COUNT
        self.fine = nn.Sequential(
            nn.Conv2d(fine, fine, 3, stride=2, padding=1),
            nn.GroupNorm(config.fused_groups, fine),
            nn.ReLU(),
            nn.Conv2d(fine, fine, 3, stride=2, padding=1),
        )
        self.middle = nn.Conv2d(middle, middle, 3, stride=2, padding=1)
        self.merge = nn.Sequential(
            nn.Conv2d(fine + middle + coarse + coarsest, config.fused_channels, 1),
            nn.GroupNorm(config.fused_groups, config.fused_channels),
            nn.ReLU(),
        )

    def forward(self, taps: list[Tensor], maps_8: Tensor, maps_16: Tensor) -> FusedFeatures:
        """Fuse the taps at 4, 8, 16 and 32 px with the attention maps of 8 and 16 px."""
        coarsest, coarse, middle, fine = taps
        reduced_fine = self.fine(fine)
        reduced_middle = self.middle(torch.cat([middle, maps_16.to(middle.dtype)], dim=1))
        grown = F.interpolate(coarsest, scale_factor=2.0, mode="nearest")
        stacked = torch.cat([reduced_fine, reduced_middle, coarse, maps_8.to(coarse.dtype), grown], dim=1)
        return FusedFeatures(reduced_fine, reduced_middle, self.merge(stacked))


class Backbone(nn.Module):
    """Runs the U-Net once on a crop, steered by its 2D joints."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.latents = LatentEncoder(config)
        self.prompt = JointPrompt(config)
        self.control = ControlBranch(config)
        self.unet = build_unet(config)
        self.fusion = FeatureFusion(config)
        self.keypoint_maps = KeypointMaps(config) if config.keypoint_maps else None

    def forward(self, image: Tensor, joints: Tensor, joints_mask: Tensor) -> BackboneOutput:
        """Return the features of crops (R, 3, P, P) in [0, 1] with joints (R, 30, 2) in grid cells.

        `joints_mask` is (R, 30, 1). In training mode some joints are dropped at random on top of it; their tokens
        stay, as published, unless the prompt has a token for absent joints.
        """
        steering = self.steer(joints, joints_mask)
        latents = self.latents(image)
        if "latents" in self.config.left_out:
            latents = torch.zeros_like(latents)
        unet_pass = self.run_unet(latents, steering, self.config.timestep)
        down, up = unet_pass.down, unet_pass.up
        maps_16, maps_8 = (_mean_map(down.maps[level] + up.maps[level]) for level in (1, 2))
        if "attention_maps" in self.config.left_out:
            maps_16, maps_8 = torch.zeros_like(maps_16), torch.zeros_like(maps_8)
        features = self.fusion(up.taps, maps_8, maps_16)
        logits = None if self.keypoint_maps is None else self.keypoint_maps(up.taps[-1], steering.maps)
        return BackboneOutput(
            steering.maps, steering.context, latents, unet_pass.control, down, up, maps_16, maps_8, features, logits
        )

    def steer(self, joints: Tensor, joints_mask: Tensor) -> Steering:
        """Return heat maps and tokens of joints, some of them dropped in training mode; arguments as of `forward`."""
        if self.training and self.config.joint_drop:
            joints_mask = drop_joints(joints_mask, self.config.joint_drop)
        maps = heatmaps(joints, self._unless_left_out("heatmaps", joints_mask), self.config.heatmap_sigma)
        return Steering(maps, self.prompt(joints, self._unless_left_out("prompts", joints_mask)))

    def _unless_left_out(self, part: Part, joints_mask: Tensor) -> Tensor:
        return torch.zeros_like(joints_mask) if part in self.config.left_out else joints_mask

    def run_unet(self, latents: Tensor, steering: Steering, timestep: int | Tensor) -> UNetPass:
        """Run control branch and U-Net on latents (R, C, 32, 32) of a time step, one for all rows or (R,)."""
        control = self.control(latents, steering.maps, steering.context, timestep)
        temb = time_embedding(self.unet, timestep)
        down = encode(self.unet, latents, temb, steering.context, record=True)
        skips = [skip + residual for skip, residual in zip(down.skips, control[:-1], strict=True)]
        return UNetPass(control, down, decode(self.unet, down.middle + control[-1], skips, temb, steering.context))


def _mean_map(maps: list[Tensor]) -> Tensor:
    """Return the mean of maps (R, positions, 30) over layers, as (R, 30, side, side)."""
    mean = torch.stack(maps).mean(dim=0)
    side = round(mean.shape[1] ** 0.5)
    return mean.transpose(1, 2).unflatten(-1, (side, side))
