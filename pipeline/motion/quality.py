"""How good the motion of each person is, as numbers that need no ground truth; docs/metrics.md defines them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import minimum_filter1d

from configs.errors import InputError
from configs.json_files import read_json
from configs.npz_files import read_npz
from configs.skeletons import SMPL24
from pipeline.flow.atomic import write_json
from pipeline.flow.outputs import person_number
from pipeline.motion.posing import Body, joint_positions
from pipeline.motion.read import MOTION_BYTES_MAX
from pipeline.types import MotionTrack

SCORE_MIN = 0.5  # keypoints below it are not compared
GROUND_WINDOW_S = 2.0  # the lowest foot within it is where the ground is taken to be
CONTACT_HEIGHT_M = 0.05
CONTACT_SPEED_MAX_M_S = 1.0  # a low foot that moves faster swings
FEET = (SMPL24.index("left_foot"), SMPL24.index("right_foot"))


@dataclass(frozen=True, slots=True)
class TrackQuality:
    """One person's numbers; None where they cannot be measured."""

    person: int
    first_frame: int  # of the video
    last_frame: int
    start_s: float  # in the video
    length_s: float
    samples: int
    observed_fraction: float  # of the samples; the others were filled in
    refined_fraction: float
    longest_gap_s: float  # without an observation
    confidence: float | None  # mean over joints and observed samples
    foot_sliding_m_s: float | None
    jitter_m_s3: float | None
    reprojection_px: float | None  # None in a capture, too: its keypoints are those of several cameras
    reprojection_ratio: float | None  # of the height of the box
    path_m: float  # how far the pelvis went over the ground
    joins: int | None = None  # how often linking joined tracks to make this one; None: the run has no `links.json`
    splits: int | None = None  # how often it cut this one off another


def measure_quality(path: Path, track: MotionTrack, body: Body, links: Path | None = None) -> TrackQuality:
    """Return the quality of one person.

    Args:
        links: the run's `links.json`, if it has one.
        path: the motion file of `write_motion`, in world axes, named as a run names it.
        track: the same person in camera axes at the frames of the video.

    Raises:
        InputError: the file is damaged.
    """
    names = ("joints_world", "timestamps", "is_observed", "is_refined", "joint_confidence", "mocap_framerate")
    try:
        arrays = read_npz(path, names, bytes_max=MOTION_BYTES_MAX)
        joints, time_s, seen, refined, confidence, rate = (arrays[name] for name in names)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a motion file of this version ({error}); run the clip again") from error
    pixels, ratio = _reprojection(track, body)
    return TrackQuality(
        person=person_number(path),
        first_frame=int(track.frame_index[0]),
        last_frame=int(track.frame_index[-1]),
        start_s=round(float(time_s[0]), 4),
        length_s=round(len(joints) / float(rate), 4),
        samples=len(joints),
        observed_fraction=_rounded(np.mean(seen)),
        refined_fraction=_rounded(np.mean(refined)),
        longest_gap_s=round(longest_gap_s(seen, float(rate)), 4),
        confidence=_rounded(confidence[seen].mean()) if seen.any() else None,
        foot_sliding_m_s=_known(foot_sliding_m_s(joints.astype(np.float64), float(rate))),
        jitter_m_s3=_known(jitter_m_s3(joints.astype(np.float64), float(rate))),
        reprojection_px=_known(pixels),
        reprojection_ratio=_known(ratio),
        path_m=_rounded(np.linalg.norm(np.diff(joints[:, 0, :2], axis=0), axis=1).sum()),
        joins=_count_decisions(links, "join", person_number(path)),
        splits=_count_decisions(links, "split", person_number(path)),
    )


def foot_sliding_m_s(joints: np.ndarray, rate_hz: float) -> float | None:
    """Return the mean speed over the ground of feet in contact with it; None if there is no contact.

    A foot is taken to be in contact between two samples in which it lies at most `CONTACT_HEIGHT_M` above the lowest
    foot within `GROUND_WINDOW_S`, and while it moves slower than `CONTACT_SPEED_MAX_M_S`.

    Args:
        joints: (N, 24, 3) in an upright world, metres.
    """
    feet = joints[:, FEET]  # (N, 2, 3)
    if len(feet) < 2:
        return None
    window = max(1, round(GROUND_WINDOW_S * rate_hz)) | 1
    ground = minimum_filter1d(feet[..., 2].min(axis=1), window, mode="nearest")
    is_low = feet[..., 2] <= ground[:, None] + CONTACT_HEIGHT_M
    speed = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1) * rate_hz
    in_contact = is_low[1:] & is_low[:-1] & (speed < CONTACT_SPEED_MAX_M_S)
    return float(speed[in_contact].mean()) if in_contact.any() else None


def jitter_m_s3(joints: np.ndarray, rate_hz: float) -> float | None:
    """Return the mean norm of the third derivative of the joints (N, J, 3) in the world; None below four samples."""
    if len(joints) < 4:
        return None
    return float(np.linalg.norm(np.diff(joints, n=3, axis=0), axis=-1).mean() * rate_hz**3)


def longest_gap_s(is_observed: np.ndarray, rate_hz: float) -> float:
    """Return how long the person was not observed at a stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~is_observed, [False]]).astype(np.int8)))
    return float((edges[1::2] - edges[::2]).max(initial=0) / rate_hz)


def _count_decisions(links: Path | None, kind: str, person: int) -> int | None:
    if links is None or not links.is_file():
        return None
    try:
        decisions = read_json(links)["decisions"]
        return sum(made["kind"] == kind and person in made["people"] for made in decisions)
    except (KeyError, TypeError) as error:
        raise InputError(f"{links}: not the links of a run ({error!r}); run the clip again") from error


def write_quality(path: Path, people: Sequence[TrackQuality]) -> None:
    """Write the quality of everybody as JSON."""
    write_json(path, {"people": [asdict(person) for person in people]})


def read_quality(path: Path) -> dict[int, dict[str, Any]]:
    """Return what `write_quality` wrote, by person; nothing where there is no such file.

    Raises:
        InputError: it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        return {int(person["person"]): dict(person) for person in read_json(path)["people"]}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the quality of a run ({error!r}); run the clip again") from error


def _reprojection(track: MotionTrack, body: Body) -> tuple[float | None, float | None]:
    """Return the median distance of confident keypoints from the projected joints, in pixels and in box heights."""
    rows = np.flatnonzero(track.is_observed)
    if not track.has_camera or not len(rows):
        return None, None
    points = joint_positions(body, track.pose[rows], track.betas, track.trans[rows], "coco17").astype(np.float64)
    depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
    pixels = track.focal_px[rows, None, None] * points[..., :2] / depth + track.principal_px[rows, None]
    distance = np.linalg.norm(pixels - track.keypoints[rows, :, :2], axis=-1)
    boxes = track.boxes_xyxy[rows]
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    used = (track.keypoints[rows, :, 2] >= SCORE_MIN) & np.isfinite(distance)
    if not used.any():
        return None, None
    return float(np.median(distance[used])), float(np.median((distance / height[:, None])[used]))


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def _known(value: float | None) -> float | None:
    return None if value is None else _rounded(value)
