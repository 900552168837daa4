"""Which parts of a crowd hide which: bodies are made of capsules, and pillars stand between them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from dpmesh.training.crowds.camera import HEIGHT, WIDTH

# Ends of capsules, as rows of the sample points, and their radii over the height of a person.
SEGMENTS = np.array(
    [
        (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16),
        (5, 11), (6, 12), (5, 6), (11, 12), (0, 17), (5, 12),
    ]
)  # fmt: skip
RADII = np.array([0.03, 0.025, 0.03, 0.025, 0.05, 0.035, 0.05, 0.035, 0.06, 0.06, 0.05, 0.06, 0.06, 0.07])
MIDPOINTS = SEGMENTS[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13]]
MARGIN = 0.045  # flesh around the joints, over the height
PILLAR_M = 0.6


@dataclass(frozen=True, slots=True)
class Sight(Shaped):
    """What is to be seen of everybody, in pixels; NaN where somebody is behind the camera."""

    points_px: Annotated[np.ndarray, "N", "T", 17, 2]
    point_visible: Annotated[np.ndarray, "N", "T", 17]  # bool: in the image, and nobody before it
    point_hider: Annotated[np.ndarray, "N", "T", 17]  # int, who is before it; -1 nobody, or a pillar
    boxes_xyxy: Annotated[np.ndarray, "N", "T", 4]  # round the whole body, also beyond the image
    modal_xyxy: Annotated[np.ndarray, "N", "T", 4]  # round what is visible; NaN where nothing is
    visible: Annotated[np.ndarray, "N", "T"]  # share of the whole body that is visible
    inside: Annotated[np.ndarray, "N", "T"]  # share of the box that is in the image
    depth_m: Annotated[np.ndarray, "N", "T"]


def look(points_px: np.ndarray, depth_m: np.ndarray, pillars: np.ndarray) -> Sight:
    """Return what is visible.

    Args:
        points_px: (N, T, 18, 2), the keypoints and the top of the head.
        depth_m: (N, T) of each person.
        pillars: (T, Q, 3) left and right edge in pixels, and depth.
    """
    people, frames = depth_m.shape
    samples = np.concatenate([points_px, points_px[:, :, MIDPOINTS].mean(axis=3)], axis=2)
    boxes = _boxes(points_px)
    in_image = ((samples >= 0) & (samples < [WIDTH, HEIGHT])).all(axis=-1)
    hider = np.full(samples.shape[:3], -1)
    hidden = np.asarray(~in_image)
    for frame in range(frames):
        _hide(frame, samples[:, frame], boxes[:, frame], depth_m[:, frame], hidden, hider)
        for left, right, depth in pillars[frame]:
            behind = (depth_m[:, frame] > depth)[:, None]
            hidden[:, frame] |= behind & (samples[:, frame, :, 0] >= left) & (samples[:, frame, :, 0] <= right)
    visible = ~hidden
    seen = np.where(visible[..., None], samples, np.nan)
    is_any = visible.sum(axis=2) >= 2
    margin = MARGIN * (boxes[..., 3] - boxes[..., 1])[..., None]
    modal = np.full((people, frames, 4), np.nan)
    modal[is_any] = np.concatenate([np.nanmin(seen[is_any], axis=1), np.nanmax(seen[is_any], axis=1)], axis=-1)
    modal = modal + np.concatenate([-margin, -margin, margin, margin], axis=-1)
    clipped = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    inside = _area(clipped) / np.maximum(_area(boxes), 1e-6)
    return Sight(
        points_px[:, :, :17],
        visible[:, :, :17],
        hider[:, :, :17],
        boxes,
        modal,
        visible.mean(axis=2),
        np.nan_to_num(inside),
        depth_m,
    )


def _hide(
    frame: int,
    samples: np.ndarray,
    boxes: np.ndarray,
    depth_m: np.ndarray,
    hidden: np.ndarray,
    hider: np.ndarray,
) -> None:
    """Note which samples (N, S, 2) of a frame lie behind the capsules of somebody nearer."""
    low, high = boxes[:, :2], boxes[:, 2:]
    meet = ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=-1)
    front, back = np.nonzero(meet & (depth_m[:, None] < depth_m[None]))
    if not len(front):
        return
    first, second = samples[front][:, SEGMENTS[:, 0]], samples[front][:, SEGMENTS[:, 1]]
    along = second - first
    radius = RADII * (boxes[front, 3] - boxes[front, 1])[:, None]
    to = samples[back][:, :, None] - first[:, None]
    share = (to * along[:, None]).sum(-1) / np.maximum((along**2).sum(-1), 1e-6)[:, None]
    gap = to - np.clip(share, 0, 1)[..., None] * along[:, None]
    covers = ((gap**2).sum(-1) < radius[:, None] ** 2).any(axis=-1)
    pair, sample = np.nonzero(covers)
    hidden[back[pair], frame, sample] = True
    hider[back[pair], frame, sample] = front[pair]


def _boxes(points_px: np.ndarray) -> np.ndarray:
    low, high = points_px.min(axis=2), points_px.max(axis=2)
    margin = MARGIN * (high[..., 1:] - low[..., 1:])
    return np.concatenate([low - margin, high + margin], axis=-1)


def _area(boxes: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sides[..., 0] * sides[..., 1])
