"""Robust triangulation of many points at once, without trying all subsets of cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.capture import Camera

PAIRS_MAX = 16  # pairs of cameras that give a first guess
OUTLIER_M = 0.08  # distance from a ray beyond which it counts less and less (Geman and McClure)
BODY_OUTLIER_M = 0.25  # the same of a body's joint, whose pose is not known so well
STEPS = 6
DEPTH_MIN_M = 0.1
SPREAD_MIN_RAD = 0.03  # between two rays that meet in a point


@dataclass(frozen=True, slots=True)
class Points(Shaped):
    """Triangulated points; NaN where fewer than two rays meet."""

    places_m: Annotated[np.ndarray, "R", 3]
    distances_m: Annotated[np.ndarray, "R", "V"]  # of each ray from its point, across the ray; NaN where there is none
    is_used: Annotated[np.ndarray, "R", "V"]  # bool, rays within `OUTLIER_M`


def triangulate(cameras: Sequence[Camera], rays: np.ndarray, weights: np.ndarray) -> Points:
    """Return the points where weighted rays meet.

    The best point of two rays starts a weighted least squares, whose weights follow the distances.

    Args:
        cameras: V of them.
        rays: (R, V, 2) x / z and y / z in camera axes, NaN where there is none.
        weights: (R, V) 0 or more, such as keypoints' confidence.
    """
    count, views = rays.shape[:2]
    given = np.isfinite(rays).all(axis=-1) & (weights > 0)
    weights = np.where(given, weights, 0.0)
    matrices, offsets = _equations(cameras, np.where(given[..., None], rays, 0.0))
    best, places = np.full(count, np.inf), np.full((count, 3), np.nan)
    for pair in _pairs(views):
        chosen = np.zeros(views)
        chosen[list(pair)] = 1.0
        found = _solve(matrices, offsets, weights * chosen)
        distances, depth = _distances(cameras, found, rays)
        cost = np.where(given, weights * np.minimum(distances, 2 * OUTLIER_M) ** 2, 0.0).sum(axis=1)
        both = given[:, pair].all(axis=1) & (depth[:, pair] > DEPTH_MIN_M).all(axis=1)
        is_better = both & _is_spread(cameras, rays, pair) & (cost < best)
        best, places = np.where(is_better, cost, best), np.where(is_better[:, None], found, places)
    for _ in range(STEPS):
        distances, depth = _distances(cameras, places, rays)
        trust = (OUTLIER_M**2 / (OUTLIER_M**2 + distances**2)) ** 2
        # An equation is a distance times the depth's inverse, so it is weighted back to metres.
        found = _solve(matrices, offsets, np.nan_to_num(weights * trust) * (depth > DEPTH_MIN_M))
        places = np.where(np.isfinite(found), found, places)
    distances, depth = _distances(cameras, places, rays)
    distances = np.where(given, distances, np.nan)
    is_used = given & (np.nan_to_num(distances, nan=np.inf) <= OUTLIER_M) & (depth > DEPTH_MIN_M)
    is_met = is_used.sum(axis=1) >= 2
    return Points(np.where(is_met[:, None], places, np.nan), distances, is_used & is_met[:, None])


def place_bodies(cameras: Sequence[Camera], joints_m: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the shifts (T, 3) with which bodies meet the rays of all cameras; NaN where rays do not tell.

    A body of known size is placed by one camera, too. Rays that pass far from their joint count less and less.

    Args:
        cameras: V of them.
        joints_m: (T, J, 3) of bodies with some shift, world.
        rays: (T, J, V, 2) x / z and y / z in camera axes, NaN where there is none.
        weights: (T, J, V) 0 or more.
    """
    count, joints, views = rays.shape[:3]
    given = np.isfinite(rays).all(axis=-1)
    flat = np.where(given[..., None], rays, 0.0).reshape(count * joints, views, 2)
    matrices, offsets = _equations(cameras, flat)
    left = offsets - np.einsum("rvki,ri->rvk", matrices, joints_m.reshape(-1, 3))
    per_body = (count, joints * views, 2)
    matrices, left = matrices.reshape(*per_body, 3), left.reshape(per_body)
    weights = np.where(given, weights, 0.0).reshape(count, -1)
    shifts = _solve(matrices, left, weights)
    for _ in range(STEPS):
        apart = np.einsum("rvki,ri->rvk", matrices, shifts) - left
        trust = (BODY_OUTLIER_M**2 / (BODY_OUTLIER_M**2 + (apart**2).sum(axis=-1))) ** 2
        found = _solve(matrices, left, np.nan_to_num(weights * trust))
        shifts = np.where(np.isfinite(found), found, shifts)
    return shifts


def ray_distances(cameras: Sequence[Camera], places_m: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return how far points (..., 3) lie beside rays (..., V, 2), across the ray (..., V), in metres.

    Infinite behind a camera, NaN where a point or a ray is not known.
    """
    shape = rays.shape[:-1]
    beside, _ = _distances(cameras, places_m.reshape(-1, 3), rays.reshape(-1, *rays.shape[-2:]))
    is_known = np.isfinite(places_m).all(axis=-1)[..., None] & np.isfinite(rays).all(axis=-1)
    return np.where(is_known, beside.reshape(shape), np.nan)


def _pairs(views: int) -> list[tuple[int, int]]:
    """Return pairs of cameras, at most `PAIRS_MAX`, spread over all."""
    every = list(combinations(range(views), 2))
    if len(every) <= PAIRS_MAX:
        return every
    order = np.random.default_rng(0).permutation(len(every))
    return [every[index] for index in order[: max(PAIRS_MAX, 2 * views)]]


def _equations(cameras: Sequence[Camera], rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, V, 2, 3) and (R, V, 2): matrix @ point = offset for points on a ray."""
    turns = np.array([camera.rotation for camera in cameras])
    shifts = np.array([camera.translation_m for camera in cameras])
    matrices = turns[None, :, :2] - rays[..., None] * turns[None, :, None, 2]
    return matrices, rays * shifts[None, :, None, 2] - shifts[None, :, :2]


def _solve(matrices: np.ndarray, offsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted least squares (R, 3); NaN where the equations do not tell it."""
    normal = np.einsum("rv,rvki,rvkj->rij", weights, matrices, matrices)
    right = np.einsum("rv,rvki,rvk->ri", weights, matrices, offsets)
    size = np.trace(normal, axis1=1, axis2=2)
    is_told = np.linalg.det(normal) > 1e-9 * size**3
    safe = np.where(is_told[:, None, None], normal, np.eye(3))
    return np.where(is_told[:, None], np.linalg.solve(safe, right[..., None])[..., 0], np.nan)


def _distances(cameras: Sequence[Camera], places: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far (R, V) points lie beside rays, in metres, and their depth (R, V) in each camera."""
    seen = np.stack([camera.to_camera(places) for camera in cameras], axis=1)
    depth = np.nan_to_num(seen[..., 2], nan=-1.0)
    beside = np.linalg.norm(seen[..., :2] - rays * seen[..., 2:], axis=-1)
    return np.where(depth > DEPTH_MIN_M, beside, np.inf), depth


def _is_spread(cameras: Sequence[Camera], rays: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Return whether (R,) the rays of two cameras are far enough from parallel."""
    one, other = (directions(cameras[view], rays[:, view]) for view in pair)
    return np.linalg.norm(np.cross(one, other), axis=-1) > np.sin(SPREAD_MIN_RAD)


def directions(camera: Camera, rays: np.ndarray) -> np.ndarray:
    """Return the directions (..., 3) of rays (..., 2) in the world, of length 1."""
    ahead = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) @ camera.rotation
    return ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
