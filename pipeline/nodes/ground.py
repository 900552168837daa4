"""The ground of a clip of one camera: found before refinement from everybody, then everybody is placed on it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from configs.schema import RecoverSettings, RefineSettings
from configs.skeletons import COCO17, SMPL24
from dpmesh.geometry.camera import ray_rotation
from dpmesh.geometry.fit import fit_translation
from pipeline.motion.posing import Body, joint_positions, pelvis_of
from pipeline.motion.scene import FocalSource, Scene, level_scene
from pipeline.motion.world import in_scene_axes
from pipeline.types import MotionTrack
from refine.rows.smooth import smooth_values
from refine.scene.camera import FOCAL, HEIGHT, ROLL, TILT, CameraFit, Size, fit_camera
from refine.scene.placement import place
from refine.scene.standing import Standing, find_standing
from refine.scene.upright import LEAN_GUESS, lean_away, scaled_shape, turned
from trackers.camera_motion import CameraTurns, Verdict

log = logging.getLogger(__name__)

FOCAL_ERROR_OF_GIVEN = 0.02  # of the logarithm
FOCAL_ERROR_OF_PEOPLE = 0.2  # one that is as sure or surer is told by people, else also by what is usual
TILT_ERROR_MAX_RAD, HEIGHT_ERROR_MAX, MISFIT_MAX = np.radians(8.0), 0.4, 3.0  # of a camera that counts as measured
OTHER_CAMERA = 3.0  # standard errors by which two shots differ that are of two cameras
AHEAD_MIN = 0.4  # cosine of the angle, about, beyond which somebody is not before the camera's mean direction
FOCAL_CHANGE_MAX, ROUNDS = 0.02, 6  # by which a focal length changes at least for turns to be worked out anew
FARTHER_HZ = 1.0  # how fast the distance of a body follows that stands up
OFF = "refine.ground is off"
MOVES: dict[str, str] = {
    verdict: f"the camera {verdict}: places, paths and speeds in its axes mean nothing"
    for verdict in ("pans", "travels")
}
NOBODY = "nobody is there"
NOT_STANDING = "too few frames show somebody who stands or walks, with ankles and shoulders in sight"
NOT_FITTING = "people are not seen as if they stood on one level; does the camera look straight down?"
OTHER_SHOTS = "shots are seen by cameras that stand otherwise; run each shot alone (--start, --end)"
NOT_SURE = "the people who stand are too few or too much alike to tell how the camera stands"
HEAD, ANKLES = SMPL24.index("head"), [SMPL24.index("left_ankle"), SMPL24.index("right_ankle")]
ANKLES_17 = [COCO17.index("left_ankle"), COCO17.index("right_ankle")]


@dataclass(frozen=True, slots=True)
class Grounding:
    """The scene, and what it says of every person."""

    scene: Scene
    camera: CameraFit | None = None  # None: the ground is not measured
    turns: CameraTurns | None = None  # None: the camera does not turn, or cannot be followed
    focal_scale: float = 1.0  # of the focal length with which people were recovered
    sizes: Mapping[int, Size] = field(default_factory=dict)  # by track


def find_grounding(
    tracks: Iterable[MotionTrack],
    body: Body,
    settings: RefineSettings,
    focal_source: FocalSource,
    camera_motion: Verdict = "unknown",
    cut_frames: Sequence[int] = (),
    turns: CameraTurns | None = None,
) -> Grounding:
    """Return the ground that everybody in a clip stands on, as far as it can be known.

    Several shots have one scene if what each alone shows of the camera is the same; else the ground is not measured.

    Args:
        tracks: as recovered, each with one shape; read once.
        focal_source: where the focal length of the tracks comes from; one that is given stays.
        camera_motion: a scene is fixed only if the camera is.
        cut_frames: ascending, at which new shots begin.
        turns: of a camera that pans, over one shot; with them, the scene is as fixed as that of a still one.
    """
    turns = None if len(cut_frames) else turns
    motion: Verdict = "still" if turns is not None else camera_motion
    people = tracks if turns is None else list(tracks)
    found = _find(people, body, settings, focal_source, motion, np.asarray(cut_frames, np.int64), turns)
    focal_scale = 1.0
    for _ in range(ROUNDS if turns is not None else 0):  # the focal length says how far the camera turned
        if found.camera is None or abs(found.focal_scale / focal_scale - 1.0) < FOCAL_CHANGE_MAX:
            break
        focal_scale = found.focal_scale
        found = _find(people, body, settings, focal_source, motion, np.zeros(0, np.int64), turns, focal_scale)
    is_still = None if camera_motion == "unknown" else camera_motion == "still"
    is_followed = turns is not None
    scene = replace(found.scene, camera_motion=camera_motion, is_camera_still=is_still, is_turn_followed=is_followed)
    return replace(found, scene=scene, turns=turns)


def _find(
    tracks: Iterable[MotionTrack],
    body: Body,
    settings: RefineSettings,
    focal_source: FocalSource,
    camera_motion: Verdict,
    cut_frames: np.ndarray,
    turns: CameraTurns | None = None,
    focal_scale: float = 1.0,
) -> Grounding:
    people: dict[tuple[int, int], Standing] = {}  # by track and shot
    focal_px, diagonal_px = None, 0.0
    for track in tracks:
        if focal_px is None:
            focal_px, diagonal_px = float(track.focal_px[0]), 2.0 * float(np.linalg.norm(track.principal_px[0]))
        if settings.ground == "off" or camera_motion in MOVES:
            break
        keypoints, seen = track.keypoints, track.is_observed
        if turns is not None:
            turn = _turn_of(track, turns, focal_scale)
            keypoints, is_ahead = _turned_keypoints(track, turn, focal_scale)
            track = in_scene_axes(replace(track, scene_turn=turn), pelvis_of(body, track.betas))
            seen = seen & is_ahead
        joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
        relative = track.focal_px / focal_px  # below 1 in an image of another size
        if np.ptp(relative) < 1e-6:
            shots = np.searchsorted(cut_frames, track.frame_index, side="right")
            for shot in np.unique(shots).tolist():
                people[track.track_id, shot] = find_standing(
                    track.time_s, keypoints, track.principal_px, joints, seen & (shots == shot)
                )
    if settings.ground == "off" or camera_motion in MOVES or focal_px is None:
        reason = OFF if settings.ground == "off" else MOVES.get(camera_motion, NOBODY)
        return Grounding(level_scene(focal_px, focal_source, reason))
    is_given = focal_source == "given"
    given = (focal_px, FOCAL_ERROR_OF_GIVEN) if is_given else (None, 0.0)
    rows_of = list(people.values())
    found = fit_camera(rows_of, diagonal_px, *given)
    source: FocalSource = focal_source
    if found is not None and not is_given:
        source = "people" if found.sigma(FOCAL) <= FOCAL_ERROR_OF_PEOPLE else "weighed"
    reason = NOT_STANDING if found is None else _doubt(found)
    shots_seen = {shot for _, shot in people}
    if len(shots_seen) > 1 and reason in ("", NOT_FITTING):
        alone = [[rows for (_, shot), rows in people.items() if shot == each] for each in shots_seen]
        fits = [fit for rows in alone if (fit := fit_camera(rows, diagonal_px, *given)) is not None]
        reason = OTHER_SHOTS if any(_is_other(fit, fits[0]) for fit in fits[1:]) else reason
    if found is None or reason:
        return Grounding(level_scene(focal_px, focal_source, reason))
    ids = [track_id for track_id, _ in people]
    longest = {ids[number]: number for number in sorted(found.sizes, key=lambda each: len(rows_of[each].time_s))}
    return Grounding(
        scene=_scene_of(found, source),
        camera=found,
        focal_scale=found.focal_px / focal_px,
        sizes={track_id: found.sizes[number] for track_id, number in longest.items()},
    )


def _is_other(camera: CameraFit, first: CameraFit) -> bool:
    """Return whether two shots are seen by cameras that stand otherwise, beyond the errors of both."""
    off = np.array([
        camera.tilt_rad - first.tilt_rad, camera.roll_rad - first.roll_rad,
        np.log(camera.focal_px / first.focal_px), np.log(camera.height_m / first.height_m),
    ])  # fmt: skip
    errors = np.sqrt(np.diag(camera.covariance) + np.diag(first.covariance))
    return bool((np.abs(off) > OTHER_CAMERA * errors).any())


def stand_up(track: MotionTrack, ground: Grounding, body: Body, recover: RecoverSettings) -> MotionTrack:
    """Return a recovered track as the scene shows it: upright, of its size, seen with the scene's focal length."""
    if ground.turns is not None:
        track = replace(track, scene_turn=_turn_of(track, ground.turns, ground.focal_scale))
    if ground.camera is None:
        return track
    if ground.focal_scale != 1.0:
        track = _refocused(track, ground.focal_scale)
    size = ground.sizes.get(track.track_id, Size.unknown())
    betas = scaled_shape(track.betas, size.log, lambda shapes: _statures(body, shapes))
    track = _upright(replace(track, betas=betas), ground.camera.up, body, LEAN_GUESS)
    return replace(track, trans=_fitted_translations(track, body, recover))


def place_on_ground(track: MotionTrack, ground: Grounding, body: Body, recover: RecoverSettings) -> MotionTrack:
    """Return a refined track at the distance that size, feet and time say, with the covariance of its place.

    The motion prior was trained on people who lean as they are recovered, and pulls back to that: they stand up again.
    """
    if ground.camera is None:
        return track
    track = _upright(track, ground.camera.up, body, 0.0)
    farther = _fitted_translations(track, body, recover) - track.trans
    track = replace(track, trans=track.trans + smooth_values(track.time_s, farther, FARTHER_HZ).astype(np.float32))
    turned_track = in_scene_axes(track, pelvis_of(body, track.betas))
    joints = joint_positions(body, turned_track.pose, track.betas, turned_track.trans, "smpl24")
    placed = place(
        joints,
        track.time_s,
        track.is_observed,
        track.keypoints[:, ANKLES_17, 2],
        ground.camera,
        ground.sizes.get(track.track_id, Size.unknown()),
    )
    return replace(
        track,
        trans=track.trans + _in_camera_axes(placed.shift_m, track),
        ground_cov_m2=placed.ground_cov_m2,
        ground_systematic_m=placed.ground_systematic_m,
    )


def _turn_of(track: MotionTrack, turns: CameraTurns, focal_scale: float) -> np.ndarray:
    """Return rotation vectors (T, 3) to the scene's axes, at a focal length that is so many times the track's."""
    diagonal_px = 2.0 * float(np.linalg.norm(track.principal_px[0]))
    turn = turns.scene_from_cam(track.time_s, focal_scale * float(track.focal_px[0]) / diagonal_px)
    return turn.astype(np.float32)


def _turned_keypoints(track: MotionTrack, turn: np.ndarray, focal_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (T, 17, 3) as a camera in the scene's axes would see them, and who is well before it (T,).

    Args:
        turn: (T, 3) to the scene's axes.
    """
    focal, middle = (track.focal_px * focal_scale)[:, None, None], track.principal_px[:, None]
    slopes = (track.keypoints[..., :2] - middle) / focal
    rays = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
    rays = rays @ Rotation.from_rotvec(turn).as_matrix().transpose(0, 2, 1)
    pixels = focal * rays[..., :2] / np.maximum(rays[..., 2:], AHEAD_MIN) + middle
    found = np.concatenate([pixels, track.keypoints[..., 2:]], axis=-1)
    return found.astype(np.float32), np.asarray((rays[..., 2] > AHEAD_MIN).all(axis=1))


def _in_camera_axes(shift_m: np.ndarray, track: MotionTrack) -> np.ndarray:
    if track.scene_turn is None:
        return shift_m
    return Rotation.from_rotvec(track.scene_turn).inv().apply(shift_m).astype(np.float32)


def _upright(track: MotionTrack, up: np.ndarray, body: Body, guess: float) -> MotionTrack:
    pelvis = pelvis_of(body, track.betas)
    return in_scene_axes(_upright_in_scene(in_scene_axes(track, pelvis), up, body, guess), pelvis, is_back=True)


def _upright_in_scene(track: MotionTrack, up: np.ndarray, body: Body, guess: float) -> MotionTrack:
    joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
    pose = track.pose.copy()
    pose[:, 0] = turned(pose[:, 0], lean_away(joints, track.time_s, track.is_observed, up, guess))
    return replace(track, pose=pose)


def _fitted_translations(track: MotionTrack, body: Body, recover: RecoverSettings) -> np.ndarray:
    joints = joint_positions(body, track.pose, track.betas, np.zeros_like(track.trans), "coco17")
    confidence = track.keypoints[..., 2]
    weights = np.where(confidence >= recover.keypoint_score_min, confidence, 0.0)
    return fit_translation(joints, track.keypoints[..., :2], weights, track.focal_px, track.principal_px, track.trans)


def _doubt(camera: CameraFit) -> str:
    """Return why a camera does not count as measured; empty: it does."""
    if camera.misfit > MISFIT_MAX:
        return NOT_FITTING
    is_sure = camera.sigma(TILT) <= TILT_ERROR_MAX_RAD and camera.sigma(HEIGHT) <= HEIGHT_ERROR_MAX
    return "" if is_sure else NOT_SURE


def _scene_of(camera: CameraFit, source: FocalSource) -> Scene:
    return Scene(
        world_from_cam=camera.world_from_cam,
        focal_px=camera.focal_px,
        focal_source=source,
        focal_sigma_px=camera.focal_px * camera.sigma(FOCAL),
        is_ground_measured=True,
        camera_height_m=camera.height_m,
        camera_height_sigma_m=camera.height_m * camera.sigma(HEIGHT),
        tilt_deg=float(np.degrees(camera.tilt_rad)),
        tilt_sigma_deg=float(np.degrees(camera.sigma(TILT))),
        roll_deg=float(np.degrees(camera.roll_rad)),
        roll_sigma_deg=float(np.degrees(camera.sigma(ROLL))),
    )


def _refocused(track: MotionTrack, scale: float) -> MotionTrack:
    """Return a track as it would have been recovered with another focal length: crops are seen along other rays."""
    middle = torch.from_numpy(track.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1))
    principal = torch.from_numpy(track.principal_px)
    old, new = (
        ray_rotation(middle, torch.from_numpy(focal), principal).numpy()
        for focal in (track.focal_px, track.focal_px * np.float32(scale))
    )
    pose, trans = track.pose.copy(), track.trans.copy()
    pose[:, 0] = turned(pose[:, 0], Rotation.from_matrix(new @ old.transpose(0, 2, 1)).as_rotvec())
    trans[:, 2] *= scale
    return replace(track, pose=pose, trans=trans, focal_px=track.focal_px * np.float32(scale))


def _statures(body: Body, shapes: np.ndarray) -> np.ndarray:
    count = len(shapes)
    joints = joint_positions(body, np.zeros((count, 24, 3), np.float32), shapes, np.zeros((count, 3), np.float32))
    return np.asarray(joints[:, HEAD, 1] - joints[:, ANKLES, 1].mean(axis=1))
