"""Whether the camera stands still, pans or travels: sparse optical flow of the background, people left out.

A pan moves the image as a rotation of the camera does, however far things are; on the way, near things move more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from trackers.sampling import is_due

Verdict = Literal["still", "pans", "travels", "unknown"]

CAMERA_STAGE = "camera"  # of the streaming line, whose snapshot is judged
PERIOD_S = 0.25  # from one look to the next
WIDTH_PX = 320  # longer side of the image that is looked at
POINTS, POINTS_MIN, APART_PX = 150, 12, 6
MARGIN = 0.1  # of a person's box, on every side
BACK_PX = 0.5  # a point that comes back to elsewhere was lost
ROUNDS = 6  # of reweighting; a point that moves against the others is no background
OUTLIER_PX = 0.5
LEFT_QUANTILE = 0.7  # over points: near and far ones may be as many
FOCAL = 1.0  # of the diagonal: a rotation looks much the same with any
STILL_PX, DRIFT_PX = 0.35, 4.0  # of a median step, of what steps add up to: still below both
TURN_PX, TURN_FRACTION = 0.25, 0.3  # of the flow, left over by a rotation: a pan below either
PAIRS_MIN = 3
FOLLOWED_MIN = 0.9  # of the steps; a turn in the others is taken from their neighbours


@dataclass(frozen=True, slots=True)
class Step:
    """How the image moved from one look to the next, in pixels of `WIDTH_PX`."""

    flow_px: float  # median over points
    residual_px: float  # `LEFT_QUANTILE` of what the rotation leaves over
    turn_rad: np.ndarray  # (3,) about x, y, z of the camera


class CameraMotion:
    """Looks at a video frame by frame; remembers every step."""

    def __init__(self) -> None:
        self._image = np.zeros((0, 0), np.uint8)
        self._mask = np.zeros((0, 0), np.uint8)
        self._time_s = -np.inf
        self._steps: list[list[float]] = []

    def update(self, image: np.ndarray, boxes_xyxy: np.ndarray, time_s: float) -> None:
        """Take the next frame (H, W, 3) with the people in it; most are skipped."""
        if not is_due(time_s, self._time_s, PERIOD_S - 1e-6):
            return
        grey, scale = small_grey(image)
        if self._image.shape == grey.shape:
            step = find_step(self._image, grey, self._mask)
            self._steps.append([time_s, *_numbers(step)])
        self._image, self._mask, self._time_s = grey, background_mask(grey.shape, boxes_xyxy * scale), time_s

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all state as arrays."""
        steps = np.array(self._steps, np.float64).reshape(-1, 6)
        return {"image": self._image, "mask": self._mask, "time_s": np.array(self._time_s), "steps": steps}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Continue from a snapshot."""
        if snapshot:
            self._image, self._mask = snapshot["image"], snapshot["mask"]
            self._time_s, self._steps = float(snapshot["time_s"]), snapshot["steps"].tolist()


def find_step(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> Step | None:
    """Return how the background of grey images (H, W) moved; None where too little of it can be followed."""
    points = follow_points(before, after, mask)
    if points is None:
        return None
    start, moved = points
    height, width = before.shape
    flow = moved - start
    turn, left = fit_turn(start - [width / 2, height / 2], flow, FOCAL * float(np.hypot(width, height)))
    return Step(
        float(np.median(np.linalg.norm(flow, axis=1))),
        float(np.quantile(np.linalg.norm(left, axis=1), LEFT_QUANTILE)),
        turn,
    )


def small_grey(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Return an image (H, W, 3) in grey (h, w) uint8 with a longer side of `WIDTH_PX`, and the factor between them."""
    scale = WIDTH_PX / max(image.shape[:2])
    size = (max(16, round(image.shape[1] * scale)), max(16, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), scale


def follow_points(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return where points of grey images (H, W) were and are, (N, 2) float64 each; None where too few can be followed.

    Args:
        mask: (H, W) uint8, 0 where no point may be in the image before.
    """
    points = cv2.goodFeaturesToTrack(before, POINTS, 0.01, APART_PX, mask=mask)
    if points is None or len(points) < POINTS_MIN:
        return None
    moved, is_found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None)  # type: ignore[call-overload]
    back, is_back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None)  # type: ignore[call-overload]
    is_kept = (is_found.ravel() > 0) & (is_back.ravel() > 0)
    is_kept &= np.linalg.norm(back - points, axis=-1).ravel() < BACK_PX
    if is_kept.sum() < max(POINTS_MIN, 0.3 * len(points)):
        return None
    start, end = (found.reshape(-1, 2)[is_kept].astype(np.float64) for found in (points, moved))
    return start, end


def fit_turn(points: np.ndarray, flow: np.ndarray, focal_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the small rotation (3,) of the camera that explains a flow (N, 2) best, and what it leaves over (N, 2).

    Args:
        points: (N, 2) from the image's middle.

    Source: H. C. Longuet-Higgins, K. Prazdny 1980, the rotational part of the flow of a pinhole camera.
    """
    x, y = points.T / focal_px
    of_x = np.stack([x * y, -(1.0 + x * x), y], axis=1)
    of_y = np.stack([1.0 + y * y, -x * y, -x], axis=1)
    system, right = focal_px * np.concatenate([of_x, of_y]), np.concatenate(flow.T)
    weights = np.ones(len(points))
    turn, left = np.zeros(3), flow
    for _ in range(ROUNDS):
        both = np.sqrt(np.concatenate([weights, weights]))
        turn = np.linalg.lstsq(system * both[:, None], right * both, rcond=None)[0]
        left = (right - system @ turn).reshape(2, -1).T
        weights = 1.0 / (1.0 + (np.linalg.norm(left, axis=1) / OUTLIER_PX) ** 2) ** 2
    return turn, left


@dataclass(frozen=True, slots=True)
class CameraTurns:
    """How a camera that only turns looked over time, as steps from look to look."""

    time_s: np.ndarray  # (K + 1,) of the looks
    turn_rad: np.ndarray  # (K, 3) about x, y, z, if the focal length were `FOCAL`

    def scene_from_cam(self, time_s: np.ndarray, focal_of_diagonal: float) -> np.ndarray:
        """Return rotation vectors (T, 3) from the camera's axes at some moments to those of its mean direction.

        Args:
            focal_of_diagonal: the focal length over the image's diagonal; the longer, the smaller the turns.
        """
        scale = FOCAL / focal_of_diagonal
        looks = [Rotation.identity()]
        for step in self.turn_rad * [scale, scale, 1.0]:
            looks.append(looks[-1] * Rotation.from_rotvec(step))
        all_looks = Rotation.concatenate(looks)
        between = Slerp(self.time_s, all_looks.mean().inv() * all_looks)
        return np.asarray(between(np.clip(time_s, self.time_s[0], self.time_s[-1])).as_rotvec())


def follow_turns(snapshot: Mapping[str, np.ndarray]) -> CameraTurns | None:
    """Return how a camera turned; None where it does not only turn, or cannot be followed all the time."""
    if judge(snapshot) != "pans":
        return None
    steps = snapshot["steps"]
    known = np.isfinite(steps[:, 1])
    if known.mean() < FOLLOWED_MIN:
        return None
    seconds = np.diff(steps[:, 0], prepend=steps[0, 0] - PERIOD_S)
    rates = steps[known, 3:] / seconds[known, None]
    turns = [np.interp(steps[:, 0], steps[known, 0], rate) * seconds for rate in rates.T]
    return CameraTurns(np.concatenate([[steps[0, 0] - PERIOD_S], steps[:, 0]]), np.stack(turns, axis=1))


def join_snapshots(parts: Sequence[Mapping[str, np.ndarray]], starts_s: Sequence[float]) -> dict[str, np.ndarray]:
    """Return the snapshot of a whole video from those of its parts, in order.

    Args:
        starts_s: when each begins; what was seen before that is known from the part before.
    """
    stops_s = (*starts_s[1:], np.inf)
    steps = [part.get("steps", np.zeros((0, 6))) for part in parts]
    kept = [
        each[(each[:, 0] >= start_s) & (each[:, 0] < stop_s)]
        for each, start_s, stop_s in zip(steps, starts_s, stops_s, strict=True)
    ]
    return dict(parts[-1]) | {"steps": np.concatenate(kept)}


def judge(snapshot: Mapping[str, np.ndarray]) -> Verdict:
    """Return what all steps of a video say; "unknown" where most of them could not be measured."""
    steps = snapshot.get("steps", np.zeros((0, 6)))
    known = steps[np.isfinite(steps[:, 1])]
    if len(known) < PAIRS_MIN or len(known) < 0.5 * len(steps):
        return "unknown"
    flow, residual, turns = known[:, 1], known[:, 2], known[:, 3:]
    calm = turns[flow < 2.0 * STILL_PX]  # a slow pan adds up; whoever walks past the camera does not count
    drift = float(np.linalg.norm(np.cumsum(calm, axis=0), axis=1).max(initial=0.0)) * FOCAL * WIDTH_PX
    if np.quantile(flow, 0.8) < STILL_PX and drift < DRIFT_PX:
        return "still"
    moving = flow >= min(STILL_PX, float(np.median(flow)))
    left = float(np.median(residual[moving]))
    return "pans" if left < max(TURN_PX, TURN_FRACTION * float(np.median(flow[moving]))) else "travels"


def _numbers(step: Step | None) -> list[float]:
    return [np.nan] * 5 if step is None else [step.flow_px, step.residual_px, *step.turn_rad.tolist()]


def background_mask(shape: tuple[int, ...], boxes_xyxy: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) uint8 that is 0 where people with boxes (N, 4) are."""
    mask = np.full(shape, 255, np.uint8)
    for x1, y1, x2, y2 in boxes_xyxy:
        margin = MARGIN * np.array([x2 - x1, y2 - y1])
        low = np.maximum(np.floor([x1 - margin[0], y1 - margin[1]]), 0).astype(int)
        high = np.maximum(np.ceil([x2 + margin[0], y2 + margin[1]]), 0).astype(int)
        mask[low[1] : high[1], low[0] : high[0]] = 0
    return mask
