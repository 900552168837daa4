"""What people do, by stated rules: lie, sit, stand, walk, run; and who may have fallen."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.analytics.trajectories import Postures, Trajectories

NAMES = ("unknown", "stand", "walk", "run", "sit", "lie")
UNKNOWN, STAND, WALK, RUN, SIT, LIE = range(len(NAMES))
LYING_RAD = np.deg2rad(60)  # trunk farther from upright
UPRIGHT_RAD = np.deg2rad(35)
SITTING_THIGH_RAD = np.deg2rad(50)  # thighs farther from straight down, and
SITTING_HIP = 0.8  # the pelvis lower over the ankle than this part of a leg
SHORTEST_S = 0.6  # of an activity
FALL_S = 2.0  # from upright to lying


@dataclass(frozen=True, slots=True)
class Stretch:
    """One activity of one person for a while."""

    person: int
    activity: int  # place in NAMES
    start_s: float
    end_s: float
    is_fall_candidate: bool  # lies, and was upright at most two seconds before


def activities(
    people: Trajectories, speed: np.ndarray, postures: Postures | None, slow: float, fast: float
) -> np.ndarray:
    """Return the activity of each row (R,), a place in NAMES.

    Lie: the trunk is more than 60 degrees from upright. Sit: the thighs are more than 50 degrees from straight down,
    the pelvis is lower over the ankles than 0.8 legs, and the person is slower than `slow`. Else run above `fast`,
    walk above `slow`, stand below. Without bodies nobody sits or lies. What lasts less than 0.6 s is counted as what
    was before. An activity without a speed, as in a single frame, is unknown unless the body alone tells it.

    Args:
        speed: (R,) m/s, NaN where not known.
    """
    found = np.where(speed >= fast, RUN, np.where(speed >= slow, WALK, STAND))
    found = np.where(np.isfinite(speed), found, UNKNOWN)
    if postures is not None:
        sits = (postures.thigh_tilt_rad > SITTING_THIGH_RAD) & (postures.hip_height < SITTING_HIP)
        found = np.where(sits & ~(speed >= slow), SIT, found)
        found = np.where(postures.trunk_tilt_rad > LYING_RAD, LIE, found)
    found = found.astype(np.int8)
    for _, span in people.spans():
        found[span] = _lasting(found[span], people.time_s[span])
    return found


def _lasting(states: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return states (T,) in which short ones became what was before them; the first one what follows."""
    states = states.copy()
    edges = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    for first, end in pairwise(edges):
        if first > 0 and times[end - 1] - times[first] < SHORTEST_S:
            states[first:end] = states[first - 1]
    if len(edges) > 2 and times[edges[1] - 1] - times[0] < SHORTEST_S:
        states[: edges[1]] = states[edges[1]]
    return states


def stretches(people: Trajectories, found: np.ndarray, postures: Postures | None) -> list[Stretch]:
    """Return the activities (R,) of everybody as stretches of time."""
    rows = []
    for person, span in people.spans():
        states, times = found[span], people.time_s[span]
        edges = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
        for first, end in pairwise(edges):
            is_fall = False
            if states[first] == LIE and first > 0 and postures is not None:
                before = np.arange(first)[times[:first] >= times[first] - FALL_S]
                is_fall = bool(np.any(postures.trunk_tilt_rad[span][before] < UPRIGHT_RAD))
            rows.append(Stretch(person, int(states[first]), float(times[first]), float(times[end - 1]), is_fall))
    return rows
