"""The noun of this room: where people stand on the ground over time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from configs.checks import Shaped

ALL = slice(None)
BLOCK_ROWS = 100_000  # that are worked on at a time where all would take too much memory
OF_CAMERA, OF_PERSON = slice(0, 4), slice(4, 5)  # of the systematic errors


@dataclass(frozen=True, slots=True)
class Trajectories(Shaped):
    """Ground positions, one row per person and frame, ordered by (person, frame).

    A frame in which a person is missing has no row; `is_filled` rows were put in between observations.
    """

    person: Annotated[np.ndarray, "R"]  # int64
    frame: Annotated[np.ndarray, "R"]  # int64, of the video or of the file
    time_s: Annotated[np.ndarray, "R"]  # float64
    xy_m: Annotated[np.ndarray, "R", 2]  # float64, world x and y
    rate_hz: float  # frames per second
    is_filled: Annotated[np.ndarray, "R"]  # bool
    covariance_m2: Annotated[np.ndarray | None, "R", 2, 2] = None  # float64; NaN where not measured; None: nowhere
    # What of these errors is systematic: moves by one standard error each of the camera (the first four, the same for
    # everybody) and of the person (the last); None: nothing.
    systematic_m: Annotated[np.ndarray | None, "R", 2, 5] = None

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        if not self.rate_hz > 0:
            raise ValueError(f"rate_hz is {self.rate_hz}, expected a rate above 0")
        step = np.diff(self.person)
        if np.any((step < 0) | ((step == 0) & (np.diff(self.frame) <= 0))):
            raise ValueError("rows are not ordered by person and frame, or a person is twice in a frame")

    @property
    def people(self) -> np.ndarray:
        """The numbers of the people (P,) int64, ascending."""
        return np.unique(self.person)

    @property
    def frame_range(self) -> np.ndarray:
        """Every frame from the first to the last row (F,) int64, also those without a row."""
        return np.arange(self.frame.min(), self.frame.max() + 1) if len(self.frame) else np.zeros(0, np.int64)

    @property
    def duration_s(self) -> float:
        """Seconds from the first row to the last, the last frame counted with its own length."""
        return float(np.ptp(self.time_s)) + 1 / self.rate_hz if len(self.time_s) else 0.0

    def momentary_m2(self, rows: np.ndarray | slice = ALL) -> np.ndarray | None:
        """Return the covariance (R, 2, 2) of the errors that come and go; None where no error is known."""
        if self.covariance_m2 is None or self.systematic_m is None:
            return None if self.covariance_m2 is None else self.covariance_m2[rows]
        return np.asarray(self.covariance_m2[rows] - square(self.systematic_m[rows]))

    def apart_m2(self, first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
        """Return the covariance (Q, 2, 2) of the ways from rows (Q,) to others of the same frames and other people.

        What the camera adds to both in the same way does not change the way between them. None: no error is known.
        """
        here, there = self.momentary_m2(first), self.momentary_m2(second)
        if here is None or there is None:
            return None
        if self.systematic_m is None:
            return here + there
        one, other = self.systematic_m[first], self.systematic_m[second]
        shared = one[..., OF_CAMERA] - other[..., OF_CAMERA]
        return here + there + square(shared) + square(one[..., OF_PERSON]) + square(other[..., OF_PERSON])

    def spans(self) -> Iterator[tuple[int, slice]]:
        """Yield every person with the slice of their rows."""
        starts = np.flatnonzero(np.diff(self.person, prepend=-1 if not len(self.person) else self.person[0] - 1))
        for start, end in zip(starts, [*starts[1:], len(self.person)], strict=True):
            yield int(self.person[start]), slice(int(start), int(end))

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[slice]:
        """Yield everybody's rows, in slices of whole people with about so many rows."""
        first = 0
        for _, span in self.spans():
            if span.stop - first >= rows or span.stop == len(self.person):
                yield slice(first, span.stop)
                first = span.stop

    def by_frame(self) -> "FrameIndex":
        """Return which rows each frame has."""
        order = np.argsort(self.frame, kind="stable")
        frames, starts = np.unique(self.frame[order], return_index=True)
        return FrameIndex(frames, order, np.append(starts, len(order)))

    def time_of(self, frames: np.ndarray) -> np.ndarray:
        """Return the seconds of frames (F,): those of the rows, and between them by the rate."""
        known, first = np.unique(self.frame, return_index=True)
        return np.interp(frames, known, self.time_s[first]) if len(known) else frames / self.rate_hz

    def thinned(self, rate_hz: float) -> "Trajectories":
        """Return every n-th frame, so that the rate is about the one given; the rate is kept where it is lower."""
        step = max(1, round(self.rate_hz / rate_hz))
        return self if step == 1 or not len(self.frame) else self.take((self.frame - self.frame.min()) % step == 0)

    def moved(self, shift_m: np.ndarray) -> "Trajectories":
        """Return the same people (R, 2) metres away."""
        return replace(self, xy_m=self.xy_m + shift_m)


def square(moves_m: np.ndarray) -> np.ndarray:
    """Return the covariance (R, 2, 2) of independent moves (R, 2, K) by one standard error each."""
    moves = moves_m.astype(np.float64)
    return np.asarray(moves @ moves.transpose(0, 2, 1))


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """The rows of each frame that has some."""

    frames: np.ndarray  # (F,) int64, ascending
    order: np.ndarray  # (R,) rows by frame, within a frame by person
    bounds: np.ndarray  # (F + 1,) where the rows of each frame begin in `order`

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield frames with their rows."""
        for place, frame in enumerate(self.frames.tolist()):
            yield frame, self.order[self.bounds[place] : self.bounds[place + 1]]


@dataclass(frozen=True, slots=True)
class Postures(Shaped):
    """What bodies say beside their place, one row per row of the trajectories; angles from the vertical, radians."""

    facing_rad: Annotated[np.ndarray, "R"]  # direction in which the shoulders face, from x towards y
    gaze_rad: Annotated[np.ndarray, "R"]  # direction in which the head faces
    trunk_tilt_rad: Annotated[np.ndarray, "R"]  # pelvis to neck; 0 = upright, pi / 2 = lying
    thigh_tilt_rad: Annotated[np.ndarray, "R"]  # hip to knee, mean of both; 0 = straight down
    hip_height: Annotated[np.ndarray, "R"]  # pelvis above the lower ankle, over the length of a straight leg
    knee_bend_rad: Annotated[np.ndarray, "R"]  # mean of both knees; 0 = straight
    height_m: Annotated[np.ndarray, "R"]  # of the person, standing


def sorted_trajectories(
    person: np.ndarray,
    frame: np.ndarray,
    xy_m: np.ndarray,
    rate_hz: float,
    *,
    time_s: np.ndarray | None = None,
    is_filled: np.ndarray | None = None,
    covariance_m2: np.ndarray | None = None,
) -> Trajectories:
    """Return trajectories of rows in any order.

    Raises:
        ValueError: a person is twice in a frame, or a number is not finite.
    """
    if not np.isfinite(xy_m).all():
        raise ValueError(f"a position is not a finite number (row {int(np.argmin(np.isfinite(xy_m).all(axis=1)))})")
    person, frame, xy_m = np.asarray(person, np.int64), np.asarray(frame, np.int64), np.asarray(xy_m, np.float64)
    time_s = frame / rate_hz if time_s is None else np.asarray(time_s, np.float64)
    filled = np.zeros(len(person), bool) if is_filled is None else np.asarray(is_filled, bool)
    covariance = None if covariance_m2 is None else np.asarray(covariance_m2, np.float64)
    step = np.diff(person)
    if np.any((step < 0) | ((step == 0) & (np.diff(frame) <= 0))):
        order = np.lexsort((frame, person))
        person, frame, xy_m, time_s, filled = (each[order] for each in (person, frame, xy_m, time_s, filled))
        covariance = None if covariance is None else covariance[order]
        twice = np.flatnonzero((np.diff(person) == 0) & (np.diff(frame) == 0))
        if len(twice):
            raise ValueError(f"person {person[twice[0]]} is twice in frame {frame[twice[0]]}")
    return Trajectories(person, frame, time_s, xy_m, float(rate_hz), filled, covariance)
