"""Looks without a network: the colours of head, trunk, thighs and shins, where the keypoints say they are."""

import cv2
import numpy as np

from trackers.appearance.silhouettes import Covers, covered_points
from trackers.types import Detections

PARTS = ("head", "trunk", "thighs", "shins")
HEAD = (0, 1, 2, 3, 4)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 5, 6, 11, 12
LIMBS = {"thighs": ((11, 13), (12, 14)), "shins": ((13, 15), (14, 16))}
LIMB_WIDTH = {"thighs": 0.10, "shins": 0.07}  # half of what is sampled across, over the limb's length
HEAD_RADIUS = 0.16  # over the length of the trunk
SCORE_MIN = 0.3
CLEAR_MIN = 0.6  # share of a part's points that must lie in the image, and behind nobody else
QUANTILES = (0.2, 0.5, 0.8)
POINTS = 40  # per part


class PartColours:
    """Of each part, the 20th, 50th and 80th percentile of CIELAB's L, a and b: 36 numbers."""

    rate_hz = 10.0

    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(PARTS) * 3 * len(QUANTILES)

    def measure(self, image: np.ndarray, people: Detections, covers: Covers) -> np.ndarray:
        """Return the colours (N, 36) float32 of people; NaN where a part is not seen, or may be covered."""
        points, is_seen = part_points(people.keypoints)
        height, width = image.shape[:2]
        x, y = np.round(points).astype(np.int64).transpose(3, 0, 1, 2)
        is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        is_clear = is_inside & ~covered_points(points, covers)
        is_seen &= is_clear.mean(axis=2) >= CLEAR_MIN
        colours = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(np.float32) / 255.0
        rows = cv2.cvtColor(colours.reshape(-1, POINTS, 3), cv2.COLOR_RGB2LAB).reshape(colours.shape)
        found = _quantiles(rows, is_clear)
        found[~is_seen] = np.nan
        return found.reshape(len(people), -1)


def _quantiles(values: np.ndarray, is_clear: np.ndarray) -> np.ndarray:
    """Return the `QUANTILES` (N, 4, 3, C) of those values (N, 4, P, C) that are clear (N, 4, P)."""
    ordered = np.sort(np.where(is_clear[..., None], values, np.nan), axis=2)
    place = np.array(QUANTILES) * np.maximum(is_clear.sum(axis=2) - 1, 0)[..., None]
    before = np.floor(place).astype(np.int64)
    share = (place - before)[..., None].astype(np.float32)
    low, high = (np.take_along_axis(ordered, row[..., None], axis=2) for row in (before, np.ceil(place).astype(int)))
    return np.asarray(low + share * (high - low), np.float32)


def part_points(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the parts of people with keypoints (N, 17, 3) are looked at.

    Returns:
        points (N, 4, 40, 2) in pixels, and which parts are seen (N, 4) bool.
    """
    places, is_sure = keypoints[..., :2].astype(np.float64), keypoints[..., 2] >= SCORE_MIN
    trunk, is_trunk = _trunk(places), is_sure[:, [LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP]].all(axis=1)
    head, is_head = _head(places, is_sure)
    limbs = [_limbs(places, is_sure, LIMBS[name], LIMB_WIDTH[name]) for name in LIMBS]
    points = np.stack([head, trunk, *(found for found, _ in limbs)], axis=1)
    points = np.nan_to_num(points, nan=-1.0, posinf=-1.0, neginf=-1.0)
    return np.clip(points, -1e6, 1e6), np.stack([is_head & is_trunk, is_trunk, *(seen for _, seen in limbs)], axis=1)


def _trunk(places: np.ndarray) -> np.ndarray:
    across, along = (grid.reshape(-1, 1) for grid in np.meshgrid(np.linspace(0.2, 0.8, 5), np.linspace(0.1, 0.9, 8)))
    top = places[:, None, LEFT_SHOULDER] * (1 - across) + places[:, None, RIGHT_SHOULDER] * across
    bottom = places[:, None, LEFT_HIP] * (1 - across) + places[:, None, RIGHT_HIP] * across
    return np.asarray(top * (1 - along) + bottom * along)


def _head(places: np.ndarray, is_sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = is_sure[:, HEAD].astype(np.float64)
    centre = (places[:, HEAD] * weights[..., None]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)[:, None]
    trunk = 0.5 * (places[:, LEFT_SHOULDER] + places[:, RIGHT_SHOULDER] - places[:, LEFT_HIP] - places[:, RIGHT_HIP])
    length = np.linalg.norm(trunk, axis=-1)[:, None, None]
    turns = np.linspace(0, 2 * np.pi, POINTS // 4, endpoint=False)
    rings = np.concatenate([r * np.stack([np.cos(turns), np.sin(turns)], axis=1) for r in (0.2, 0.5, 0.8, 1.1)])
    return centre[:, None] + HEAD_RADIUS * length * rings, np.asarray(is_sure[:, HEAD].any(axis=1))


def _limbs(
    places: np.ndarray, is_sure: np.ndarray, limbs: tuple[tuple[int, int], ...], width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return points on two limbs (N, 40, 2), twice on one where the other is not seen, and whether one is."""
    along, across = (grid.reshape(-1, 1) for grid in np.meshgrid(np.linspace(0.15, 0.85, 5), np.linspace(-1, 1, 4)))
    points, seen = [], []
    for first, second in limbs:
        start, step = places[:, None, first], places[:, None, second] - places[:, None, first]
        normal = np.stack([-step[..., 1], step[..., 0]], axis=-1)
        points.append(start + along * step + width * across * normal)
        seen.append(is_sure[:, first] & is_sure[:, second])
    left, right = (np.where(seen[k][:, None, None], points[k], points[1 - k]) for k in (0, 1))
    return np.concatenate([left, right], axis=1), np.asarray(seen[0] | seen[1])
