"""How fast people are, from where they are."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from configs.checks import Shaped
from pipeline.analytics.trajectories import Trajectories

Border = Literal["adaptive", "exclude", "single_sided"]


@dataclass(frozen=True, slots=True)
class Speeds(Shaped):
    """Velocities, one row per row of the trajectories; NaN where there is none."""

    velocity: Annotated[np.ndarray, "R", 2]  # float64, m/s
    window_s: Annotated[np.ndarray, "R"]  # float64, over how long it was measured
    start: Annotated[np.ndarray, "R"]  # int32, row at the window's start
    end: Annotated[np.ndarray, "R"]  # int32, row at its end

    @property
    def speed(self) -> np.ndarray:
        """Metres per second (R,)."""
        return np.hypot(self.velocity[:, 0], self.velocity[:, 1])


def individual_speed(people: Trajectories, frame_step: int, border: Border = "adaptive") -> Speeds:
    """Return v(t) = (x(t + n) - x(t - n)) / (time between), n = `frame_step` frames.

    At the ends of a track "adaptive" shortens the window on both sides, "exclude" gives nothing, "single_sided" takes
    what there is on one side. Where "adaptive" lacks a frame, it takes the outermost ones within the window (PedPy
    gives nothing there); the others count rows, not frames.

    Source: Steffen & Seyfried 2010, Physica A 389, eq. 2; the border rules are those of PedPy.
    """
    rows = len(people.person)
    start, end = np.arange(rows, dtype=np.int32), np.arange(rows, dtype=np.int32)
    for _, span in people.spans():
        own, count = np.arange(span.start, span.stop), span.stop - span.start
        if border == "adaptive":
            frames = people.frame[span]
            reach = np.minimum(frame_step, np.minimum(frames - frames[0], frames[-1] - frames))
            start[span] = np.searchsorted(frames, frames - reach) + span.start
            end[span] = np.searchsorted(frames, frames + reach, side="right") - 1 + span.start
        else:
            first, last = own - frame_step, own + frame_step
            is_in = (first >= span.start) & (last < span.start + count)
            if border == "exclude":
                start[span], end[span] = np.where(is_in, first, own), np.where(is_in, last, own)
            else:
                start[span] = np.where(first >= span.start, first, own)
                end[span] = np.where(last < span.start + count, last, own)
    window = people.time_s[end] - people.time_s[start]
    velocity = people.xy_m[end]
    velocity -= people.xy_m[start]
    with np.errstate(divide="ignore", invalid="ignore"):
        velocity /= window[:, None]
    velocity[window <= 0] = np.nan
    return Speeds(velocity, window, start, end)


def steady_speed(people: Trajectories, speeds: Speeds, window_s: float) -> np.ndarray:
    """Return speeds (R,) in which those over less than half of a window are replaced, m/s.

    The nearest row of the same person with a longer one gives its speed; a person without any keeps what there is.
    """
    found = speeds.speed
    is_long = np.isfinite(found) & (speeds.window_s >= window_s / 2 - 1e-9)
    for _, span in people.spans():
        good = np.flatnonzero(is_long[span])
        if not len(good):
            good = np.flatnonzero(np.isfinite(found[span]))
        if len(good):
            times = people.time_s[span]
            right = np.clip(np.searchsorted(times[good], times), 0, len(good) - 1)
            left = np.maximum(right - 1, 0)
            is_left = np.abs(times[good[left]] - times) <= np.abs(times[good[right]] - times)
            found[span] = found[span][good[np.where(is_left, left, right)]]
    return found


def speed_sigma(people: Trajectories, speeds: Speeds, correlation_s: float) -> np.ndarray:
    """Return the standard deviation (R,) of each speed, m/s; NaN where the covariance is not known.

    The variance of the displacement is S1 + S2 - 2 rho (S1 S2)^(1/2) along the way, S1 and S2 those of the momentary
    errors, with rho = exp(-dt / correlation): errors of one person in neighbouring frames are alike, so that they
    cancel in a speed. Systematic errors are the same at both ends: they count by how much else they move the one end.
    First order.
    """
    momentary = people.momentary_m2()
    if momentary is None:
        return np.broadcast_to(np.nan, len(people.person))
    speed = speeds.speed
    with np.errstate(divide="ignore", invalid="ignore"):
        way = speeds.velocity / speed[:, None]
        way[~(speed > 1e-9)] = np.sqrt(0.5)
        first, last = (np.einsum("ri,rij,rj->r", way, momentary[at], way) for at in (speeds.start, speeds.end))
        rho = np.exp(-speeds.window_s / correlation_s) if correlation_s > 0 else np.zeros(len(speed))
        variance = first + last - 2 * rho * np.sqrt(np.maximum(first * last, 0))
        if people.systematic_m is not None:
            moves = people.systematic_m[speeds.end] - people.systematic_m[speeds.start]
            variance += (np.einsum("ri,rik->rk", way, moves) ** 2).sum(axis=1)
        return np.where(speeds.window_s > 0, np.sqrt(np.maximum(variance, 0)) / speeds.window_s, np.nan)
