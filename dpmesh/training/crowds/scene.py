"""A whole crowd: people, camera, detections and truth."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from dpmesh.training.crowds.camera import HEIGHT, WIDTH, Cameras, stage_cameras
from dpmesh.training.crowds.detector import Found, detect
from dpmesh.training.crowds.paths import DEPTH_M, RATE_HZ, walk_paths
from dpmesh.training.crowds.poses import pose_points
from dpmesh.training.crowds.visibility import PILLAR_M, Sight, look

DENSITIES = {"sparse": 8, "medium": 24, "dense": 60}  # people in the place; not all of them are in the image
INSIDE_MIN = 0.3  # of a person's box must be in the image for the truth to count the person
VISIBLE_MIN = 0.25  # of a body must be visible for the truth of visible people


@dataclass(frozen=True, slots=True)
class Crowd(Shaped):
    """Detections of a crowd, and its truth."""

    found: Found
    truth_frame: Annotated[np.ndarray, "G"]  # int64
    truth_id: Annotated[np.ndarray, "G"]  # int64, from 1
    truth_xyxy: Annotated[np.ndarray, "G", 4]  # whole bodies, cut at the image's edges
    truth_visible: Annotated[np.ndarray, "G"]  # share of the body that is visible
    motion: Annotated[np.ndarray, "T", 3, 3]  # homographies from the frame before, as measured on the background
    cameras: Cameras
    spot_m: Annotated[np.ndarray, "N", "T", 2]  # where everybody is on the ground: x right, z away


def make_crowd(
    kind: str,
    people: int,
    frames: int,
    rng: np.random.Generator,
    *,
    is_moving: bool = False,
    has_cuts: bool = False,
    height_m: float | None = None,
) -> Crowd:
    """Return a crowd; `kind` as in `paths.KINDS`, `height_m` of the camera, None: at random."""
    paths = walk_paths(kind, people, frames, rng)
    points = pose_points(paths, np.clip(rng.normal(1.7, 0.09, people), 1.45, 2.0), rng)
    cameras = stage_cameras(frames, is_moving=is_moving, has_cuts=has_cuts, rng=rng, height_m=height_m)
    pixels, depths = cameras.project(points)
    sight = look(pixels, depths.mean(axis=2), _pillars(cameras, rng))
    return _with_truth(sight, detect(sight, rng), cameras, paths.spot_m, rng)


def _pillars(cameras: Cameras, rng: np.random.Generator) -> np.ndarray:
    """Return (T, Q, 3) what stands between the people: edges in pixels, and depth."""
    count = int(rng.integers(0, 3))
    places = np.stack([rng.uniform(-3, 3, count), np.ones(count), rng.uniform(5.0, 0.6 * DEPTH_M[1], count)], axis=-1)
    edges = places[:, None] + np.array([[-PILLAR_M / 2, 0, 0], [PILLAR_M / 2, 0, 0]])
    pixels, depths = cameras.project(np.repeat(edges[:, None], len(cameras.centre_m), axis=1))
    sides = np.sort(pixels[..., 0], axis=-1)
    return np.asarray(np.concatenate([sides, depths.mean(axis=2)[..., None]], axis=-1).transpose(1, 0, 2))


def _with_truth(sight: Sight, found: Found, cameras: Cameras, spot_m: np.ndarray, rng: np.random.Generator) -> Crowd:
    counts = (sight.inside >= INSIDE_MIN) & np.isfinite(sight.boxes_xyxy).all(axis=-1)
    frame, person = np.nonzero(counts.T)
    boxes = np.clip(sight.boxes_xyxy[person, frame], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    return Crowd(
        found,
        frame.astype(np.int64),
        person.astype(np.int64) + 1,
        boxes,
        sight.visible[person, frame],
        cameras.motion(rng),
        cameras,
        spot_m,
    )


def times_s(frames: int) -> np.ndarray:
    """Return the times of frames (T,)."""
    return np.arange(frames) / RATE_HZ
