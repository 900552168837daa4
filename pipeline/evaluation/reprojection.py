"""How many detected keypoints lie close to the projected body."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from configs.skeletons import COCO_NAMES
from pipeline.evaluation.projection import project_rows
from pipeline.motion.posing import Body, joint_positions
from pipeline.types import MotionTrack

SCORE_MIN = 0.5
RADIUS_RATIO = 0.1  # of the height of the person's box


@dataclass(frozen=True, slots=True)
class ReprojectionReport(Shaped):
    """Counts of confident keypoints, and of those that lie close to the projected joint of the body."""

    track_ids: Annotated[np.ndarray, "P"]  # int64
    frame_counts: Annotated[np.ndarray, "P"]  # int64, frames in which the person was seen and has a body
    close: Annotated[np.ndarray, "P", 17]  # int64, COCO order
    confident: Annotated[np.ndarray, "P", 17]  # int64
    score_min: float
    radius_ratio: float

    @property
    def fraction(self) -> float:
        """Share of all confident keypoints that lie close; NaN where there are none."""
        return float(_fraction(self.close.sum(), self.confident.sum()))

    def fraction_per_joint(self) -> np.ndarray:
        """Return the share per COCO joint (17,); NaN where none was confident."""
        return _fraction(self.close.sum(axis=0), self.confident.sum(axis=0))

    def fraction_per_person(self) -> np.ndarray:
        """Return the share per person (P,); NaN where nothing was confident."""
        return _fraction(self.close.sum(axis=1), self.confident.sum(axis=1))

    def joint_rows(self) -> list[tuple[str, str, str]]:
        """Return table rows: joint, confident keypoints, share of them that lie close."""
        counts = self.confident.sum(axis=0)
        fractions = self.fraction_per_joint()
        names = [name.replace("_", " ") for name in COCO_NAMES]
        rows = [(name, str(n), percent(s)) for name, n, s in zip(names, counts, fractions, strict=True)]
        return [*rows, ("all", str(int(counts.sum())), percent(self.fraction))]

    def person_rows(self) -> list[tuple[str, str, str, str]]:
        """Return table rows: identity, frames, confident keypoints, share of them that lie close."""
        counts = self.confident.sum(axis=1)
        fractions = self.fraction_per_person()
        return [
            (str(i), str(frames), str(n), percent(s))
            for i, frames, n, s in zip(self.track_ids, self.frame_counts, counts, fractions, strict=True)
        ]


def measure_reprojection(
    tracks: Iterable[MotionTrack], body: Body, *, score_min: float = SCORE_MIN, radius_ratio: float = RADIUS_RATIO
) -> ReprojectionReport:
    """Return which share of the detected keypoints the bodies explain; one track is in memory at a time.

    A keypoint of at least `score_min` is close when the projection of the body's joint lies within `radius_ratio`
    of the height of the person's box. A joint behind the camera is never close. Frames that were filled in have no
    keypoints and do not count.
    """
    ids, frames, close, confident = [], [], [], []
    for track in tracks:
        joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
        pixels = project_rows(joints, track.focal_px, track.principal_px)
        distance = np.linalg.norm(pixels - track.keypoints[..., :2], axis=-1)
        height = track.boxes_xyxy[:, 3] - track.boxes_xyxy[:, 1]
        sure = (track.keypoints[..., 2] >= score_min) & track.is_observed[:, None]
        near = distance <= radius_ratio * height[:, None]  # False for NaN
        ids.append(track.track_id)
        frames.append(int(track.is_observed.sum()))
        close.append((sure & near).sum(axis=0))
        confident.append(sure.sum(axis=0))
    joints_shape = (-1, len(COCO_NAMES))
    return ReprojectionReport(
        track_ids=np.array(ids, np.int64),
        frame_counts=np.array(frames, np.int64),
        close=np.array(close, np.int64).reshape(joints_shape),
        confident=np.array(confident, np.int64).reshape(joints_shape),
        score_min=score_min,
        radius_ratio=radius_ratio,
    )


def percent(fraction: float) -> str:
    """Return a fraction as a percentage; a dash where there was nothing to measure."""
    return f"{100 * fraction:.1f} %" if np.isfinite(fraction) else "-"


def _fraction(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
