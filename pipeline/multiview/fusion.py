"""One motion per person from all views: triangulated joints place the bodies that each view recovered, and the fit
meets the keypoints of every camera.

Rig axes are those of a level camera at the world's origin (x right, y down, z forward), so that everything behind the
fit sees them as it sees those of a single camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.skeletons import MIRRORED_17
from dpmesh.body import BodyModel
from dpmesh.geometry.align import find_similarity
from dpmesh.geometry.rotations import nearest_rotation
from dpmesh.keypoints import smpl24_confidence
from pipeline.capture import Camera
from pipeline.flow.scratch import rows_on_disk
from pipeline.motion.posing import joint_positions, pelvis_of
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.multiview.association import Person
from pipeline.multiview.triangulation import place_bodies, ray_distances, triangulate
from pipeline.multiview.views import View, pinhole_keypoints
from refine.rows.gaps import find_gaps, interpolate_linear, interpolate_rotations
from refine.rows.shape import shape_of_person
from refine.rows.types import TrackRows, ViewRows

SCORE_MIN = 0.3
BODY = slice(5, 17)  # of COCO-17: a face is not where a body model has it
ALIGNED_JOINTS_MIN = 6  # triangulated joints that place a body
FRAMES_AT_ONCE = 512  # of one person; bounds memory
POSE_SIGMA_M = 0.06  # distance from the triangulated joints at which a view's body counts 1/e
MIRROR_MIN_M = 0.1  # root mean square distance of joints below which a view is not suspected
MIRROR_GAIN = 0.3  # of the squared distance that is left with left and right exchanged
MIRROR_FAR_M = 0.5  # distances count as no more than that
RIG_FROM_WORLD = WORLD_FROM_CAM[:3, :3].T


@dataclass(frozen=True, slots=True)
class Sightings(Shaped):
    """One person in all views, at the frames in which any of them sees them."""

    frame_index: Annotated[np.ndarray, "T"]  # int64, increasing
    time_s: Annotated[np.ndarray, "T"]  # float64
    rows: Annotated[np.ndarray, "T", "V"]  # int64, row of each view's observations; -1: not seen
    joints_m: Annotated[np.ndarray, "T", 17, 3]  # float64, triangulated, world; NaN where fewer than two views tell
    view_count: Annotated[np.ndarray, "T", 17]  # int64, rays that meet there
    is_mirrored: Annotated[np.ndarray, "T", "V"]  # bool, which views take left for right


def sightings_of(person: Person, views: Sequence[View], rate_hz: float) -> Sightings:
    """Return where the joints of a person are, frame by frame."""
    frames = person.frames(views)
    rows = np.stack([person.rows_of(k, frames, view.rows.frame_index) for k, view in enumerate(views)], axis=1)
    parts = [_joints(rows[first : first + FRAMES_AT_ONCE], views) for first in range(0, len(frames), FRAMES_AT_ONCE)]
    joints, counts, mirrored = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Sightings(frames, frames / rate_hz, rows, joints, counts, mirrored)


def _joints(rows: np.ndarray, views: Sequence[View]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the joints (T, 17, 3) of rows (T, V) of one person, how many rays meet there (T, 17), and which views were
    mirrored for that (T, V).
    """
    rays, weights = _told(rows, views, np.zeros(rows.shape, bool))
    cameras = [view.camera for view in views]
    joints, counts = _met(cameras, rays, weights)
    mirrored = _takes_left_for_right(cameras, joints, rays, weights)
    changed = np.flatnonzero(mirrored.any(axis=1))
    if len(changed):
        told = _told(rows[changed], views, mirrored[changed])
        joints[changed], counts[changed] = _met(cameras, *told)
    return joints, counts, mirrored


def _met(cameras: Sequence[Camera], rays: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where rays (T, 17, V, 2) meet (T, 17, 3), and how many do (T, 17)."""
    count = len(rays)
    points = triangulate(cameras, rays.reshape(count * 17, -1, 2), weights.reshape(count * 17, -1))
    return points.places_m.reshape(count, 17, 3), points.is_used.reshape(count, 17, -1).sum(axis=2)


def _takes_left_for_right(
    cameras: Sequence[Camera], joints: np.ndarray, rays: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return which views (T, V) would meet the joints (T, 17, 3) far better with left and right exchanged.

    Of two views neither can be told to be wrong, so three have to see somebody.
    """
    costs = []
    for order in (list(range(17)), list(MIRRORED_17)):
        seen, sure = rays[:, order][:, BODY], weights[:, order][:, BODY]
        beside = ray_distances(cameras, joints[:, BODY], seen)
        told = np.where(np.isfinite(beside), sure, 0.0)
        is_enough = (told > 0).sum(axis=1) >= ALIGNED_JOINTS_MIN
        near = np.minimum(np.nan_to_num(beside), MIRROR_FAR_M)
        mean = (near**2 * told).sum(axis=1) / np.maximum(told.sum(axis=1), 1e-9)
        costs.append(np.where(is_enough, mean, np.nan))
    is_crowd = ((weights > 0).any(axis=1).sum(axis=1) >= 3)[:, None]
    return is_crowd & (costs[0] > MIRROR_MIN_M**2) & (costs[1] < MIRROR_GAIN * costs[0])


def track_rows(
    seen: Sightings,
    views: Sequence[View],
    body: BodyModel,
    gap_max_s: float,
    number: int,
    folder: Path | None = None,
) -> tuple[TrackRows, np.ndarray]:
    """Return a person's track in rig axes for the fit, with every camera's keypoints; and its frames (T,).

    Args:
        gap_max_s: longer gaps stay open.
        number: of the person.
        folder: what each camera saw lies in a nameless file there; None: among the system's temporary files.

    Raises: as of `rows_on_disk`.
    """
    betas = _shape(seen, views)
    frames = range(0, len(seen.frame_index), FRAMES_AT_ONCE)
    parts = [_bodies(seen.take(slice(first, first + FRAMES_AT_ONCE)), views, body, betas) for first in frames]
    pose, places = (np.concatenate(part) for part in zip(*parts, strict=True))
    pelvis = pelvis_of(body, betas).astype(np.float32)
    origin = (_without_holes(seen.time_s, places) @ RIG_FROM_WORLD.T).astype(np.float32)
    filled = find_gaps(seen.frame_index, seen.time_s, gap_max_s)
    source, is_observed = filled.source_row, filled.is_observed
    cameras, sure = [], np.zeros((len(source), 24), np.float32)
    for place, view in enumerate(views):
        rows = np.where(is_observed, seen.rows[source, place], -1)
        cameras.append(_view_rows(view, rows, seen.is_mirrored[source, place], folder))
        sure = np.maximum(sure, smpl24_confidence(cameras[-1].keypoints))
    track = TrackRows(
        time_s=filled.time_s,
        pose=interpolate_rotations(seen.time_s, pose, filled.time_s),
        betas=betas,
        trans=interpolate_linear(seen.time_s, origin, filled.time_s) - pelvis,
        joint_confidence=sure,
        is_observed=is_observed,
        views=tuple(cameras),
        joints_m=np.where(is_observed[:, None, None], (seen.joints_m @ RIG_FROM_WORLD.T)[source], np.nan),
        number=number,
    )
    return track, filled.frame_index


def _view_rows(view: View, rows: np.ndarray, is_mirrored: np.ndarray, folder: Path | None) -> ViewRows:
    """Return what a camera saw of a person at its rows (T,); -1: nobody."""
    camera, count = view.camera, len(rows)
    parts = (slice(first, first + FRAMES_AT_ONCE) for first in range(0, count, FRAMES_AT_ONCE))
    told = (
        {
            "keypoints": _as_it_is(pinhole_keypoints(view, rows[part]), is_mirrored[part]),
            "hints": _hints(view, np.where(is_mirrored[part], -1, rows[part])),
        }
        for part in parts
    )
    kinds = {"keypoints": (np.dtype(np.float32), (17, 3)), "hints": (np.dtype(np.float32), view.rows.hints.shape[1:])}
    return ViewRows(
        **rows_on_disk(told, kinds, count, folder),
        focal_px=np.full(count, camera.focal_px, np.float32),
        principal_px=np.tile(camera.matrix[:2, 2], (count, 1)).astype(np.float32),
        rotation=camera.rotation @ RIG_FROM_WORLD.T,
        shift_m=camera.translation_m,
    )


def _as_it_is(points: np.ndarray, is_mirrored: np.ndarray) -> np.ndarray:
    """Return points (T, 17, ...) with left and right exchanged where a view took one for the other (T,)."""
    chosen = is_mirrored.reshape(-1, *[1] * (points.ndim - 1))
    return np.where(chosen, points[:, list(MIRRORED_17)], points)


def _hints(view: View, rows: np.ndarray) -> np.ndarray:
    """Return the 3D joints (T, 12, 4) that a view was told; zeros for row -1, nobody."""
    found = np.zeros((len(rows), *view.rows.hints.shape[1:]), np.float32)
    found[rows >= 0] = view.rows.hints[rows[rows >= 0]]
    return found


def _shape(seen: Sightings, views: Sequence[View]) -> np.ndarray:
    betas, sure = [], []
    for number, view in enumerate(views):
        rows = seen.rows[seen.rows[:, number] >= 0, number]
        betas.append(view.rows.betas[rows])
        sure.append(view.rows.joint_confidence[rows].mean(axis=1))
    return shape_of_person(np.concatenate(betas), np.concatenate(sure))


def _bodies(
    seen: Sightings, views: Sequence[View], body: BodyModel, betas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses (T, 24, 3) in rig axes, the mean of the views' bodies, and where their rays put the pelvis (T, 3) in
    the world; NaN where they do not tell.

    A view's body is turned as the triangulated joints are, where enough of them are known, and counts by how near its
    joints come to them.
    """
    count = len(seen.frame_index)
    turns = np.zeros((count, 24, 3, 3))
    joints = seen.joints_m @ RIG_FROM_WORLD.T
    known = np.isfinite(joints).all(axis=-1) & (np.arange(17) >= BODY.start)
    nowhere = -pelvis_of(body, betas)
    for number, view in enumerate(views):
        at = np.flatnonzero(seen.rows[:, number] >= 0)
        if not len(at):
            continue
        rows, camera = view.rows.take(seen.rows[at, number]), view.camera
        to_rig = RIG_FROM_WORLD @ camera.rotation.T
        own = Rotation.from_rotvec(rows.pose.reshape(-1, 3)).as_matrix().reshape(len(at), 24, 3, 3)
        own[:, 0] = to_rig @ own[:, 0]
        pose = Rotation.from_matrix(own.reshape(-1, 3, 3)).as_rotvec().reshape(len(at), 24, 3)
        points = joint_positions(body, pose, betas, np.tile(nowhere, (len(at), 1)), "coco17")
        weight = np.full(len(at), 1e-3)
        placed = np.flatnonzero(known[at].sum(axis=1) >= ALIGNED_JOINTS_MIN)
        chosen = known[at[placed]]
        source, target = points[placed], np.where(chosen[..., None], joints[at[placed]], 0.0)
        turn = find_similarity(source, target, chosen).rotation
        source = source @ turn.transpose(0, 2, 1)
        share = chosen / chosen.sum(axis=1, keepdims=True)
        shift = np.einsum("tk,tki->ti", share, target - source)
        left = (share * np.linalg.norm(source + shift[:, None] - target, axis=-1)).sum(axis=1)
        own[placed, 0] = turn @ own[placed, 0]
        weight[placed] += np.exp(-((left / POSE_SIGMA_M) ** 2))
        turns[at] += weight[:, None, None, None] * own
    mean = nearest_rotation(torch.from_numpy(turns)).numpy().reshape(-1, 3, 3)
    pose = Rotation.from_matrix(mean).as_rotvec().reshape(count, 24, 3).astype(np.float32)
    points = joint_positions(body, pose, betas, np.tile(nowhere, (count, 1)), "coco17") @ RIG_FROM_WORLD
    rays, weights = _told(seen.rows, views, seen.is_mirrored)
    places = place_bodies([view.camera for view in views], points[:, BODY], rays[:, BODY], weights[:, BODY])
    return pose, places


def _told(rows: np.ndarray, views: Sequence[View], is_mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rays (T, 17, V, 2) and weights (T, 17, V) of rows (T, V), left and right as they are."""
    told = [[_as_it_is(values, is_mirrored[:, k]) for values in view.at(rows[:, k])] for k, view in enumerate(views)]
    rays, weights = (np.stack(part, axis=2) for part in zip(*told, strict=True))
    return rays, np.where(weights >= SCORE_MIN, weights, 0.0)


def _without_holes(time_s: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return places (T, 3) with unknown ones between those before and after; zeros where none is known."""
    is_known = np.isfinite(places).all(axis=1)
    if not is_known.any():
        return np.zeros_like(places)
    return np.stack([np.interp(time_s, time_s[is_known], axis) for axis in places[is_known].T], axis=1)
