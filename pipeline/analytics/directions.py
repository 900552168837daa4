"""Where people go: a map of time and velocity, and the main directions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.analytics.density import Grid
from pipeline.analytics.trajectories import Trajectories

SECTORS = 36
PEAK_SHARE = 0.1  # of the walked time, within 30 degrees: fewer make no main direction
TURN_SECTORS = 3


@dataclass(frozen=True, slots=True)
class FlowMap:
    """What happened in each cell of a grid; arrays (rows, columns)."""

    grid: Grid
    person_seconds: np.ndarray
    visitors: np.ndarray  # int64, different people
    speed: np.ndarray  # mean over time, m/s; NaN where nobody was
    velocity: np.ndarray  # (rows, columns, 2), mean over time, m/s; NaN where nobody was


def flow_map(people: Trajectories, velocity: np.ndarray, grid: Grid, step_s: float) -> FlowMap:
    """Return time, people and mean velocity per cell.

    Args:
        velocity: (R, 2) m/s, NaN where not known.
        step_s: how long a row stands for.
    """
    known = np.isfinite(velocity[:, 0])
    xy, moves = people.xy_m[known], velocity[known]
    count = grid.sums(xy)
    with np.errstate(invalid="ignore", divide="ignore"):
        speed = grid.sums(xy, np.hypot(moves[:, 0], moves[:, 1])) / count
        mean = np.stack([grid.sums(xy, moves[:, axis]) / count for axis in (0, 1)], axis=2)
    row = np.searchsorted(grid.y_m, people.xy_m[:, 1], side="right") - 1
    column = np.searchsorted(grid.x_m, people.xy_m[:, 0], side="right") - 1
    rows, columns = grid.shape
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    seen = np.unique(np.stack([people.person, row, column], axis=1)[inside], axis=0)
    visitors = np.zeros(grid.shape, np.int64)
    np.add.at(visitors, (seen[:, 1], seen[:, 2]), 1)
    return FlowMap(grid, grid.sums(people.xy_m) * step_s, visitors, speed, mean)


@dataclass(frozen=True, slots=True)
class MainDirection:
    """A direction in which many walk."""

    heading_rad: float  # from x towards y
    share: float  # of the walked time, within 30 degrees
    speed: float  # mean, m/s


def main_directions(velocities: Callable[[], Iterable[np.ndarray]], slow: float) -> list[MainDirection]:
    """Return the directions in which people walk, the most walked first; none where nobody walks.

    Headings of everybody faster than `slow` are counted in 36 sectors, smoothed over three. A main direction is a
    sector walked no less than its neighbours over 30 degrees, with a tenth of the time or more around it.

    Args:
        velocities: gives (R, 2) of some people after the other, m/s, NaN where not known.
    """

    def walking() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for velocity in velocities():
            speed = np.hypot(velocity[:, 0], velocity[:, 1])
            walks = speed >= slow
            yield np.arctan2(velocity[walks, 1], velocity[walks, 0]), speed[walks]

    count = np.zeros(SECTORS)
    for heading, _ in walking():
        sector = np.floor((heading % (2 * np.pi)) / (2 * np.pi) * SECTORS).astype(np.int64) % SECTORS
        count += np.bincount(sector, minlength=SECTORS)
    smooth = (np.roll(count, 1) + count + np.roll(count, -1)) / 3
    around = (np.arange(-TURN_SECTORS, TURN_SECTORS + 1) + np.arange(SECTORS)[:, None]) % SECTORS
    peaks = np.flatnonzero((smooth >= smooth[around].max(axis=1)) & (smooth > 0))
    peaks = peaks[np.argsort(-smooth[peaks], kind="stable")]
    middles, sums = (peaks + 0.5) * 2 * np.pi / SECTORS, np.zeros((3, len(peaks)))  # number, turn and speed of the near
    for heading, speed in walking():
        for place, middle in enumerate(middles):
            off = (heading - middle + np.pi) % (2 * np.pi) - np.pi
            near = np.abs(off) < np.deg2rad(30)
            sums[:, place] += near.sum(), off[near].sum(), speed[near].sum()
    found: list[MainDirection] = []
    for middle, (number, turn, speeds) in zip(middles, sums.T, strict=True):
        mean = middle + turn / number
        is_new = all(abs((mean - each.heading_rad + np.pi) % (2 * np.pi) - np.pi) > np.deg2rad(30) for each in found)
        if number / count.sum() >= PEAK_SHARE and is_new:
            heading_rad = float((mean + np.pi) % (2 * np.pi) - np.pi)
            found.append(MainDirection(heading_rad, float(number / count.sum()), float(speeds / number)))
    return found
