"""From the transformer's body tokens to numbers: cascades of linear layers, and how the camera numbers are read."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dpmesh.geometry.rotations import interleaved_six_to_matrix, nearest_rotation

SCALE_BIAS = math.log(math.e - 1.0)
"""softplus of it is 1: a raw scale of 0 means one metre spans one half-crop."""

CAMERA_EXTENT_M = 2.5
"""What the released network takes a crop to span, metres (its `camera_3d_size`)."""

ARM_DROP_RAD = 1.1
"""By how far the arms of the starting pose hang below the horizontal."""


class Cascade(nn.Module):
    """One linear layer per decoder layer; each adds to the result so far, the first to the start if there is one."""

    def __init__(self, width: int, count: int, layers: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Linear(width + count * (step > 0), count) for step in range(layers))

    def forward(self, tokens: Tensor, start: Tensor | None = None) -> Tensor:
        """Return the running result (L, ..., count) for tokens (L, ..., width) of each layer.

        With a start (..., count) that is the result before the first layer, and comes first: (L + 1, ..., count).
        """
        results = [] if start is None else [start]
        for step, token in zip(self.steps, tokens, strict=True):
            read = token
            if len(results) > (start is not None):
                read = torch.cat([token, results[-1].to(token.dtype)], dim=-1)
            change = step(read)
            results.append(results[-1] + change if results else change)
        return torch.stack(results)

    def start_at(self, value: Tensor, *, gain: float = 0.02) -> None:
        """Make the untrained cascade return about `value` (count,), by small weights."""
        with torch.no_grad():
            for name, parameter in self.steps.named_parameters():
                if name.endswith("weight"):
                    parameter.mul_(gain)
                else:
                    parameter.copy_(value if name == "0.bias" else torch.zeros_like(value))


def rot6d_to_matrix(rot6d: Tensor) -> Tensor:
    """Return rotation matrices (..., 3, 3) in float32 of 6D rotations (..., 6), laid out as the released network's."""
    # float32: rotations feed a chain of 24 joints, where bfloat16's 0.4 % would add up
    return interleaved_six_to_matrix(rot6d.float())


def standing_rot6d() -> Tensor:
    """Return (144,): 24 joints of somebody upright before the camera, arms hanging, in 6D rotations."""
    pose = torch.eye(3).repeat(24, 1, 1)
    pose[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # camera y points down: half a turn about x
    for joint, turn in ((16, -ARM_DROP_RAD), (17, ARM_DROP_RAD)):
        cos, sin = math.cos(turn), math.sin(turn)
        pose[joint, :2, :2] = torch.tensor([[cos, -sin], [sin, cos]])
    return pose[..., :2].flatten()


def body_with_flat_hands(root: Tensor, body: Tensor) -> Tensor:
    """Return (R, 24, 3, 3) of root (R, 3, 3) and body (R, B, 3, 3); joints beyond B + 1 are not turned."""
    missing = 23 - body.shape[1]
    hands = torch.eye(3, dtype=body.dtype, device=body.device).expand(len(body), missing, 3, 3)
    return torch.cat([root[:, None], body, hands], dim=1)


def published_translation(camera_raw: Tensor, focal_px: Tensor, image_px: int) -> Tensor:
    """Return the pelvis-frame translation (R, 3) in metres as the released network reads its camera numbers.

    Args:
        camera_raw: (R, 3).
        focal_px: (R,) focal length of each row. The release used the batch's first for all rows.
        image_px: side of the crop.
    """
    reach = focal_px.to(camera_raw.dtype) * CAMERA_EXTENT_M / image_px
    return torch.cat([camera_raw[:, :2], (reach * camera_raw[:, 2].sigmoid())[:, None]], dim=1)


def scale_of(camera_raw: Tensor) -> Tensor:
    """Return (R,) how many half-crops one metre spans, above 0, of camera numbers (R, 3)."""
    return F.softplus(camera_raw[:, 0].float() + SCALE_BIAS)


def orthonormal(matrices: Tensor) -> Tensor:
    """Return in float32 the rotations (..., 3, 3) nearest to decoded `matrices`, which are only nearly rotations."""
    return nearest_rotation(matrices.float())
