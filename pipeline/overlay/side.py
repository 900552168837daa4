"""A view of the same people from the side and a little above: a camera that goes with them over a lit floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from configs.checks import Shaped, check_shape
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.overlay.drawing import draw_text, text_height_for

SKY, FLOOR, LINE, LINE_OF_5 = (236, 239, 243), (213, 217, 223), (176, 182, 191), (140, 147, 158)
SHADOW, CAMERA_MARK, INK = (168, 173, 182), (70, 76, 86), (240, 240, 240)
HALF_VIEW_RAD = np.deg2rad(16.0)
AZIMUTH_RAD = np.deg2rad(-60.0)  # from the viewing direction of the real camera; from its left hand side
ELEVATION_RAD = np.deg2rad(17.0)
MARGIN_M = 0.7  # around the pelvis of the outermost people: an arm
RADIUS_MIN_M = 1.3  # holds one person with raised arms
RADIUS_MAX_M = 7.0  # beyond it, people would be too small to see; who is farther off is not shown
MIDDLE_M = 0.85  # above the floor, where it looks at
SMOOTH_S = 1.5  # within which the camera goes from one place to the next
REACH = 3.0  # of the floor, in radii
NEAR_M = 0.1
SHADOW_M = (0.32, 0.2)  # half axes of the spot under somebody


@dataclass(frozen=True, slots=True)
class SideView(Shaped):
    """A camera that looks at the people of a moment and at the floor they stand on."""

    side_from_cam: Annotated[np.ndarray, 4, 4]  # from axes of the real camera
    side_from_world: Annotated[np.ndarray, 4, 4]
    focal_px: float
    principal_px: Annotated[np.ndarray, 2]
    centre_m: Annotated[np.ndarray, 3]  # what it looks at, world axes, on the floor
    radius_m: float
    width: int
    height: int

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) of the real camera's axes in the axes of this one."""
        return points @ self.side_from_cam[:3, :3].T + self.side_from_cam[:3, 3]


@dataclass(frozen=True, slots=True)
class SidePlan(Shaped):
    """Where the camera of the side view is at every frame: it moves smoothly to where people are."""

    frame_index: Annotated[np.ndarray, "F"]  # int64, every frame from the first with somebody to the last
    centre_m: Annotated[np.ndarray, "F", 2]  # world axes
    radius_m: Annotated[np.ndarray, "F"]
    floor_m: float  # height of the floor in the world
    world_from_cam: Annotated[np.ndarray, 4, 4]
    width: int
    height: int

    def at(self, frame: int) -> SideView:
        """Return the camera at a frame of the video."""
        row = int(np.clip(frame - self.frame_index[0], 0, len(self.frame_index) - 1))
        radius = float(self.radius_m[row])
        centre = np.array([*self.centre_m[row], self.floor_m])
        cosine = np.cos(ELEVATION_RAD)
        back = np.array([np.sin(AZIMUTH_RAD) * cosine, -np.cos(AZIMUTH_RAD) * cosine, np.sin(ELEVATION_RAD)])
        eye = centre + (0.0, 0.0, MIDDLE_M) + back * radius / np.sin(HALF_VIEW_RAD)
        right = np.cross(-back, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        side_from_world = np.eye(4)
        side_from_world[:3, :3] = np.stack([right, np.cross(-back, right), -back])
        side_from_world[:3, 3] = -side_from_world[:3, :3] @ eye
        return SideView(
            side_from_cam=side_from_world @ self.world_from_cam,
            side_from_world=side_from_world,
            focal_px=min(self.width, self.height) / 2 / np.tan(HALF_VIEW_RAD),
            principal_px=np.array([self.width / 2, self.height / 2]),
            centre_m=centre,
            radius_m=radius,
            width=self.width,
            height=self.height,
        )


def plan_side_view(
    frames: Sequence[np.ndarray],
    pelvis_m: Sequence[np.ndarray],
    lowest_m: Sequence[np.ndarray],
    width: int,
    height: int,
    *,
    rate_hz: float = 25.0,
    world_from_cam: np.ndarray = WORLD_FROM_CAM,
) -> SidePlan:
    """Return where the camera is, so that it holds nearly everybody of each moment, as large as they fit.

    Args:
        frames: of each person, the frames (T,) with a body, rising.
        pelvis_m: of each person, (T, 3) in axes of the real camera.
        lowest_m: of each person, the lowest joint (T, 3), in the same axes.
        rate_hz: frames per second, for the pace of the camera.
    """
    check_shape("world_from_cam", world_from_cam, (4, 4))
    if not any(len(each) for each in frames):
        frames, pelvis_m, lowest_m = [np.zeros(1, np.int64)], [np.array([[0, 0, 4.0]])], [np.array([[0, 1.0, 4.0]])]
    turn, shift = world_from_cam[:3, :3], world_from_cam[:3, 3]
    places = np.concatenate([(each @ turn.T + shift)[:, :2] for each in pelvis_m])
    floor = float(np.median(np.concatenate([(each @ turn.T + shift)[:, 2] for each in lowest_m])))
    where = np.concatenate(frames)
    first, count = int(where.min()), int(where.max() - where.min()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, where - first, places)
    np.maximum.at(high, where - first, places)
    window = max(3, round(SMOOTH_S * rate_hz) | 1)
    low, high = (_smooth(_between(edge), window) for edge in (low, high))
    radius = np.hypot(*(high - low).T) / 2 + MARGIN_M
    return SidePlan(
        frame_index=np.arange(first, first + count),
        centre_m=(low + high) / 2,
        radius_m=radius.clip(RADIUS_MIN_M, RADIUS_MAX_M),
        floor_m=floor,
        world_from_cam=np.asarray(world_from_cam, np.float64),
        width=width,
        height=height,
    )


def _between(edge: np.ndarray) -> np.ndarray:
    """Return edges (F, 2) with those of frames without anybody put between their neighbours'."""
    rows, known = np.arange(len(edge)), np.isfinite(edge[:, 0])
    return np.stack([np.interp(rows, rows[known], edge[known, axis]) for axis in (0, 1)], axis=1)


def _smooth(edge: np.ndarray, window: int) -> np.ndarray:
    """Return edges (F, 2) that a wild place in a few frames does not move, and that move evenly."""
    still = median_filter(edge, (window, 1), mode="nearest")
    return np.asarray(gaussian_filter1d(still, window / 3, axis=0, mode="nearest"))


def draw_ground(view: SideView, feet_m: np.ndarray) -> np.ndarray:
    """Return the panel (H, W, 3) uint8 without people: the lit floor with its grid, shadows, the real camera.

    Args:
        feet_m: (N, 3) where people are, in axes of the real camera.
    """
    panel = np.full((view.height, view.width, 3), SKY, np.uint8)
    step = next((s for s in (1, 2, 5) if 2 * view.radius_m / s <= 24), 10)
    reach = REACH * view.radius_m
    low, high = (np.round((view.centre_m[:2] + sign * reach) / step) * step for sign in (-1, 1))
    (left, near), (right, far), floor = low, high, view.centre_m[2]
    corners = [[left, near, floor], [right, near, floor], [right, far, floor], [left, far, floor]]
    _fill(panel, view, np.array(corners), FLOOR)
    world_from_cam = np.linalg.inv(view.side_from_world) @ view.side_from_cam
    around = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    spot = np.stack([SHADOW_M[0] * np.cos(around), SHADOW_M[1] * np.sin(around), np.zeros(20)], axis=1)
    for foot in feet_m @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]:
        _fill(panel, view, np.array([foot[0], foot[1], floor]) + spot, SHADOW)
    for axis in (0, 1):
        for line in np.arange(low[axis], high[axis] + step / 2, step):
            ends = np.array([[*low, floor], [*high, floor]])
            ends[:, axis] = line
            _draw_line(panel, view, ends, LINE_OF_5 if round(line) % (5 * step) == 0 else LINE)
    rim = np.array([[-0.5, -0.28, 0.6], [0.5, -0.28, 0.6], [0.5, 0.28, 0.6], [-0.5, 0.28, 0.6]])
    rim = rim @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]
    for corner in range(4):
        _draw_line(panel, view, np.stack([rim[corner], rim[(corner + 1) % 4]]), CAMERA_MARK)
        _draw_line(panel, view, np.stack([world_from_cam[:3, 3], rim[corner]]), CAMERA_MARK)
    size = max(12, round(0.8 * text_height_for(view.height)))
    draw_text(panel, f"side view, grid {step} m", size / 2, view.height - 2 * size, size, np.array(INK, np.uint8))
    return panel


def _in_view(view: SideView, points: np.ndarray) -> np.ndarray:
    return points @ view.side_from_world[:3, :3].T + view.side_from_world[:3, 3]


def _fill(panel: np.ndarray, view: SideView, corners: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Fill a convex piece of the world (K, 3), cut off at the camera."""
    points, kept = _in_view(view, corners), []
    for here, there in zip(points, np.roll(points, -1, axis=0), strict=True):
        if here[2] >= NEAR_M:
            kept.append(here)
        if (here[2] - NEAR_M) * (there[2] - NEAR_M) < 0:
            kept.append(here + (there - here) * (NEAR_M - here[2]) / (there[2] - here[2]))
    if len(kept) > 2:
        shape = np.array([view.focal_px * p[:2] / p[2] + view.principal_px for p in kept])
        cv2.fillConvexPoly(panel, np.round(shape.clip(-3e4, 3e4)).astype(np.int32), colour, cv2.LINE_AA)


def _draw_line(panel: np.ndarray, view: SideView, ends: np.ndarray, colour: tuple[int, int, int]) -> None:
    first, second = _in_view(view, ends)
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
