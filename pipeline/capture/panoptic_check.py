"""Whether the annotations of a Panoptic sequence fit its cameras: where its people are, and who sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from configs.errors import InputError
from pipeline.capture.camera import Camera
from pipeline.capture.panoptic import JOINTS, find_annotations, needed_annotations

FRAMES_MAX = 50  # annotation files that are looked at, spread over all
_CHAINS = (
    ("head_top", "neck", "body_centre"),
    ("nose", "neck"),
    *(("neck", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for side in ("left", "right")),
    *(("body_centre", f"{side}_hip", f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
)
BONES = [(JOINTS.index(one), JOINTS.index(other)) for chain in _CHAINS for one, other in pairwise(chain)]


@dataclass(frozen=True, slots=True)
class AnnotationCheck:
    """What annotations hold, in lines for a user, and their people in one frame."""

    lines: tuple[str, ...]
    shares: dict[str, float]
    """Of each camera: the share of valid joints that lie within its picture."""
    bones_m: np.ndarray
    """(B, 2, 3) ends of the bones of everybody in one frame, in the world."""


def check_annotations(folder: Path, cameras: Sequence[Camera]) -> AnnotationCheck:
    """Return where the annotated people of a sequence are; says what is missing in place of raising."""
    none = np.zeros((0, 2, 3))
    try:
        annotations = needed_annotations(folder)
        frames = annotations.frames
        step = -(-len(frames) // FRAMES_MAX)
        people = annotations.read(frames[::step])
    except InputError as error:
        return AnnotationCheck((str(error),), {}, none)
    problem = [annotations.problem] if annotations.problem else []
    older = find_annotations(folder, ("joints15",)) if annotations.layout != "joints15" else None
    lines = [annotations.summary, *([older.summary] if older is not None else []), *problem]
    points = people.joints_m[people.is_valid]
    if not len(points):
        return AnnotationCheck((*lines, "nobody is annotated in the frames that were looked at"), {}, none)
    shares = {camera.name: _share_within(camera, points) for camera in cameras}
    low, high = points.min(axis=0), points.max(axis=0)
    lines.append(
        f"{len(points)} joints of {len(people.person_id)} annotated people in {len(frames[::step])} frames looked at: "
        f"x {low[0]:.2f} to {high[0]:.2f} m, y {low[1]:.2f} to {high[1]:.2f} m, z {low[2]:.2f} to {high[2]:.2f} m; "
        f"{np.mean(list(shares.values())):.0%} of them within the picture, mean over cameras"
    )
    counts = np.bincount(people.frame_index)
    here = people.frame_index == counts.argmax()
    lines.append(f"{counts.max()} people in frame {counts.argmax()}")
    joints = np.where(people.is_valid[..., None], people.joints_m, np.nan)[here]
    bones = joints[:, np.array(BONES)].reshape(-1, 2, 3)
    return AnnotationCheck(tuple(lines), shares, bones[np.isfinite(bones).all(axis=(1, 2))])


def _share_within(camera: Camera, points: np.ndarray) -> float:
    pixels = camera.project(points)
    size = np.array(camera.size_px if camera.size_px is not None else (np.inf, np.inf))
    return float(((pixels >= 0) & (pixels <= size - 1)).all(axis=-1).mean())
