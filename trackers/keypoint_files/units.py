"""Whether coordinates are pixels of the video or normalised by the image size."""

import logging

import numpy as np

from configs.errors import InputError

log = logging.getLogger(__name__)

NORMALISED_MAX = 2.0  # OpenPose, MediaPipe and Ultralytics write pixels, or numbers about 0 to 1
BELOW_MAX = 0.1  # share of the coordinates that may lie below 0: people leave the image on one side at a time
PEOPLE_STEP = 65536


def is_normalised(points: np.ndarray, family: str, source: str, *, is_usual: bool) -> bool:
    """Return whether a file has normalised coordinates instead of pixels, and log it.

    It is decided over the whole file: more than half of all people lie within `NORMALISED_MAX` of the origin.

    Args:
        points: (R, K, 3), not seen: confidence 0.
        is_usual: whether the family always writes normalised coordinates.

    Raises:
        InputError: coordinates from -1 to 1, or normalised ones of OpenPose, which has two conventions for them.
    """
    farthest, below, counted = [], 0, 0
    for start in range(0, len(points), PEOPLE_STEP):
        part = points[start : start + PEOPLE_STEP]
        seen = part[..., 2:] > 0
        farthest.append(np.where(seen, np.abs(part[..., :2]), 0).max(axis=(1, 2)))
        below += int(((part[..., :2] < 0) & seen).sum())
        counted += 2 * int(seen.sum())
    reach = np.concatenate(farthest) if farthest else np.zeros(0)
    reach = reach[reach > 0]
    if not len(reach) or np.median(reach) > NORMALISED_MAX:
        return False
    if family == "OpenPose":
        raise InputError(
            f"{source}: its people lie within {NORMALISED_MAX:.0f} px; run OpenPose with --keypoint_scale 0 (pixels)"
        )
    if below > BELOW_MAX * counted:
        raise InputError(
            f"{source}: its keypoints run from {-reach.max():.1f} to {reach.max():.1f}; pixels of the video are "
            "needed, or coordinates normalised to 0 to 1"
        )
    usual = "" if is_usual else "; if they are pixels, check the file"
    log.info("%s: keypoints are normalised (0 to 1), scaled to pixels by the image size%s", source, usual)
    return True
