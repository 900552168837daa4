"""Where people are by the bodies that views recovered: each knows well in which direction, and roughly how far away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.multiview.evidence import RANGE_SIGMA
from pipeline.multiview.views import Node, View

ASIDE_SIGMA_M = 0.1  # of a place across the line of sight
SPEED_SIGMA_M_S = 1.0  # of somebody between two moments
APART_SIGMA_M = 2.0  # of somebody else
ROWS = 3  # of a track that tell where somebody is
LIMIT = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is at a moment."""

    mean_m: np.ndarray  # (3,) in the world
    covariance_m2: np.ndarray  # (3, 3)
    frame: float


def same_place_score(before: Place | None, after: Place | None, rate_hz: float) -> float:
    """Return the evidence that somebody is who was there before, at most `LIMIT` either way; 0 where it is not known.

    Source: the logarithm of the ratio of two Gaussians of how far the places are apart.
    """
    if before is None or after is None:
        return 0.0
    noise = before.covariance_m2 + after.covariance_m2
    walked = SPEED_SIGMA_M_S * max(after.frame - before.frame, 0.0) / rate_hz
    off = after.mean_m - before.mean_m
    same, other = (noise + sigma**2 * np.eye(3) for sigma in (walked, APART_SIGMA_M))
    return float(np.clip(_log_density(off, same) - _log_density(off, other), -LIMIT, LIMIT))


def place_of(views: Sequence[View], nodes: Sequence[Node], *, is_last: bool = False) -> Place | None:
    """Return where the somebody of some tracks is when they are first seen, or last; None: no view recovered a body."""
    information, toward, frames = np.zeros((3, 3)), np.zeros(3), list[float]()
    index = [views[node.view].rows.frame_index[node.rows] for node in nodes]
    bound = max(each[-1] for each in index) - ROWS + 1 if is_last else min(each[0] for each in index) + ROWS - 1
    for node, at in zip(nodes, index, strict=True):
        view = views[node.view]
        near = node.rows[at >= bound if is_last else at <= bound]
        if not len(near):
            continue
        camera, in_camera = view.camera, np.median(view.rows.trans[near], axis=0).astype(np.float64)
        range_m = float(np.linalg.norm(in_camera))
        if not range_m:
            continue
        ahead = camera.rotation.T @ (in_camera / range_m)
        along = np.outer(ahead, ahead)
        told = along / (RANGE_SIGMA * range_m) ** 2 + (np.eye(3) - along) / ASIDE_SIGMA_M**2
        information += told
        toward += told @ camera.to_world(in_camera)
        frames.append(float(view.rows.frame_index[near].mean()))
    if not frames:
        return None
    covariance = np.linalg.inv(information)
    return Place(covariance @ toward, covariance, float(np.mean(frames)))


def _log_density(off: np.ndarray, covariance: np.ndarray) -> float:
    return float(-0.5 * (off @ np.linalg.solve(covariance, off) + np.linalg.slogdet(covariance)[1]))
