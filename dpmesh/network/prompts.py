"""The two forms in which 2D joints steer the backbone: heat maps and prompt tokens."""

import torch
from torch import Tensor, nn

from dpmesh.network.config import JOINT_COUNT, LATENT_PX, BackboneConfig


def heatmaps(joints: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """Return one Gaussian of peak 1 per joint, (R, K, 32, 32); masked joints give an empty map.

    Args:
        joints: (R, K, 2) x, y in grid cells, 0 to 31 inside the crop.
        mask: (R, K, 1) 1 keeps a joint, 0 blanks it.
        sigma: standard deviation in grid cells.
    """
    cells = torch.arange(LATENT_PX, device=joints.device)
    bell_x, bell_y = (torch.exp(-((cells - joints[..., axis, None]) ** 2) / (2 * sigma**2)) for axis in (0, 1))
    return bell_y[..., :, None] * (bell_x * mask)[..., None, :]


def drop_joints(mask: Tensor, rate: float) -> Tensor:
    """Return `mask` (R, K, 1) with each joint masked with probability `rate`, drawn independently."""
    return mask * (torch.rand_like(mask) >= rate)


class JointPrompt(nn.Module):
    """Lifts joint coordinates to the tokens the U-Net's cross-attention reads.

    With the published settings the token is a function of the coordinates only and is made for masked joints too.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        width = config.context_dim
        self.lift: nn.Module
        if config.prompt == "linear":
            self.lift = nn.Linear(2, width)
        else:
            self.lift = nn.Sequential(
                nn.Linear(2, config.prompt_hidden), nn.GELU(), nn.Linear(config.prompt_hidden, width)
            )
        self.identity = nn.Parameter(torch.randn(JOINT_COUNT, width)) if config.prompt_joint_identity else None
        self.absent = nn.Parameter(torch.zeros(width)) if config.prompt_absent_token else None

    def forward(self, joints: Tensor, mask: Tensor) -> Tensor:
        """Return tokens (R, 30, context_dim) of joints (R, 30, 2) in grid cells; mask is (R, 30, 1)."""
        dtype = next(self.lift.parameters()).dtype
        tokens = self.lift((joints / LATENT_PX).to(dtype))
        if self.absent is not None:
            tokens = torch.where(mask > 0, tokens, self.absent.to(tokens.dtype))
        return tokens if self.identity is None else tokens + self.identity
