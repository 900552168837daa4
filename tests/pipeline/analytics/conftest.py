"""People who walk on the ground, made up."""

import numpy as np
import pytest

from pipeline.analytics.trajectories import Trajectories, sorted_trajectories


def walkers(people: int = 12, frames: int = 60, seed: int = 3, rate_hz: float = 25.0) -> Trajectories:
    """Return people who walk through a room of 8 x 6 m and come and go at different frames."""
    rng = np.random.default_rng(seed)
    person, frame, places = [], [], []
    for number in range(1, people + 1):
        first = int(rng.integers(0, frames // 3))
        last = int(rng.integers(2 * frames // 3, frames))
        steps = np.arange(first, last)
        start, velocity = rng.uniform((0.5, 0.5), (7.5, 5.5)), rng.normal(0, 0.8, 2)
        where = start + velocity * (steps[:, None] - first) / rate_hz + rng.normal(0, 0.01, (len(steps), 2)).cumsum(0)
        person += [number] * len(steps)
        frame += steps.tolist()
        places.append(where)
    return sorted_trajectories(np.array(person), np.array(frame), np.concatenate(places), rate_hz)


@pytest.fixture(name="walkers")
def make_walkers() -> Trajectories:
    return walkers()
