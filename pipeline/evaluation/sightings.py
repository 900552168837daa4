"""Which rows of a run show which people of a reference, so that several ways to refine the run meet the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.evaluation.pairing import Pair, pair_people
from pipeline.types import MotionTrack


@dataclass(frozen=True, slots=True)
class Sightings(Shaped):
    """N rows of a run, each of which stands for a person of the reference; by person, then by frame."""

    person: Annotated[np.ndarray, "N"]  # int64
    frame: Annotated[np.ndarray, "N"]  # int64
    track: Annotated[np.ndarray, "N"]  # int64, number of the track
    row: Annotated[np.ndarray, "N"]  # int64, row of that track
    is_filled: Annotated[np.ndarray, "N"]  # bool: nothing was seen, the row was filled in

    def where(self, is_kept: np.ndarray) -> "Sightings":
        """Return the rows that stand for a person in a frame of `is_kept` (P, T)."""
        return self.take(is_kept[self.person, self.frame])

    def follows(self) -> np.ndarray:
        """Return whether (N - 1,) a row and the next are one person's neighbouring frames in one track."""
        same = (np.diff(self.person) == 0) & (np.diff(self.track) == 0)
        return same & (np.diff(self.frame) == 1) & (np.diff(self.row) == 1)


def find_sightings(tracks: Sequence[MotionTrack], joints: Sequence[np.ndarray], true_boxes: np.ndarray) -> Sightings:
    """Return the rows that stand for people.

    Rows that were seen are assigned one to one, by the boxes around their projected joints. A row that was filled in
    stands for the person for whom its track stood both before and after the gap, wherever it lies: a bad filling is
    no way out of being measured.

    Args:
        tracks: the motion of a run, and their joints (rows, J, 3) in camera axes, metres.
        true_boxes: (P, T, 4) boxes of the people, pixels; NaN where somebody cannot be seen.
    """
    seen = pair_people(tracks, joints, true_boxes, is_filled_left_out=True)
    found = []
    for person, pairs in enumerate(seen.pairs):
        taken = {pair.frame for pair in pairs}
        holders = {(pair.track, pair.row) for pair in pairs}
        filled = []
        for number, track in enumerate(tracks):
            for pair in _gaps_between(track, number, holders):
                if pair.frame not in taken:
                    taken.add(pair.frame)
                    filled.append(pair)
        rows = [(pair, False) for pair in pairs] + [(pair, True) for pair in filled]
        rows.sort(key=lambda entry: entry[0].frame)
        found += [(person, pair.frame, pair.track, pair.row, is_filled) for pair, is_filled in rows]
    columns = np.array(found, np.int64).reshape(-1, 5).T
    return Sightings(columns[0], columns[1], columns[2], columns[3], columns[4].astype(bool))


def _gaps_between(track: MotionTrack, number: int, holders: set[tuple[int, int]]) -> list[Pair]:
    """Return the filled rows of a track that lie between two seen rows, both in `holders`."""
    observed = np.flatnonzero(track.is_observed)
    pairs: list[Pair] = []
    for before, after in pairwise(observed):
        if (number, int(before)) in holders and (number, int(after)) in holders:
            pairs += [Pair(int(track.frame_index[row]), number, row) for row in range(int(before) + 1, int(after))]
    return pairs
