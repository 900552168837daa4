"""The networks that are compared, each the full one but for one part.

All of them have the paper's wiring: 2D joints reach the body through heat maps and prompts alone. The lift that the
shipped network has (`RegressorConfig.joint_lift`) would hand the joints past whatever is left out; it has its own row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dpmesh.network.config import NetworkConfig

CNN_WIDTH = 36
"""Gives the CNN 7.7 M parameters; encoder, prompts, control branch and U-Net of `compact` have 8.2 M."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table."""

    name: str
    title: str
    backbone: Mapping[str, Any] = field(default_factory=dict)  # fields of `BackboneConfig` that differ
    has_prior: bool = True  # starts from the diffusion prior
    has_reasoning: bool = True  # features follow the teacher's
    has_lift: bool = False
    is_image_used: bool = True

    def config_of(self, base: NetworkConfig) -> NetworkConfig:
        """Return the variant of a configuration."""
        regressor = base.regressor if self.has_lift else replace(base.regressor, joint_lift=0, image_lift=0)
        return NetworkConfig(replace(base.backbone, **self.backbone), regressor)


FULL = Variant("full", "full")
VARIANTS = (
    FULL,
    Variant("no-heatmaps", "without heat maps", {"left_out": ("heatmaps",)}),
    Variant("no-prompts", "without prompts", {"left_out": ("prompts",)}),
    Variant("no-attention-maps", "without attention maps", {"left_out": ("attention_maps",)}),
    Variant("no-prior", "without diffusion pre-training", has_prior=False),
    Variant("no-reasoning", "without noisy keypoint reasoning", has_reasoning=False),
    Variant("cnn", "CNN of equal size, not pre-trained", {"cnn_width": CNN_WIDTH}, has_prior=False),
    Variant(
        "lifter",
        "keypoints alone (the lift)",
        has_prior=False,
        has_reasoning=False,
        has_lift=True,
        is_image_used=False,
    ),
)
