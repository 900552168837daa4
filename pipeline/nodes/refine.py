"""Refinement: assembles one track per person, with one shape and filled gaps, and refines its motion."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from configs.errors import SettingsError
from configs.schema import RecoverSettings, RefineSettings
from dpmesh.body import JOINT_SETS
from dpmesh.geometry.fit import fit_translation
from pipeline.motion.posing import Body, joint_positions, pelvis_of
from pipeline.types import MotionTrack, Observations
from refine.prior.calibration import scale_per_joint
from refine.rows.gaps import find_gaps, interpolate_linear, interpolate_rotations
from refine.rows.shape import shape_of_person
from refine.rows.smooth import smooth_track
from refine.rows.types import TrackFit, TrackRows, ViewRows

if TYPE_CHECKING:
    from dpmesh.body import BodyModel
    from refine.prior.network import MotionPrior

log = logging.getLogger(__name__)

Item = TypeVar("Item")
ROWS_AT_ONCE = 16_384  # rows of all people held in memory
FITTED_AT_ONCE = 2048  # rows of one person


def assemble_track(rows: Observations, body: Body, gap_max_s: float, recover: RecoverSettings) -> MotionTrack:
    """Return the track of one person, with a single shape and gaps filled.

    The translation is fitted again for this shape, so that a taller body stands farther away instead of looking larger.

    Args:
        rows: one person, in order of time, at least one row.
        gap_max_s: longer gaps stay open.
    """
    confidence = rows.joint_confidence.mean(axis=1)
    betas = shape_of_person(rows.betas, confidence)
    trans = fit_translations(rows, betas, body, recover) if recover.is_camera_fitted else rows.trans
    filled = find_gaps(rows.frame_index, rows.time_s, gap_max_s)
    # Interpolate the pelvis: the SMPL translation would swing with the rotation of the root.
    pelvis = pelvis_of(body, betas).astype(np.float32)
    is_observed = filled.is_observed
    boxes = interpolate_linear(rows.time_s, rows.boxes_xyxy, filled.time_s)
    keypoints = rows.keypoints[filled.source_row].copy()
    joint_confidence = rows.joint_confidence[filled.source_row].copy()
    feet, hints = rows.feet[filled.source_row].copy(), rows.hints[filled.source_row].copy()
    keypoints[~is_observed, :, 2] = 0.0
    feet[~is_observed, :, 2] = 0.0
    hints[~is_observed, :, 3] = 0.0
    joint_confidence[~is_observed] = 0.0
    return MotionTrack(
        track_id=int(rows.track_id[0]),
        frame_index=filled.frame_index,
        time_s=filled.time_s,
        pose=interpolate_rotations(rows.time_s, rows.pose, filled.time_s),
        betas=betas,
        trans=interpolate_linear(rows.time_s, trans + pelvis, filled.time_s) - pelvis,
        joint_confidence=joint_confidence,
        is_observed=is_observed,
        is_refined=np.zeros_like(is_observed),
        boxes_xyxy=boxes,
        keypoints=keypoints,
        focal_px=rows.focal_px[filled.source_row],
        principal_px=rows.principal_px[filled.source_row],
        feet=feet,
        hints=hints,
    )


def refine_people(
    tracks: Iterable[MotionTrack],
    body: "BodyModel",
    settings: RefineSettings,
    device: str,
    prior: "MotionPrior | None" = None,
    threads: int = 1,
) -> Iterator[MotionTrack]:
    """Yield the refined tracks in order.

    Few are held in memory at a time, unless scene constraints couple the people.

    Args:
        threads: that solve in parallel; the result does not depend on it.
    """
    groups = in_groups(tracks, lambda track: len(track.time_s))
    refined = (track for group in groups for track in refine_group(group, body, settings, device, prior, threads))
    if settings.has_scene_constraints:
        return iter(refine_scene(list(refined), body, settings))
    return refined


def refine_scene(
    tracks: Sequence[MotionTrack], body: "BodyModel", settings: RefineSettings, *, is_measured: bool = False
) -> list[MotionTrack]:
    """Return tracks with translations that satisfy the scene constraints; poses are unchanged.

    Args:
        is_measured: whether several cameras tell where people are; tracks are then in rig axes.
    """
    from refine.scene.settle import SceneRows, settle

    people = [
        SceneRows(
            track.frame_index,
            track.time_s,
            joint_positions(body, track.pose, track.betas, track.trans, "smpl24"),
            track.is_observed,
        )
        for track in tracks
    ]
    settled = settle(people, settings, is_measured=is_measured)
    if settings.is_ground_on and settled.ground is None:
        log.warning("refine.is_ground_on: too few frames with resting feet to find the ground; nobody was moved")
    return [replace(track, trans=track.trans + shift) for track, shift in zip(tracks, settled.shifts_m, strict=True)]


def refine_group(
    tracks: Sequence[MotionTrack],
    body: "BodyModel",
    settings: RefineSettings,
    device: str,
    prior: "MotionPrior | None" = None,
    threads: int = 1,
) -> list[MotionTrack]:
    """Return the refined tracks; their observations are unchanged."""
    if settings.mode == "off" or not tracks:
        return list(tracks)
    has_feet = settings.mode in ("fit", "guided") and any(track.feet[..., 2].any() for track in tracks)
    rows = [_rows_of(track, has_feet) for track in tracks]
    fits = refine_rows(rows, body, settings, device, prior, threads)
    return [
        replace(
            track,
            pose=fit.pose,
            betas=fit.betas,
            trans=fit.trans,
            is_refined=fit.is_refined,
            joint_sigma_rad=_calibrated(fit.joint_sigma_rad, settings, prior),
        )
        for track, fit in zip(tracks, fits, strict=True)
    ]


def refine_rows(
    rows: Sequence[TrackRows],
    body: "BodyModel",
    settings: RefineSettings,
    device: str,
    prior: "MotionPrior | None" = None,
    threads: int = 1,
) -> list[TrackFit]:
    """Return the motions of tracks of one camera or several, refined as `refine.mode` says; it is not "off"."""
    if settings.mode == "smooth":
        return [smooth_track(each, pelvis_of(body, each.betas), settings.smooth_cutoff_hz) for each in rows]
    if settings.mode == "published":
        from refine.scorehmr.track import refine_published_track

        return [refine_published_track(each, body, _needed(prior, settings), device) for each in rows]
    if settings.mode == "guided":
        from refine.guided.tracks import refine_guided_tracks

        return refine_guided_tracks(rows, body, settings, _needed(prior, settings), device=device, threads=threads)
    from refine.fit.solver import refine_tracks

    return refine_tracks(rows, body, settings, prior=prior, device=device, threads=threads)


def _needed(prior: "MotionPrior | None", settings: RefineSettings) -> "MotionPrior":
    if prior is None:
        raise SettingsError(
            f"refine.mode {settings.mode}: needs a score model; leave refine.prior as it is, or name one"
        )
    return prior


def _calibrated(
    sigma_rad: np.ndarray | None, settings: RefineSettings, prior: "MotionPrior | None"
) -> np.ndarray | None:
    """Return deviations (T, 24) that hold what they say; None where no scale was ever fitted for this mode."""
    if sigma_rad is None or prior is None or settings.mode not in prior.sigma_scales:
        return None
    scales = scale_per_joint(prior.sigma_scales[settings.mode])
    return np.asarray(sigma_rad * scales, np.float32)


def _rows_of(track: MotionTrack, has_feet: bool) -> TrackRows:
    keypoints = _with_feet(track.keypoints, track.feet) if has_feet else track.keypoints
    return TrackRows(
        time_s=track.time_s,
        pose=track.pose,
        betas=track.betas,
        trans=track.trans,
        joint_confidence=track.joint_confidence,
        is_observed=track.is_observed,
        number=track.track_id,
        views=(ViewRows(keypoints, track.focal_px, track.principal_px, hints=track.hints),),
    )


def _with_feet(keypoints: np.ndarray, feet: np.ndarray) -> np.ndarray:
    """Return (T, 25, 3) points in OpenPose's order of COCO's 17 and six foot points.

    Neck and mid-hip stay undetected: they only repeat shoulders and hips.
    """
    found = np.zeros((len(keypoints), len(JOINT_SETS["openpose25"]), 3), keypoints.dtype)
    found[:, [JOINT_SETS["openpose25"].index(name) for name in JOINT_SETS["coco17"]]] = keypoints
    found[:, -feet.shape[1] :] = feet  # OpenPose's last six, in the same order
    return found


def in_groups(tracks: Iterable[Item], rows_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield tracks in groups of at most `ROWS_AT_ONCE` rows, unless one alone has more."""
    group: list[Item] = []
    rows = 0
    for track in tracks:
        if group and rows + rows_of(track) > ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(track)
        rows += rows_of(track)
    if group:
        yield group


def fit_translations(rows: Observations, betas: np.ndarray, body: Body, recover: RecoverSettings) -> np.ndarray:
    """Return the translations (T, 3) that fit a body with these betas (10,) to the keypoints."""
    parts = [np.zeros((0, 3), np.float32)]
    for first in range(0, len(rows.pose), FITTED_AT_ONCE):
        part = slice(first, first + FITTED_AT_ONCE)
        pose, keypoints = rows.pose[part], rows.keypoints[part]
        joints = joint_positions(body, pose, betas, np.zeros((len(pose), 3)), "coco17")
        confidence = keypoints[..., 2]
        weights = np.where(confidence >= recover.keypoint_score_min, confidence, 0.0)
        camera = rows.focal_px[part], rows.principal_px[part]
        parts.append(fit_translation(joints, keypoints[..., :2], weights, *camera, rows.trans[part]))
    return np.concatenate(parts)
