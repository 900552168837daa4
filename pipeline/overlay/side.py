"""A view of the same people from the side and a little above, standing on a ground grid."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from configs.checks import Shaped, check_shape
from pipeline.overlay.drawing import draw_text, text_height_for

BACKGROUND = (34, 36, 40)
GRID = (78, 82, 90)
CAMERA_MARK = (220, 220, 220)
HALF_VIEW_RAD = np.deg2rad(20.0)
AZIMUTH_RAD = np.deg2rad(-60.0)  # from the viewing direction of the real camera; from its left hand side
ELEVATION_RAD = np.deg2rad(22.0)
MARGIN_M = 1.0  # around the pelvis of the outermost people: half a body
NEAR_M = 0.1


@dataclass(frozen=True, slots=True)
class SideView(Shaped):
    """A camera that looks at all people of a clip, and the ground they stand on."""

    side_from_cam: Annotated[np.ndarray, 4, 4]
    focal_px: float
    principal_px: Annotated[np.ndarray, 2]
    centre_m: Annotated[np.ndarray, 3]  # what it looks at, camera axes, on the ground
    radius_m: float
    width: int
    height: int

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) of the real camera's axes in the axes of this one."""
        return points @ self.side_from_cam[:3, :3].T + self.side_from_cam[:3, 3]


def plan_side_view(pelvis_m: np.ndarray, lowest_m: np.ndarray, width: int, height: int) -> SideView:
    """Return a view that holds nearly all positions of a clip.

    Args:
        pelvis_m: (R, 3) pelvis of every person in every frame, camera axes.
        lowest_m: (R,) y of the lowest joint of the same bodies; y points down, so it is the largest.
    """
    check_shape("pelvis_m", pelvis_m, ("R", 3))
    check_shape("lowest_m", lowest_m, (len(pelvis_m),))
    if len(pelvis_m) == 0:
        pelvis_m, lowest_m = np.array([[0.0, 0.0, 4.0]]), np.array([1.0])
    low, high = np.percentile(pelvis_m, (3, 97), axis=0)  # a wild depth in a few frames must not shrink everyone
    ground = float(np.median(lowest_m))
    centre = np.array([(low[0] + high[0]) / 2, ground, (low[2] + high[2]) / 2])
    radius = float(np.hypot(high[0] - low[0], high[2] - low[2]) / 2 + MARGIN_M)
    middle = centre - (0.0, 0.9, 0.0)
    backward = np.array(
        [
            np.sin(AZIMUTH_RAD) * np.cos(ELEVATION_RAD),
            -np.sin(ELEVATION_RAD),
            -np.cos(AZIMUTH_RAD) * np.cos(ELEVATION_RAD),
        ]
    )
    eye = middle + backward * radius / np.sin(HALF_VIEW_RAD)
    right = np.cross((0.0, 1.0, 0.0), -backward)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(-backward, right), -backward])
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = turn, -turn @ eye
    focal = min(width, height) / 2 / np.tan(HALF_VIEW_RAD)
    return SideView(transform, focal, np.array([width / 2, height / 2]), centre, radius, width, height)


def draw_ground(view: SideView) -> np.ndarray:
    """Return the empty panel (H, W, 3) uint8: the ground grid, and the real camera as a small pyramid."""
    panel = np.full((view.height, view.width, 3), BACKGROUND, np.uint8)
    step = next((s for s in (1, 2, 5, 10, 20, 50) if 2 * view.radius_m / s <= 24), 100)
    reach = step * int(np.ceil(view.radius_m / step))
    middle = np.round(view.centre_m / step) * step
    for offset in range(-reach, reach + step, step):
        for along in (0, 2):
            ends = np.tile(middle, (2, 1))
            ends[:, 2 - along] += offset
            ends[:, along] += (-reach, reach)
            ends[:, 1] = view.centre_m[1]
            _draw_line(panel, view, ends, GRID)
    reach_m = 0.08 * view.radius_m
    rim = np.array([[-1.6, -0.9, 2.0], [1.6, -0.9, 2.0], [1.6, 0.9, 2.0], [-1.6, 0.9, 2.0]]) * reach_m
    for corner in range(4):
        _draw_line(panel, view, np.stack([rim[corner], rim[(corner + 1) % 4]]), CAMERA_MARK)
        _draw_line(panel, view, np.stack([np.zeros(3), rim[corner]]), CAMERA_MARK)
    size = max(11, round(0.75 * text_height_for(view.height)))
    mark = np.array(CAMERA_MARK, np.uint8)
    draw_text(panel, f"side view, grid {step} m", size / 2, view.height - 2 * size, size, mark)
    return panel


def _draw_line(panel: np.ndarray, view: SideView, ends: np.ndarray, colour: tuple[int, int, int]) -> None:
    first, second = view.moved(ends)
    if first[2] > second[2]:
        first, second = second, first
    if second[2] <= NEAR_M:
        return
    if first[2] < NEAR_M:
        first = first + (second - first) * (NEAR_M - first[2]) / (second[2] - first[2])
    points = [view.focal_px * p[:2] / p[2] + view.principal_px for p in (first, second)]
    if max(np.abs(p).max() for p in points) > 1e5:  # beyond what OpenCV's integers hold
        return
    start, stop = ((round(float(x)), round(float(y))) for x, y in points)
    cv2.line(panel, start, stop, colour, 1, cv2.LINE_AA)
