"""How sure a figure is: everybody's positions are drawn again and again from their errors, and measured again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.analytics.trajectories import OF_CAMERA, OF_PERSON, Trajectories


@dataclass(frozen=True, slots=True)
class Band:
    """The lower and the upper end of an interval, each in the shape of the figure; NaN where it is not known."""

    low: np.ndarray
    high: np.ndarray


def draw_positions(people: Trajectories, count: int, correlation_s: float, seed: int) -> Iterator[np.ndarray]:
    """Yield so many draws (R, 2) of all positions, metres; none where the covariance is not known.

    The momentary errors of one person follow an Ornstein-Uhlenbeck process: Gaussian with the covariance of each row,
    and alike over `correlation_s`; those of different people are independent. Systematic errors are drawn once: those
    of the camera for everybody, those of a person for all their rows.

    Args:
        seed: each draw has its own generator, so that it does not depend on how many there are.
    """
    momentary = people.momentary_m2()
    if momentary is None or not len(people.person):
        return
    root = covariance_root(np.nan_to_num(momentary))
    everybody, who = np.unique(people.person, return_inverse=True)
    fresh = np.diff(people.person, prepend=people.person[0] - 1) != 0
    passed = np.diff(people.time_s, prepend=people.time_s[0])
    keep = np.exp(-passed / correlation_s) if correlation_s > 0 else np.zeros(len(passed))
    keep = np.where(fresh, 0.0, keep)
    place = np.arange(len(fresh)) - np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0))
    rows_at = [np.flatnonzero(place == step) for step in range(int(place.max()) + 1)]
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        noise = rng.standard_normal((len(fresh), 2))
        state = noise * np.sqrt(1 - keep**2)[:, None]
        for rows in rows_at[1:]:
            state[rows] += keep[rows, None] * state[rows - 1]
        drawn = people.xy_m + np.einsum("rij,rj->ri", root, state)
        if people.systematic_m is not None:
            of_camera, own = rng.standard_normal(4), rng.standard_normal((len(everybody), 1))
            drawn += people.systematic_m[..., OF_CAMERA] @ of_camera
            drawn += (people.systematic_m[..., OF_PERSON] @ own[who][:, :, None])[..., 0]
        yield drawn


def covariance_root(covariance_m2: np.ndarray) -> np.ndarray:
    """Return the symmetric root (R, 2, 2) of covariances, also of singular ones."""
    values, vectors = np.linalg.eigh(covariance_m2)
    return np.asarray(np.einsum("rij,rj,rkj->rik", vectors, np.sqrt(np.maximum(values, 0)), vectors))


def band_of(draws: np.ndarray, measured: np.ndarray, interval: float) -> Band:
    """Return the interval of draws (K, ...) that holds the share given; of no draws it is not known (NaN).

    Draws spread people once more than their errors did, so that a figure whose draws are shifted as a whole is itself
    shifted from the truth by about as much, the same way. The interval reaches to where that is taken back.

    Args:
        measured: (...) the figure of the positions as they are.

    Source: the bootstrap's estimate of bias, Efron & Tibshirani 1993, chapter 10.
    """
    if not len(draws):
        nothing = np.full(draws.shape[1:], np.nan)
        return Band(nothing, nothing)
    tail = (1 - interval) / 2
    low, high = np.quantile(draws, (tail, 1 - tail), axis=0)
    shift = 2.0 * float(np.mean(draws - measured))
    return Band(np.maximum(low - max(shift, 0.0), 0.0), high - min(shift, 0.0))
