"""Refinement: the rows of one person become one motion with one shape and without short gaps."""

import numpy as np

from configs.schema import LinkSettings, RecoverSettings
from dpmesh.geometry.fit import fit_translation
from pipeline.motion.posing import Body, joint_positions
from pipeline.types import MotionTrack, Observations
from refine.gaps import find_gaps, interpolate_linear, interpolate_rotations
from refine.shape import shape_of_person


def refine_person(rows: Observations, body: Body, link: LinkSettings, recover: RecoverSettings) -> MotionTrack:
    """Return the motion of one person.

    The translation is solved again for the person's one shape, so that a taller body stands farther away in place of
    looking larger.

    Args:
        rows: one person, in order of time, at least one row.
    """
    confidence = rows.joint_confidence.mean(axis=1)
    betas = shape_of_person(rows.betas, confidence)
    trans = place_body(rows, betas, body, recover) if recover.is_camera_fitted else rows.trans
    filled = find_gaps(rows.frame_index, rows.time_s, link.gap_max_s)
    # The pelvis moves on a straight line through a gap; the SMPL translation would swing with the root's turn.
    pelvis = joint_positions(body, np.zeros((1, 24, 3)), betas, np.zeros((1, 3)))[0, 0]
    is_observed = filled.is_observed
    boxes = interpolate_linear(rows.time_s, rows.boxes_xyxy, filled.time_s)
    keypoints = rows.keypoints[filled.source_row].copy()
    joint_confidence = rows.joint_confidence[filled.source_row].copy()
    keypoints[~is_observed, :, 2] = 0.0
    joint_confidence[~is_observed] = 0.0
    return MotionTrack(
        track_id=int(rows.track_id[0]),
        frame_index=filled.frame_index,
        time_s=filled.time_s,
        pose=interpolate_rotations(rows.time_s, rows.pose, filled.time_s),
        betas=betas,
        trans=interpolate_linear(rows.time_s, trans + pelvis, filled.time_s) - pelvis.astype(np.float32),
        joint_confidence=joint_confidence,
        is_observed=is_observed,
        boxes_xyxy=boxes,
        keypoints=keypoints,
        focal_px=rows.focal_px[filled.source_row],
        principal_px=rows.principal_px[filled.source_row],
    )


def place_body(rows: Observations, betas: np.ndarray, body: Body, recover: RecoverSettings) -> np.ndarray:
    """Return the translation (T, 3) at which the body with these betas (10,) meets the keypoints."""
    joints = joint_positions(body, rows.pose, betas, np.zeros((len(rows.pose), 3)), "coco17")
    confidence = rows.keypoints[..., 2]
    weights = np.where(confidence >= recover.keypoint_score_min, confidence, 0.0)
    return fit_translation(joints, rows.keypoints[..., :2], weights, rows.focal_px, rows.principal_px, rows.trans)
