"""A residual CNN in the backbone's place: what the diffusion U-Net is compared with.

Stages, blocks and order are ResNet-50's (He et al. 2016, table 1) at a smaller width, with group instead of batch
normalisation. The heat maps are concatenated to the stem's features, as in the paper's comparison (arXiv 2404.01424,
section 4.3); there are no prompts and no attention maps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.network.backbone import FeatureFusion, FusedFeatures, KeypointMaps
from dpmesh.network.config import JOINT_COUNT, BackboneConfig
from dpmesh.network.prompts import drop_joints, heatmaps

BLOCKS = (3, 4, 6, 3)
EXPANSION = 4
GROUPS = 4


@dataclass(frozen=True, slots=True)
class CnnOutput:
    """What the rest of the network reads of a backbone."""

    taps: list[Tensor]  # (R, C, S, S) at 4, 8, 16 and 32 px
    features: FusedFeatures
    keypoint_logits: Tensor | None  # (R, 30, 32, 32)

    @property
    def scales(self) -> tuple[tuple[Tensor, ...], ...]:
        """Return the taps at 4, 8 and 16 px, as `BackboneOutput.scales`; a CNN has no attention maps."""
        return tuple((tap,) for tap in self.taps[:-1])


class Bottleneck(nn.Module):
    """Three convolutions round which the input is led; the middle one may halve the size."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = EXPANSION * width
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(),
            nn.Conv2d(width, out, 1, bias=False),
            nn.GroupNorm(GROUPS, out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.GroupNorm(GROUPS, out))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (R, 4 * width, S, S) or half that size."""
        return F.relu(self.shortcut(hidden) + self.layers(hidden))


class CnnBackbone(nn.Module):
    """Runs the CNN on a crop with the heat maps of its 2D joints, and gives the taps that the U-Net would."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        width = config.cnn_width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.GroupNorm(GROUPS, width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        channels = width + JOINT_COUNT
        stages, outlets = [], []
        for level, count in enumerate(BLOCKS):
            inner = width * 2**level
            blocks = [Bottleneck(channels, inner, 1 if level == 0 else 2)]
            channels = EXPANSION * inner
            blocks += [Bottleneck(channels, inner, 1) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            outlets.append(nn.Conv2d(channels, config.unet_channels[level], 1))
        self.stages = nn.ModuleList(stages)
        self.outlets = nn.ModuleList(outlets)
        self.fusion = FeatureFusion(config)
        self.keypoint_maps = KeypointMaps(config) if config.keypoint_maps else None

    def forward(self, image: Tensor, joints: Tensor, joints_mask: Tensor) -> CnnOutput:
        """Return the features of crops; arguments and dropped joints as of `Backbone.forward`."""
        if self.training and self.config.joint_drop:
            joints_mask = drop_joints(joints_mask, self.config.joint_drop)
        maps = heatmaps(joints, joints_mask, self.config.heatmap_sigma)
        if "heatmaps" in self.config.left_out:
            maps = torch.zeros_like(maps)
        hidden = self.stem(image.to(next(self.outlets.parameters()).dtype))
        hidden = torch.cat([hidden, maps.to(hidden.dtype)], dim=1)
        taps: list[Tensor] = []
        for stage, outlet in zip(self.stages, self.outlets, strict=True):
            hidden = stage(hidden)
            taps.insert(0, outlet(hidden))
        empty_8, empty_16 = (taps[at].new_zeros(len(image), JOINT_COUNT, *taps[at].shape[2:]) for at in (1, 2))
        logits = None if self.keypoint_maps is None else self.keypoint_maps(taps[-1], maps)
        return CnnOutput(taps, self.fusion(taps, empty_8, empty_16), logits)
