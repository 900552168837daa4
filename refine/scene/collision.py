"""Penetration depth of two bodies, approximated by capsules."""

import torch
from torch import Tensor

from dpmesh.body import JOINT_SETS

# Bones and the radius of the flesh around them in metres, on the slim side: people may touch.
CAPSULES: tuple[tuple[str, str, float], ...] = (
    ("pelvis", "spine3", 0.11),
    ("left_shoulder", "right_shoulder", 0.07),
    ("neck", "head", 0.08),
    *((f"{side}_hip", f"{side}_knee", 0.065) for side in ("left", "right")),
    *((f"{side}_knee", f"{side}_ankle", 0.045) for side in ("left", "right")),
    *((f"{side}_shoulder", f"{side}_elbow", 0.04) for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_wrist", 0.03) for side in ("left", "right")),
)
_STARTS = [JOINT_SETS["smpl24"].index(start) for start, _, _ in CAPSULES]
_ENDS = [JOINT_SETS["smpl24"].index(end) for _, end, _ in CAPSULES]
REACH_M = 2.2  # people whose pelvises are farther apart cannot touch


def depths(first: Tensor, second: Tensor) -> Tensor:
    """Return the penetration depths (N, C, C) of the capsules of two people in metres, 0 where they are apart.

    Differentiable with respect to the joints.

    Args:
        first: (N, 24, 3) joints of one person, second: (N, 24, 3) of the other.
    """
    radius = torch.tensor([radius for _, _, radius in CAPSULES], dtype=first.dtype, device=first.device)
    p, u = first[:, _STARTS, None], (first[:, _ENDS] - first[:, _STARTS])[:, :, None]
    q, v = second[:, None, _STARTS], (second[:, _ENDS] - second[:, _STARTS])[:, None]
    with torch.no_grad():  # the distance does not change with small moves of the closest points along the bones
        along, across = _closest(p, u, q, v)
    gap = (p + along * u) - (q + across * v)
    return (radius[:, None] + radius - gap.square().sum(-1).clamp_min(1e-12).sqrt()).clamp_min(0.0)


def _closest(p: Tensor, u: Tensor, q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return where on segments p + s u and q + t v, s and t (..., 1) in 0 to 1, they come closest.

    Source: Ericson 2004, Real-Time Collision Detection, 5.1.9.
    """

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(-1, keepdim=True)

    offset = p - q
    uu, vv, uv = dot(u, u).clamp_min(1e-9), dot(v, v).clamp_min(1e-9), dot(u, v)
    up, vp = dot(u, offset), dot(v, offset)
    along = ((uv * vp - up * vv) / (uu * vv - uv.square()).clamp_min(1e-9)).clamp(0.0, 1.0)
    across = ((uv * along + vp) / vv).clamp(0.0, 1.0)
    return ((uv * across - up) / uu).clamp(0.0, 1.0), across
