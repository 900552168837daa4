"""Batches the NumPy rows of many tracks into the tensors of one energy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from configs.schema import RefineSettings
from dpmesh.geometry.rotations import axis_angle_to_matrix
from refine.fit.energy import KEYPOINT_SETS, Evidence, ViewEvidence
from refine.rows.bones import BoneDirections, bone_directions
from refine.rows.types import TrackFit, TrackRows, ViewRows

CONFIDENCE_FLOOR = 0.1  # weight of a recovered rotation whose joint was not detected
DISTANCE_MIN_M = 0.5
SIGMA_MIN_RAD = 0.2  # the prior is overconfident on people unlike its training data
LIMBS = {f"{side}_{part}" for side in ("left", "right")
         for part in ("shoulder", "elbow", "wrist", "outer_hip", "knee", "ankle")}  # fmt: skip
HELD_OUT_S = 0.4  # longer than the correlation time of detection errors
HELD_OUT_JOINTS = 2
HELD_OUT_SEED = 0
Keypoints = Literal["all", "guiding", "held out"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one track that are solved together; `start` initialises the solver and anchors the translation."""

    track: TrackRows
    start: TrackFit
    rows: np.ndarray  # (T,) int64
    is_sequence: bool = True  # False: the rows are not consecutive


def gather(
    pieces: Sequence[Piece], settings: RefineSettings, device: torch.device, keypoints: Keypoints = "all"
) -> Evidence:
    """Return the evidence of all pieces, concatenated; every piece has its own row of betas."""
    persons = np.repeat(np.arange(len(pieces)), [len(piece.rows) for piece in pieces])
    is_cut = np.concatenate([np.full(len(piece.rows), not piece.is_sequence) for piece in pieces])
    windows = np.cumsum(is_cut | np.r_[True, persons[1:] != persons[:-1]]) - 1
    time = [piece.track.time_s[piece.rows] - piece.track.time_s[piece.rows[0]] for piece in pieces]
    trans = _stack([piece.start.trans[piece.rows] for piece in pieces], device)
    distance = np.concatenate([distances(piece.track.views[0], piece.start, piece.rows) for piece in pieces])
    trans_weights = 1.0 / (settings.translation_sigma * distance) ** 2
    counts = {len(piece.track.views) for piece in pieces}
    if len(counts) > 1:
        raise ValueError(f"views: tracks that are solved together need the same number of cameras, got {counts}")
    recovered = [_recovered(piece, settings) for piece in pieces]
    return Evidence(
        window=torch.from_numpy(windows).to(device),
        person=torch.from_numpy(persons).to(device),
        time_s=_stack(time, device),
        pose=axis_angle_to_matrix(_stack([pose for pose, _ in recovered], device)),
        pose_weights=_stack([weights for _, weights in recovered], device),
        trans=trans,
        trans_weights=_stack([trans_weights], device),
        betas=_stack([piece.start.betas[None] for piece in pieces], device),
        views=tuple(_view(pieces, view, settings, device, keypoints) for view in range(counts.pop())),
    )


def held_out(time_s: np.ndarray, keypoint_count: int, view: int, views: int = 1) -> np.ndarray:
    """Return which keypoints (T, K) bool are hidden from the solver for the acceptance test.

    In every interval of `HELD_OUT_S` two limb joints are held out; with several cameras every limb joint, in one of
    them, so that the others have to tell where this one sees it. The choice depends on time alone, so overlapping
    windows hold out the same ones. Points of the face and feet are never held out: they are too close to each other.

    Args:
        view: number of the camera, of `views`.
    """
    names = KEYPOINT_SETS[keypoint_count]
    limbs = np.array([k for k, name in enumerate(names) if name in LIMBS])
    stretch = stretches(time_s)
    found = np.zeros((len(time_s), keypoint_count), bool)
    if views > 1:
        for number in np.unique(stretch):
            camera = np.random.default_rng([HELD_OUT_SEED, int(number) % 2**32]).permutation(len(limbs)) % views
            found[np.ix_(stretch == number, limbs[camera == view])] = True
        return found
    per_turn = len(limbs) // HELD_OUT_JOINTS
    for number in np.unique(stretch):
        turn, group = divmod(int(number), per_turn)
        order = np.random.default_rng([HELD_OUT_SEED, view, turn % 2**32]).permutation(limbs)
        chosen = order[group * HELD_OUT_JOINTS : (group + 1) * HELD_OUT_JOINTS]
        found[np.ix_(stretch == number, chosen)] = True
    return found


def stretches(time_s: np.ndarray) -> np.ndarray:
    """Return the index (T,) int64 of the `HELD_OUT_S` interval that each time (T,) falls into."""
    return np.floor(time_s / HELD_OUT_S).astype(np.int64)


def distances(view: ViewRows, start: TrackFit, rows: np.ndarray) -> np.ndarray:
    """Return the depth (T,) of the bodies in a camera, in metres."""
    trans = start.trans[rows]
    if view.rotation is not None:
        trans = trans @ view.rotation.T
    depth = trans[:, 2] + (0.0 if view.shift_m is None else view.shift_m[2])
    return np.maximum(depth, DISTANCE_MIN_M)


def keypoint_weights(
    track: TrackRows, view: ViewRows, settings: RefineSettings, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Return the weight (T, K) of each keypoint: 0 in interpolated rows.

    It grows with the third power of the confidence. Of the keypoints of a weak network
    (`reader` in `dpmesh.training.noise.simulated`), those sure to 0.95, 0.8, 0.6 and 0.4 are off by 3, 6, 11 and 21 cm
    (medians, rendered clips).
    """
    confidence = view.keypoints[rows, :, 2]
    is_used = (confidence >= settings.keypoint_score_min) & track.is_observed[rows, None]
    return np.where(is_used, confidence**3, 0.0)


def _recovered(piece: Piece, settings: RefineSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the pose (T, 24, 3) that pulls each row, and its weights (T, 24)."""
    track, rows = piece.track, piece.rows
    if track.pose_sigma_rad is not None:
        sigma = np.maximum(track.pose_sigma_rad[rows], SIGMA_MIN_RAD)
        return track.pose[rows], settings.prior_weight / sigma**2
    confidence = CONFIDENCE_FLOOR + (1.0 - CONFIDENCE_FLOOR) * np.clip(track.joint_confidence[rows], 0.0, 1.0)
    is_filled = ~track.is_observed[rows][:, None]
    weights = np.where(is_filled, 1.0 / settings.gap_sigma_rad**2, confidence / settings.pose_sigma_rad**2)
    return np.where(is_filled[..., None], piece.start.pose[rows], track.pose[rows]), weights


def _view(
    pieces: Sequence[Piece], index: int, settings: RefineSettings, device: torch.device, keypoints: Keypoints
) -> ViewEvidence:
    views = [piece.track.views[index] for piece in pieces]
    cut = [piece.rows for piece in pieces]
    focal = np.concatenate([view.focal_px[rows] for view, rows in zip(views, cut, strict=True)])
    far = np.concatenate([distances(view, piece.start, piece.rows) for view, piece in zip(views, pieces, strict=True)])
    weights = [keypoint_weights(p.track, view, settings, p.rows) for p, view in zip(pieces, views, strict=True)]
    if keypoints != "all":
        held = [
            held_out(p.track.time_s[p.rows], weight.shape[1], index, len(p.track.views))
            for p, weight in zip(pieces, weights, strict=True)
        ]
        is_wanted = [out == (keypoints == "held out") for out in held]
        weights = [np.where(wanted, weight, 0.0) for weight, wanted in zip(weights, is_wanted, strict=True)]
    has_turn = any(view.rotation is not None for view in views)
    has_shift = any(view.shift_m is not None for view in views)
    has_bones = settings.bone_sigma_rad is not None and any(view.hints is not None for view in views)
    bones = [_bones(view, rows) for view, rows in zip(views, cut, strict=True)] if has_bones else []
    turn = [np.eye(3) if view.rotation is None else view.rotation for view in views]
    shift = [np.zeros(3) if view.shift_m is None else view.shift_m for view in views]
    return ViewEvidence(
        keypoints_px=_stack([view.keypoints[rows, :, :2] for view, rows in zip(views, cut, strict=True)], device),
        weights=_stack(weights, device),
        focal_px=_stack([focal], device),
        principal_px=_stack([view.principal_px[rows] for view, rows in zip(views, cut, strict=True)], device),
        metres_per_px=_stack([far / focal], device),
        rotation=_per_row(turn, cut, device) if has_turn else None,
        shift_m=_per_row(shift, cut, device) if has_shift else None,
        bones=_stack([found.directions for found in bones], device) if has_bones else None,
        bone_weights=_stack([found.weights for found in bones], device) if has_bones else None,
    )


def _bones(view: ViewRows, rows: np.ndarray) -> BoneDirections:
    if view.hints is None:
        return BoneDirections(np.zeros((len(rows), 12, 3), np.float32), np.zeros((len(rows), 12), np.float32))
    return bone_directions(view.hints[rows], view.keypoints[rows], view.focal_px[rows], view.principal_px[rows])


def _per_row(values: list[np.ndarray], cut: list[np.ndarray], device: torch.device) -> Tensor:
    return _stack([np.repeat(value[None], len(rows), axis=0) for value, rows in zip(values, cut, strict=True)], device)


def _stack(parts: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.float32)).to(device)
