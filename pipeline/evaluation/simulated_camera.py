"""What a camera over a crowd would make of it: places with errors and covariance, people hidden and tracks broken."""

from dataclasses import dataclass

import numpy as np

from pipeline.analytics.from_run import smoothed
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.evaluation.simulated_crowd import RATE_HZ, ROOM_M, Crowd

FOCAL_PX = 900.0
BACK_M = 10.0  # how far the camera stands from the room
NOISE = 0.02  # of the height in the image: standard deviation of a foot or head; at least a pixel
NOISE_S = 0.3  # over which these errors are alike
HIDDEN = 0.6  # part of a person behind one other, from which on nobody is found
FEET_HIDDEN = 0.15  # the same, from which on the place comes from the head and the height of people
HEIGHT_M, HEIGHT_SIGMA_M = 1.70, 0.09
MISSED = 0.03  # detections that fail for no reason
WIDTH = 0.35  # of a person's image, of its height
GAP_S = 1.0  # longer gaps end a track, shorter ones are filled


@dataclass(frozen=True, slots=True)
class Watched:
    """Detected tracks with whom they really are."""

    people: Trajectories
    truth: np.ndarray  # (R,) int64, true number of the person of each row


def watch(crowd: Crowd, height_m: float, seed: int, smooth_s: float, *, is_all_found: bool = False) -> Watched:
    """Return the tracks that a camera at a height would give.

    Args:
        is_all_found: whether nobody is missed, hidden or not: only places then have errors.

    Feet (or, where another person hides them, the head and the mean height of people) are cast to the ground; the
    covariance is their errors' to first order.
    """
    rng = np.random.default_rng(seed)
    frames, people = crowd.xy_m.shape[:2]
    camera = np.array([ROOM_M[0] / 2, -BACK_M, height_m])
    view = _looking(camera, np.array([ROOM_M[0] / 2, ROOM_M[1] / 2, 1.0]))
    feet = np.concatenate([crowd.xy_m, np.zeros((frames, people, 1))], axis=2)
    heads = feet + np.array([0, 0, 1.0]) * crowd.height_m[:, None]
    foot_px, depth = _project(feet, camera, view)
    head_px, _ = _project(heads, camera, view)
    tall = foot_px[..., 1] - head_px[..., 1]
    sigma = np.maximum(NOISE * tall, 1.0)
    noise = np.stack([_correlated(rng, (frames, people)) for _ in range(4)], axis=2) * sigma[..., None]
    hidden = _hidden(foot_px, tall, depth)
    is_found = ((hidden < HIDDEN) & (rng.random((frames, people)) > MISSED)) | is_all_found
    by_head = hidden > FEET_HIDDEN
    plane = np.where(by_head, HEIGHT_M, 0.0)
    pixels = np.where(by_head[..., None], head_px + noise[..., 2:], foot_px + noise[..., :2])
    where = _cast(pixels, plane, camera, view)
    covariance = _covariance(pixels, plane, np.where(by_head, HEIGHT_SIGMA_M, 0.0), sigma, camera, view)
    return _tracked(where, covariance, is_found, smooth_s)


def _looking(camera: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) from the world to a level camera that looks at a place."""
    ahead = (at - camera) / np.linalg.norm(at - camera)
    right = np.cross(ahead, (0, 0, 1))
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])


def _project(places: np.ndarray, camera: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cam = (places - camera) @ view.T
    return FOCAL_PX * cam[..., :2] / cam[..., 2:], cam[..., 2]


def _cast(pixels: np.ndarray, plane_m: np.ndarray, camera: np.ndarray, view: np.ndarray) -> np.ndarray:
    rays = np.concatenate([pixels / FOCAL_PX, np.ones((*pixels.shape[:-1], 1))], axis=-1) @ view
    reach = (plane_m - camera[2]) / rays[..., 2]
    return np.asarray(camera[:2] + rays[..., :2] * reach[..., None])


def _covariance(
    pixels: np.ndarray,
    plane_m: np.ndarray,
    plane_sigma: np.ndarray,
    sigma: np.ndarray,
    camera: np.ndarray,
    view: np.ndarray,
) -> np.ndarray:
    """Return the covariance (T, N, 2, 2) of cast places, by differences."""
    here = _cast(pixels, plane_m, camera, view)
    ways = [
        (_cast(pixels + np.array(step), plane_m, camera, view) - here) * sigma[..., None] for step in ((1, 0), (0, 1))
    ]
    ways.append((_cast(pixels, plane_m + 0.01, camera, view) - here) * (plane_sigma / 0.01)[..., None])
    return np.asarray(sum(np.einsum("tni,tnj->tnij", way, way) for way in ways))


def _correlated(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return noise of variance 1 (T, N) that is alike over `NOISE_S`."""
    keep = float(np.exp(-1 / RATE_HZ / NOISE_S))
    noise = rng.standard_normal(shape)
    for frame in range(1, shape[0]):
        noise[frame] = keep * noise[frame - 1] + np.sqrt(1 - keep**2) * noise[frame]
    return noise


def _hidden(foot_px: np.ndarray, tall: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return which part of everybody (T, N) is behind the nearer person who hides most of them."""
    wide = WIDTH * tall
    left, right = foot_px[..., 0] - wide / 2, foot_px[..., 0] + wide / 2
    top, low = foot_px[..., 1] - tall, foot_px[..., 1]
    found = np.zeros(tall.shape)
    for frame in range(len(tall)):
        across = np.minimum(right[frame][:, None], right[frame]) - np.maximum(left[frame][:, None], left[frame])
        down = np.minimum(low[frame][:, None], low[frame]) - np.maximum(top[frame][:, None], top[frame])
        part = np.maximum(across, 0) * np.maximum(down, 0) / (wide[frame] * tall[frame])[:, None]
        part[depth[frame][:, None] <= depth[frame]] = 0
        found[frame] = part.max(axis=1)
    return found


def _tracked(where: np.ndarray, covariance: np.ndarray, is_found: np.ndarray, smooth_s: float) -> Watched:
    """Return tracks: short gaps are filled, long ones end a track; short tracks are left out."""
    parts, number = [], 0
    for person in range(where.shape[1]):
        seen = np.flatnonzero(is_found[:, person])
        for part in np.split(seen, np.flatnonzero(np.diff(seen) > GAP_S * RATE_HZ) + 1):
            if len(part) < 5:
                continue
            number += 1
            frames = np.arange(part[0], part[-1] + 1)
            own = where[part, person]
            filled = np.stack([np.interp(frames, part, own[:, axis]) for axis in (0, 1)], axis=1)
            nearest = part[np.minimum(np.searchsorted(part, frames), len(part) - 1)]
            smooth = smoothed(frames, filled, round(smooth_s * RATE_HZ))
            parts.append((number, person + 1, frames, smooth, covariance[nearest, person], ~np.isin(frames, part)))
    lengths = [len(part[2]) for part in parts]
    tracks = sorted_trajectories(
        np.repeat([part[0] for part in parts], lengths),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([part[3] for part in parts]),
        RATE_HZ,
        is_filled=np.concatenate([part[5] for part in parts]),
        covariance_m2=np.concatenate([part[4] for part in parts]),
    )
    return Watched(tracks, np.repeat([part[1] for part in parts], lengths))
