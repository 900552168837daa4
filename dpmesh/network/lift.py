"""From the given joints straight to a first body: what 2D joints alone tell, which the image then corrects."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from configs.skeletons import MIRRORED_15, MIRRORED_24, MIRRORED_30, SMPL_PARENTS
from dpmesh.network.config import HINT_COUNT, JOINT_COUNT, LATENT_PX, QUERY_JOINT_COUNT, RegressorConfig
from dpmesh.network.heads import rot6d_to_matrix
from dpmesh.network.hints import hint_places, mirrored_hints, normalised_hints, normalised_places

BETA_COUNT, CAMERA_COUNT = 10, 3
_TOKEN_RANK = 192


@dataclass(frozen=True, slots=True)
class FirstBody:
    """Where the decoder starts from."""

    tokens: Tensor  # (R, tokens, width); none where nothing reads the image
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


class HintLift(nn.Module):
    """Corrects the body that the lift makes of keypoints by hints in 3D.

    It knows what the lift takes the joints to be, so it has to learn only by how much the one or the other is right.
    It starts silent, and without hints nobody asks it: then the lift stays as it is.
    """

    def __init__(self, count: int, config: RegressorConfig) -> None:
        super().__init__()
        hidden = config.hint_lift
        self.read = nn.Linear(3 * JOINT_COUNT + count + (3 + 3 + 4) * HINT_COUNT, hidden)
        self.layers = nn.Sequential(*(ResidualLayer(hidden) for _ in range(config.lift_layers - 1)))
        self.norm = nn.LayerNorm(hidden)
        self.change = nn.Linear(hidden, count)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        self.register_buffer("rest", torch.zeros(len(SMPL_PARENTS), 3))  # joints of the mean shape at rest, metres
        self.rest: Tensor

    def forward(self, observed: Tensor, body: Tensor, hints: Tensor) -> Tensor:
        """Return by what the numbers of bodies (R, count) change.

        Args:
            observed: (R, 90) keypoints.
            body: (R, count) of the lift.
            hints: (R, 12, 4).
        """
        own, told = normalised_places(self.joints_of(body)), normalised_hints(hints)
        apart = (told[..., :3] - own) * (hints[..., 3:] > 0)
        read = torch.cat([observed, body, own.flatten(1), apart.flatten(1), told.flatten(1)], dim=1)
        hidden = self.layers(self.read(read.to(self.read.weight.dtype)))
        change: Tensor = self.change(self.norm(hidden)).float()
        return change

    def joints_of(self, body: Tensor) -> Tensor:
        """Return the joints of hints (R, 12, 3) of bodies in mean shape, metres from the middle of the hips."""
        turns = rot6d_to_matrix(body[:, : 6 * len(SMPL_PARENTS)].unflatten(1, (len(SMPL_PARENTS), 6)))
        rest = self.rest.float()
        turned, places = [turns[:, 0]], [torch.zeros_like(body[:, :3], dtype=torch.float32)]
        for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
            places.append(places[parent] + turned[parent] @ (rest[joint] - rest[parent]))
            turned.append(turned[parent] @ turns[:, joint])
        return hint_places(torch.stack(places, dim=1))


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
        self.tokens: nn.Sequential | None = None
        if tokens:
            self.tokens = nn.Sequential(
                nn.Linear(hidden, _TOKEN_RANK), nn.GELU(), nn.Linear(_TOKEN_RANK, tokens * config.width)
            )
        self.hints = HintLift(sum(self.counts), config) if config.hint_lift else None
        if self.is_mirrored:
            order, sign = _mirror_of_body()
            self.register_buffer("mirror_order", order, persistent=False)
            self.register_buffer("mirror_sign", sign, persistent=False)
            self.mirror_order: Tensor
            self.mirror_sign: Tensor

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

    def start_hints(self, rest: Tensor) -> None:
        """Leave to training only what is made of hints.

        Args:
            rest: (24, 3) joints of the body's mean shape at rest, metres.

        Raises:
            ValueError: this lift reads none.
        """
        if self.hints is None:
            raise ValueError("hint_lift is 0: this lift has no part that reads hints")
        self.requires_grad_(False)
        self.hints.requires_grad_(True)
        self.hints.rest.copy_(rest)

    def forward(
        self, joints: Tensor, mask: Tensor, taps: Sequence[Tensor] | None, hints: Tensor | None = None
    ) -> FirstBody:
        """Return the first body.

        Args:
            joints: (R, 30, 2) in grid cells.
            mask: (R, 30, 1) confidence.
            taps: of the U-Net; None for the joints alone.
            hints: (R, 12, 4) see `dpmesh.network.hints`; rows without any get what the lift makes of the joints.
        """
        centred = (2.0 * joints / LATENT_PX - 1.0) * (mask > 0)
        seen: Tensor | None = None
        cues: Tensor | None = None
        if self.image is not None and taps is not None:
            seen, cues = self.image(joints, mask, taps)
        hidden = self._read(centred, mask, seen)
        body = self._body(hidden, centred, mask)
        if self.hints is not None and hints is not None:
            alone = body if seen is None else self._body(self._read(centred, mask), centred, mask)
            changed = body + self._change(alone, centred, mask, hints)
            body = torch.where((hints[..., 3] > 0).any(dim=1, keepdim=True), changed, body)
        pose_raw, betas, camera_raw, joint_logit = body.split(self.counts, dim=-1)
        told = hidden.new_zeros(len(hidden), 0) if self.tokens is None else self.tokens(hidden)
        tokens = told.unflatten(1, self.token_shape)
        return FirstBody(tokens, pose_raw, betas, camera_raw, joint_logit.unflatten(1, (QUERY_JOINT_COUNT, 3)), cues)

    def _body(self, hidden: Tensor, centred: Tensor, mask: Tensor) -> Tensor:
        """Return the numbers (R, sum of `counts`) of bodies; of a mirrored lift, their mean with the mirror image's."""
        body: Tensor = self.body(hidden).float()
        if self.is_mirrored:  # no estimates to choose from: trained as one function, the two differ by 0.1 rad
            order = list(MIRRORED_30)
            flipped = centred[:, order] * centred.new_tensor([-1.0, 1.0])
            other = self.body(self._read(flipped, mask[:, order])).float()
            body = 0.5 * (body + self._mirrored(other))
        return body

    def _mirrored(self, body: Tensor) -> Tensor:
        return body[:, self.mirror_order] * self.mirror_sign

    def _read(self, centred: Tensor, mask: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return (R, hidden) of joints about the crop's middle and what the image adds."""
        hidden: Tensor = self.layers(self.joints(_observed(centred, mask).to(self.joints.weight.dtype)))
        if seen is not None:
            hidden = hidden + seen
        hidden = self.norm(self.last(hidden))
        return hidden

    def _change(self, body: Tensor, centred: Tensor, mask: Tensor, hints: Tensor) -> Tensor:
        """Return by what hints change the numbers of bodies that are made of the joints alone."""
        if self.hints is None:
            raise ValueError("hint_lift is 0: this lift has no part that reads hints")
        change = self.hints(_observed(centred, mask), body, hints)
        if self.is_mirrored:
            order, body = list(MIRRORED_30), self._mirrored(body)
            flipped = _observed(centred[:, order] * centred.new_tensor([-1.0, 1.0]), mask[:, order])
            other = self.hints(flipped, body, mirrored_hints(hints))
            change = 0.5 * (change + self._mirrored(other))
        return change


def _observed(centred: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([centred, mask], dim=-1).flatten(1)


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
