"""Things in front of the people: boxes, posts, rails, blobs, drawn with a texture or a colour."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True)
class Cover:
    """What lies over a picture."""

    alpha: np.ndarray  # (H, W) float32, 1 where nothing behind is seen
    colour: np.ndarray  # (H, W, 3) uint8


def sample_cover(
    rng: np.random.Generator, texture: np.ndarray, centre_px: np.ndarray, reach_px: float, width: int, height: int
) -> Cover:
    """Return one random thing near a person.

    Args:
        texture: (height, width, 3) uint8, used as surface half of the time.
        centre_px: (2,) middle of the person.
        reach_px: about the person's height.
    """
    mask = np.zeros((height, width), np.uint8)
    middle = centre_px + rng.normal(0, 0.28, 2) * reach_px
    kind = rng.integers(5)
    if kind == 0:  # a box
        size = reach_px * rng.uniform(0.12, 0.6, 2)
        corners = cv2.boxPoints((tuple(map(float, middle)), tuple(map(float, size)), float(rng.normal(0, 12))))
        cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    elif kind == 1:  # a post from above to below
        half = 0.5 * reach_px * rng.uniform(0.04, 0.22)
        lean = rng.normal(0, 0.03) * height
        x = middle[0]
        above, below = x - lean, x + lean
        edge = np.array(
            [[above - half, -2], [above + half, -2], [below + half, height + 2], [below - half, height + 2]]
        )
        cv2.fillPoly(mask, [np.round(edge * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    elif kind == 2:  # a table, wall or hedge: all below a line
        top = centre_px[1] + reach_px * rng.uniform(-0.1, 0.4)
        left, right = sorted(rng.uniform(-0.7, 1.7, 2) * width)
        tilt = rng.normal(0, 0.03) * width
        edge = np.array([[left, top - tilt], [right, top + tilt], [right, height + 2], [left, height + 2]])
        cv2.fillPoly(mask, [np.round(edge * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    elif kind == 3:  # a blob: leaves, a bag, a ball
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radius = reach_px * rng.uniform(0.08, 0.32) * (1 + rng.uniform(0, 0.35) * rng.normal(size=24)).clip(0.3)
        aspect = rng.uniform(0.5, 2.0)
        edge = middle + np.stack([np.cos(angle) * radius * aspect, np.sin(angle) * radius], 1)
        cv2.fillPoly(mask, [np.round(edge * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    else:  # a rail or two
        thick = reach_px * rng.uniform(0.03, 0.12)
        for line in range(int(rng.integers(1, 3))):
            y = middle[1] + line * reach_px * 0.25
            edge = np.array([[-2, y], [width + 2, y + rng.normal(0, 0.05) * reach_px]])
            points = np.round(edge * 16).astype(np.int32)
            cv2.line(mask, points[0].tolist(), points[1].tolist(), 255, max(int(thick), 1), cv2.LINE_AA, 4)
    if rng.random() < 0.5:
        colour = texture
    else:
        base = rng.uniform(10, 245, 3)
        ramp = np.linspace(rng.uniform(0.6, 1.0), rng.uniform(0.6, 1.0), width)[None, :, None]
        colour = np.broadcast_to((base * ramp).astype(np.uint8), (height, width, 3))
    return Cover(mask.astype(np.float32) / 255.0, colour)
