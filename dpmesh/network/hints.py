"""Hints: where another source, which sees real images, takes some joints of a person to be in 3D.

Hints are (R, 12, 4) float32: x right, y down, z away from the viewer, in metres from the middle of the hips, in the
axes of the viewing ray through the crop's centre (as the crop's, orthographic); then how visible the joint is, 0 to 1.
A joint that is not given has visibility 0.
"""

import torch
from torch import Tensor

from configs.skeletons import COCO_NAMES, SMPL24, mirrored

HINT_JOINTS = COCO_NAMES[5:]
"""Shoulders, elbows, wrists, hips, knees and ankles, left before right."""
MIRRORED_HINTS = mirrored(HINT_JOINTS)
LEFT_HIP, RIGHT_HIP = HINT_JOINTS.index("left_hip"), HINT_JOINTS.index("right_hip")
HINT_OF_24 = [SMPL24.index(name) for name in HINT_JOINTS]

HINT_BONES_M = {
    ("shoulder", "elbow"): 0.258,
    ("elbow", "wrist"): 0.231,
    ("shoulder", "hip"): 0.499,
    ("hip", "knee"): 0.395,
    ("knee", "ankle"): 0.382,
}
"""Bones on either side with their length in the open body's mean shape, `coco17` hips."""
_BONES = [
    (HINT_JOINTS.index(f"{side}_{first}"), HINT_JOINTS.index(f"{side}_{second}"), length)
    for side in ("left", "right")
    for (first, second), length in HINT_BONES_M.items()
]
_FIRST, _SECOND = [first for first, _, _ in _BONES], [second for _, second, _ in _BONES]


def hint_sizes(hints: Tensor) -> Tensor:
    """Return (R,) how large people are in their hints, 1 for the open body's mean shape; 1 where no bone is given.

    The sum of the lengths of the bones of which both ends are given, over what it is in the mean shape.
    """
    places, given = hints[..., :3], (hints[..., 3] > 0).to(hints.dtype)
    lengths = (places[:, _SECOND] - places[:, _FIRST]).norm(dim=-1)
    both = given[:, _SECOND] * given[:, _FIRST]
    mean = (both * both.new_tensor([length for _, _, length in _BONES])).sum(dim=1)
    return ((both * lengths).sum(dim=1) / mean.clamp_min(1e-6)).where(mean > 0, 1.0).clamp_min(0.05)


def hint_places(joints: Tensor) -> Tensor:
    """Return the joints of hints (R, 12, 3), from the middle of the hips, of a body's joints (R, 24 or more, 3)."""
    pelvis, left, right = joints[:, 0], joints[:, 1], joints[:, 2]
    out = joints[:, HINT_OF_24].clone()
    out[:, LEFT_HIP] = 1.1 * left - 0.4 * right + 0.3 * pelvis  # where people mark them: `JOINT_BLENDS`
    out[:, RIGHT_HIP] = 1.1 * right - 0.4 * left + 0.3 * pelvis
    return about_hips(out)


def about_hips(places: Tensor) -> Tensor:
    """Return places (R, 12, 3) from the middle of the hips."""
    return places - 0.5 * (places[:, LEFT_HIP] + places[:, RIGHT_HIP])[:, None]


def normalised_places(places: Tensor) -> Tensor:
    """Return places (R, 12, 3) of people of size 1, all joints given."""
    hints = _joined(places, torch.ones_like(places[..., :1]))
    return places / hint_sizes(hints)[:, None, None]


def normalised_hints(hints: Tensor) -> Tensor:
    """Return hints (R, 12, 4) of people of size 1, zeros for joints that are not given."""
    hints = hints.float()
    visibility = hints[..., 3:].clamp(0.0, 1.0)
    places = hints[..., :3] / hint_sizes(hints)[:, None, None]
    return _joined((places * (visibility > 0)).clamp(-3.0, 3.0), visibility)


def mirrored_hints(hints: Tensor) -> Tensor:
    """Return hints (R, 12, 4) as they are in the mirrored crop."""
    return hints[:, list(MIRRORED_HINTS)] * hints.new_tensor([-1.0, 1.0, 1.0, 1.0])


def rotated_hints(hints: Tensor, rotation: Tensor) -> Tensor:
    """Return hints (R, 12, 4) in other axes; rotation (R, 3, 3) takes places of the old axes to the new ones."""
    return _joined(hints[..., :3] @ rotation.to(hints).mT, hints[..., 3:])


def _joined(places: Tensor, visibility: Tensor) -> Tensor:
    return torch.cat([places, visibility], dim=-1)
