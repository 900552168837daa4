"""Selects among layouts with the same number of points by the plausibility of the resulting bodies."""

import warnings
from collections.abc import Sequence

import numpy as np

from configs.errors import InputError
from trackers.keypoint_layouts import COCO_NAMES, KeypointLayout, to_kept

BONES = (
    (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (5, 11), (6, 12), (5, 6), (11, 12),
    (0, 1), (0, 2), (1, 3), (2, 4),
)  # fmt: skip
"""Pairs of COCO keypoints that a body joins."""
BONES_MIN = 5  # seen in both layouts, else a person does not vote
CLEARLY = 1.25  # times shorter bones than in any other layout, else a person does not vote
AGREED = 0.8  # share of the votes
BONE_MAX = 0.3  # mean length over the extent; on the whole bodies have 0.1 to 0.2, points in a wrong order 0.25 to 0.5
STRAY = 6.0  # times the median distance of a person's points from their middle; bodies reach 3
VOTERS_MAX = 4096  # spread over the whole file


def choose_layout(
    points: np.ndarray, layouts: Sequence[KeypointLayout], source: str, *, usual: KeypointLayout | None = None
) -> KeypointLayout:
    """Return the layout in which the points are bodies.

    The right order joins the points by the shortest bones, and a neck or a middle of the hips lies midway between
    what it is the middle of. Every person whose points say it clearly has a vote.

    Args:
        points: (R, K, 3) of people in the file's order, not seen: confidence 0.
        source: names the file in an error.
        usual: what is taken where they do not tell.

    Raises:
        InputError: nobody's points say it clearly, or they say different things, and nothing is usual.
    """
    step = max(1, len(points) // VOTERS_MAX)
    costs = np.stack([_bone_lengths(points[::step], layout) for layout in layouts], axis=1)
    costs = costs[np.isfinite(costs).all(axis=1)]
    ordered = np.sort(costs, axis=1)
    is_clear = ordered[:, 1] >= CLEARLY * ordered[:, 0]
    votes = np.bincount(costs[is_clear].argmin(axis=1), minlength=len(layouts))
    is_agreed = votes.max() > 0 and votes.max() >= AGREED * votes.sum()
    if not is_agreed and usual is not None:
        return usual
    if not is_agreed:
        names = " or ".join(f"{layout.title} ({layout.name})" for layout in layouts)
        counted = ", ".join(f"{layout.name} {vote}" for layout, vote in zip(layouts, votes, strict=True))
        raise InputError(
            f"{source}: {layouts[0].count} points are {names}, and the people are ambiguous (votes: {counted}); "
            f"set --keypoints-format {layouts[0].name}"
        )
    return layouts[int(votes.argmax())]


def looks_wrong(points: np.ndarray, layout: KeypointLayout) -> bool:
    """Return whether people (R, K, 3) of this layout have limbs as long as themselves: another order is likelier."""
    if not len(points):
        return False
    lengths = _bone_lengths(points[:: max(1, len(points) // VOTERS_MAX)], layout)
    lengths = lengths[np.isfinite(lengths)]
    return len(lengths) > 0 and bool(np.median(lengths) > BONE_MAX)


def _bone_lengths(points: np.ndarray, layout: KeypointLayout) -> np.ndarray:
    """Return the mean length (R,) of the bones that are seen, over the person's extent; infinite where few are."""
    points = _without_strays(points)
    seen = points[..., 2] > 0
    xy = points[..., :2].astype(np.float64)
    low = np.where(seen[..., None], xy, np.inf).min(axis=1)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1)
    extent = np.linalg.norm(np.where(np.isfinite(high - low), high - low, 0.0), axis=-1)
    body = to_kept(points, layout)[:, : len(COCO_NAMES)].astype(np.float64)
    first, second = (body[:, [bone[end] for bone in BONES]] for end in (0, 1))
    lengths = [np.linalg.norm(first[..., :2] - second[..., :2], axis=-1)]
    counted = [(first[..., 2] > 0) & (second[..., 2] > 0)]
    for middle, one, other in layout.midpoints:
        error = np.linalg.norm(xy[:, middle] - 0.5 * (xy[:, one] + xy[:, other]), axis=-1)
        lengths.append(error[:, None])
        counted.append((seen[:, middle] & seen[:, one] & seen[:, other])[:, None])
    length, is_counted = np.concatenate(lengths, axis=1), np.concatenate(counted, axis=1)
    count = is_counted.sum(axis=1)
    mean = (length * is_counted).sum(axis=1) / np.maximum(count, 1)
    is_usable = (count >= BONES_MIN) & (extent > 0)
    return np.where(is_usable, mean / np.where(extent > 0, extent, 1.0), np.inf)


def _without_strays(points: np.ndarray) -> np.ndarray:
    """Return points (R, K, 3) with those far from all others of a person not seen: one would outweigh all bones."""
    xy = np.where(points[..., 2:] > 0, points[..., :2].astype(np.float64), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of people without a point
        centre = np.nanmedian(xy, axis=1, keepdims=True)
        distance = np.linalg.norm(xy - centre, axis=-1)
        usual = np.nanmedian(distance, axis=1, keepdims=True)
    return np.where((distance <= STRAY * usual)[..., None], points, np.float32(0))
