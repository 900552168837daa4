"""One list of people out of those that two networks found in an image.

People are rows (N, 6 + 17 * 3): box, score, class, keypoints.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from trackers.association import assign, box_overlaps

OVERLAP_MIN = 0.5  # IoU from which a box of each network is one person
SHARPNESS = 2  # power of the chance that is the score: the tracker's thresholds are meant for scores of pose networks
CANDIDATES_MAX = 1000  # boxes before overlaps are removed, the best ones


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Turns a network's own score into the chance that the box holds a person: logit -> slope * logit + shift."""

    slope: float
    shift: float

    def to_chance(self, scores: np.ndarray) -> np.ndarray:
        """Return the chances of scores (N,)."""
        return expit(self.slope * _logit(scores) + self.shift)

    def to_score(self, chance: float) -> float:
        """Return the score that has this chance."""
        return float(expit((_logit(np.array(chance)) - self.shift) / self.slope))


def join_people(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the people of two networks, best score first; scores are chances.

    Of who is in both, boxes are averaged by score, the chance is that of at least one being right, and keypoints are
    those of the first.
    """
    pairs = assign(1.0 - box_overlaps(first[:, :4], second[:, :4]), 1.0 - OVERLAP_MIN)
    joined = first.copy()
    is_left = np.ones(len(second), bool)
    for row, column in pairs:
        one, other = first[row, 4], second[column, 4]
        joined[row, :4] = (one * first[row, :4] + other * second[column, :4]) / max(one + other, 1e-6)
        joined[row, 4] = 1.0 - (1.0 - one) * (1.0 - other)
        is_left[column] = False
    people = np.concatenate([joined, second[is_left]])
    return people[np.argsort(-people[:, 4], kind="stable")]


def drop_overlaps(people: np.ndarray, overlap_max: float) -> np.ndarray:
    """Return the people, best score first, without those whose box overlaps a better one's more than this."""
    people = people[np.argsort(-people[:, 4], kind="stable")][:CANDIDATES_MAX]
    is_over = box_overlaps(people[:, :4], people[:, :4]) > overlap_max
    is_kept = np.ones(len(people), bool)
    for row in range(len(people)):
        if is_kept[row]:
            is_kept[row + 1 :] &= ~is_over[row, row + 1 :]
    return people[is_kept]


def _logit(chances: np.ndarray) -> np.ndarray:
    result: np.ndarray = logit(np.clip(chances.astype(np.float64), 1e-6, 1.0 - 1e-6))
    return result
