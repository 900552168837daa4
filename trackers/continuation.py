"""Who of a later part of a video is who of the part before it: by two trackers' states at the frame where they meet."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.association import box_overlaps

State = Mapping[str, np.ndarray]  # `Tracker.snapshot`, or that of `FileIdentities`
OVERLAP_MIN = 0.5
SAME_TIME_S = 1e-6


def ids_given(state: State) -> int:
    """Return how many identities a tracker has given so far; none where they are those of a file."""
    return int(state["next_id"]) - 1 if "next_id" in state else 0


def same_people(earlier: State, later: State) -> dict[int, int]:
    """Return the identity in the earlier part of everybody whom both trackers follow, by that in the later part.

    The two have seen the same detections of the last frames, so that a person's last one is the same for both. Where
    they differ in a detection, who was seen at another time, or at a place that is only near, counts less.
    """
    if not ("next_id" in earlier and "next_id" in later):
        return {}
    one, two = np.flatnonzero(earlier["track_ids"]), np.flatnonzero(later["track_ids"])  # 0: not shown yet
    overlaps = box_overlaps(earlier["boxes_xyxy"][one], later["boxes_xyxy"][two])
    is_same_time = np.abs(earlier["seen_s"][one][:, None] - later["seen_s"][two][None]) < SAME_TIME_S
    worth = np.where(overlaps >= OVERLAP_MIN, overlaps + is_same_time, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return {
        int(later["track_ids"][two[column]]): int(earlier["track_ids"][one[row]])
        for row, column in zip(rows, columns, strict=True)
        if worth[row, column] > 0
    }
