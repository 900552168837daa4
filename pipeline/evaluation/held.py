"""How often intervals of 90 % hold the truth: of places, speeds and distances."""

from dataclasses import replace

import numpy as np

from configs.analytics_schema import AnalyticsSettings
from pipeline.analytics.meetings import find_pairs
from pipeline.analytics.speed import individual_speed, speed_sigma
from pipeline.analytics.study import REACH_M
from pipeline.analytics.trajectories import Trajectories

ELLIPSE, Z = 4.605, 1.645  # a chi square of two numbers, and a normal number: 90 % lie within
WHOLE = 0.9  # of a speed's window


def held_places(found: Trajectories, true_xy_m: np.ndarray) -> np.ndarray:
    """Return whether each true place (R, 2) lies in the ellipse of 90 % (R,); nothing where no error is known."""
    if found.covariance_m2 is None:
        return np.zeros(0, bool)
    off = found.xy_m - true_xy_m
    return np.asarray((off * np.linalg.solve(found.covariance_m2, off[..., None])[..., 0]).sum(axis=1) <= ELLIPSE)


def held_speeds(found: Trajectories, true_xy_m: np.ndarray, settings: AnalyticsSettings) -> np.ndarray:
    """Return whether the speed of each true way (R, 2) lies in its interval (S,), where a whole window is known."""
    step = max(1, round(settings.speed_window_s * found.rate_hz / 2))
    ours, true = (individual_speed(each, step) for each in (found, replace(found, xy_m=true_xy_m)))
    sigma = speed_sigma(found, ours, settings.correlation_s)
    known = np.isfinite(sigma) & (ours.window_s > WHOLE * settings.speed_window_s)
    return np.asarray(np.abs(ours.speed - true.speed)[known] <= Z * sigma[known])


def held_distances(found: Trajectories, true_xy_m: np.ndarray) -> np.ndarray:
    """Return whether each true distance of two people who are found near each other lies in its interval (Q,)."""
    pairs = find_pairs(found, found.by_frame(), REACH_M)
    true = np.linalg.norm(true_xy_m[pairs.first] - true_xy_m[pairs.second], axis=1)
    known = np.isfinite(pairs.sigma_m)
    return np.asarray(np.abs(pairs.distance_m - true)[known] <= Z * pairs.sigma_m[known])
