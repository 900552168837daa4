"""From the given joints straight to a first body: what 2D joints alone tell, which the image then corrects."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from configs.skeletons import MIRRORED_15, MIRRORED_24, MIRRORED_30
from dpmesh.network.config import JOINT_COUNT, LATENT_PX, QUERY_JOINT_COUNT, RegressorConfig

BETA_COUNT, CAMERA_COUNT = 10, 3
_TOKEN_RANK = 192


@dataclass(frozen=True, slots=True)
class FirstBody:
    """Where the decoder starts from."""

    tokens: Tensor  # (R, tokens, width)
    pose_raw: Tensor  # (R, pose_count)
    betas: Tensor  # (R, 10)
    camera_raw: Tensor  # (R, 3)
    joint_logit: Tensor  # (R, 15, 3) of x, y over the crop and z over 2 m about the root
    cues: Tensor | None  # (R, 30, 4) what the image tells of each given joint, see `JointFeatures`


class ResidualLayer(nn.Module):
    """Two linear layers round which the input is led; it starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, width)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), last)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (R, width)."""
        return hidden + self.layers(hidden)


class JointFeatures(nn.Module):
    """What the image shows at the given joints: the taps of the U-Net read there, one short vector per joint.

    So that the features learn what the joints cannot tell, `cues` says of each joint, from its vector alone, how far
    it lies behind the root (metres) and the direction from its parent joint to it (unit vector, crop axes).
    """

    def __init__(self, tap_channels: Sequence[int], per_joint: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(sum(tap_channels), per_joint)
        self.cues = nn.Linear(per_joint, 4)
        self.mix = nn.Linear(JOINT_COUNT * per_joint, hidden)
        nn.init.zeros_(self.mix.weight)  # the image starts silent: random features would drown the joints

    def forward(self, joints: Tensor, mask: Tensor, taps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return (R, hidden) and the cues (R, 30, 4).

        Args:
            joints: (R, 30, 2) in grid cells.
            mask: (R, 30, 1) confidence, 0 where a joint is not given.
            taps: (R, C, S, S) each, over the whole crop.
        """
        grid = (2.0 * joints / LATENT_PX - 1.0).float()[:, :, None]
        read = [F.grid_sample(tap.float(), grid, align_corners=False)[..., 0] for tap in taps]
        vectors = F.gelu(self.reduce(torch.cat(read, dim=1).transpose(1, 2).to(self.reduce.weight.dtype))) * mask
        vectors = vectors.to(self.mix.weight.dtype)
        return self.mix(vectors.flatten(1)), self.cues(vectors).float()


JOINT_PARTS = ("joints", "layers", "last", "norm", "body")
"""Parts of the lift that make a body of the joints alone."""


class JointLift(nn.Module):
    """A perceptron from the given joints, and what the image shows there, to a body, which the decoder refines.

    Without the image it can be trained alone, thousands of bodies a second. Without the lift, attention has to learn
    where each joint lies before the body tokens see any of them, and nothing tells the image features what to become.
    """

    def __init__(self, tokens: int, pose_count: int, tap_channels: Sequence[int], config: RegressorConfig) -> None:
        super().__init__()
        hidden = config.joint_lift
        self.token_shape = (tokens, config.width)
        self.counts = (pose_count, BETA_COUNT, CAMERA_COUNT, 3 * QUERY_JOINT_COUNT)
        self.is_mirrored = config.lift_mirrored
        self.joints = nn.Linear(3 * JOINT_COUNT, hidden)
        self.layers = nn.Sequential(*(ResidualLayer(hidden) for _ in range(config.lift_layers - 1)))
        self.image = JointFeatures(tap_channels, config.image_lift, hidden) if config.image_lift else None
        self.last = ResidualLayer(hidden)
        self.norm = nn.LayerNorm(hidden)
        self.body = nn.Linear(hidden, sum(self.counts))
        self.tokens = nn.Sequential(
            nn.Linear(hidden, _TOKEN_RANK), nn.GELU(), nn.Linear(_TOKEN_RANK, tokens * config.width)
        )
        if self.is_mirrored:
            order, sign = _mirror_of_body()
            self.register_buffer("mirror_order", order, persistent=False)
            self.register_buffer("mirror_sign", sign, persistent=False)

    def start_at(self, pose_raw: Tensor) -> None:
        """Make the untrained lift return about this pose (pose_count,) and zeros, by small weights."""
        with torch.no_grad():
            self.body.weight.mul_(0.02)
            self.body.bias.zero_()
            self.body.bias[: len(pose_raw)] = pose_raw

    def keep_joints(self) -> None:
        """Leave to training only what reads the image and what the decoder is given."""
        self.requires_grad_(False)
        for part in (self.image, self.tokens):
            if part is not None:
                part.requires_grad_(True)

    def forward(self, joints: Tensor, mask: Tensor, taps: Sequence[Tensor] | None) -> FirstBody:
        """Return the first body of joints (R, 30, 2) in grid cells, confidence (R, 30, 1) and the taps of the U-Net."""
        centred = (2.0 * joints / LATENT_PX - 1.0) * (mask > 0)
        seen: Tensor | None = None
        cues: Tensor | None = None
        if self.image is not None and taps is not None:
            seen, cues = self.image(joints, mask, taps)
        hidden = self._read(centred, mask, seen)
        body = self.body(hidden).float()
        if self.is_mirrored:  # no estimates to choose from: trained as one function, the two differ by 0.1 rad
            order = list(MIRRORED_30)
            flipped = centred[:, order] * centred.new_tensor([-1.0, 1.0])
            other = self.body(self._read(flipped, mask[:, order])).float()
            body = 0.5 * (body + other[:, self.mirror_order] * self.mirror_sign)
        pose_raw, betas, camera_raw, joint_logit = body.split(self.counts, dim=-1)
        tokens = self.tokens(hidden).unflatten(1, self.token_shape)
        return FirstBody(tokens, pose_raw, betas, camera_raw, joint_logit.unflatten(1, (QUERY_JOINT_COUNT, 3)), cues)

    def _read(self, centred: Tensor, mask: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return (R, hidden) of joints about the crop's middle and what the image adds."""
        observed = torch.cat([centred, mask], dim=-1).flatten(1)
        hidden: Tensor = self.layers(self.joints(observed.to(self.joints.weight.dtype)))
        if seen is not None:
            hidden = hidden + seen
        hidden = self.norm(self.last(hidden))
        return hidden


def _mirror_of_body() -> tuple[Tensor, Tensor]:
    """Return place and sign (144 + 10 + 3 + 45,) by which the numbers of a body become those of its mirror image."""
    parts = (
        (MIRRORED_24, (1.0, -1.0, -1.0, 1.0, -1.0, 1.0)),  # two columns of a rotation, row by row
        (range(BETA_COUNT), (1.0,)),
        (range(1), (1.0, -1.0, 1.0)),  # scale, shift to the right, shift down
        (MIRRORED_15, (-1.0, 1.0, 1.0)),
    )
    orders: list[Tensor] = []
    for order, sign in parts:
        start = sum(map(len, orders))
        orders.append((start + len(sign) * torch.tensor(order)[:, None] + torch.arange(len(sign))).flatten())
    return torch.cat(orders), torch.cat([torch.tensor(sign).repeat(len(order)) for order, sign in parts])
