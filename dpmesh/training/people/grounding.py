"""Recorded motions stood on the floor by bodies of any shape."""

from __future__ import annotations

import numpy as np
import torch

from dpmesh.body import BodyModel
from dpmesh.training.mocap.demo_motion import Motion, keep_on_floor

_FRAMES_AT_ONCE = 25


@torch.no_grad()
def stand_on_floor(body: BodyModel, motion: Motion, betas: np.ndarray, rate_hz: float) -> Motion:
    """Return the motion (y up) as `keep_on_floor` shifts it for a body of shape `betas` (10,)."""
    rest = rest_pelvis(body, betas)
    heights = []
    for first in range(0, len(motion.pose), _FRAMES_AT_ONCE):
        part = slice(first, first + _FRAMES_AT_ONCE)
        pose = torch.from_numpy(motion.pose[part])
        trans = torch.from_numpy((motion.pelvis[part] - rest).astype(np.float32))
        shape = torch.from_numpy(betas).expand(len(pose), 10)
        heights.append(body.vertices(pose, shape, trans)[..., 1].amin(1).numpy())
    return keep_on_floor(motion, np.concatenate(heights), rate_hz)


def rest_pelvis(body: BodyModel, betas: np.ndarray) -> np.ndarray:
    """Return where the pelvis (3,) of a body of shape `betas` (10,) is while `trans` is zero."""
    return body.rest_joints(torch.from_numpy(betas[None]))[0, 0].numpy()
