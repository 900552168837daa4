"""A standing person's points under the names of `trackers.keypoint_layouts`, in any tool's order."""

import numpy as np

from trackers.keypoint_layouts import KeypointLayout

PLACES = {
    "nose": (0, 0), "eye": (3, -3), "ear": (7, -1), "shoulder": (18, 22), "elbow": (28, 50), "wrist": (31, 76),
    "hip": (12, 80), "knee": (13, 122), "ankle": (14, 165), "big_toe": (20, 172), "small_toe": (26, 170),
    "heel": (13, 173), "neck": (0, 22), "mid_hip": (0, 80), "pelvis": (0, 80), "spine": (0, 50), "thorax": (0, 22),
    "head": (0, -14), "head_top": (0, -18), "upper_neck": (0, 14),
}  # fmt: skip


def named_points(shift: float = 0.0, confidence: float = 0.8) -> dict[str, tuple[float, float, float]]:
    """Return every point as x, y in pixels and confidence; the person's left is at larger x."""
    found = {}
    for name, (x, y) in PLACES.items():
        for side, sign in (("left_", 1), ("right_", -1), ("", 1)):
            # A little lean, so that no two points share a line by accident.
            found[side + name] = (320.0 + shift + sign * x + 0.02 * y, 120.0 + y, confidence)
    return found


def points_of(layout: KeypointLayout, shift: float = 0.0, confidence: float = 0.8) -> np.ndarray:
    """Return (K, 3) points of a person in a layout's order; what has no name here is not seen."""
    named = named_points(shift, confidence)
    points = [named.get(name, (0.0, 0.0, 0.0)) for name in layout.points]
    return np.array(points + [(0.0, 0.0, 0.0)] * (layout.count - len(points)))
