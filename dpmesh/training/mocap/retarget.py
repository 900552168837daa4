"""From a rig's rotations to SMPL poses and a scaled trajectory."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from configs.checks import Shaped
from dpmesh.training.mocap.anatomy import mend_ankle, settle_elbows, straighten_knees
from dpmesh.training.mocap.rigs import SIDES, Drive, Rig
from dpmesh.training.mocap.skeleton import (
    JOINT_COUNT,
    JOINT_INDEX,
    JOINT_NAMES,
    PARENTS,
    global_from_local,
    joint_positions,
    local_from_global,
)
from dpmesh.training.mocap.source import SourceMotion, rest_positions

LIMB_CHILD = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
_SOLE_M = 0.03  # height of the lowest joint above the floor: the open body's toe base stands 3.4 cm over its sole
_FLOOR_QUANTILE = 0.02  # the lowest joint of a few bad frames may dip below the floor


@dataclass(frozen=True, slots=True)
class SmplMotion(Shaped):
    """A motion in SMPL joints: Y up, facing +Z at rest, floor near y = 0."""

    pose: Annotated[np.ndarray, "T", 24, 3]  # float32 axis-angle, root orientation included
    trans: Annotated[np.ndarray, "T", 3]  # float32 metres, position of the pelvis joint
    rate_hz: float


def shortest_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the rotation of least angle (3, 3) that takes direction `start` (3,) to `end` (3,)."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        if float(a @ b) < 0:
            raise ValueError("opposite directions have no shortest rotation")
        return np.eye(3)
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, float(a @ b))).as_matrix()


def rebase(motion: SourceMotion, rig: Rig) -> SourceMotion:
    """Return the motion with rotations counted from the rig's reference pose, see `Rig.reference`."""
    if not rig.reference:
        return motion
    turn = np.tile(np.eye(3), (len(motion.names), 1, 1))
    offset = motion.rest.copy()
    for row, (name, parent) in enumerate(zip(motion.names, motion.parents, strict=True)):
        if name in rig.reference:
            turn[row] = Rotation.from_rotvec(rig.reference[name]).as_matrix()
        elif parent >= 0:
            turn[row] = turn[parent]
        if parent >= 0:
            offset[row] = turn[parent] @ (motion.rest[row] - motion.rest[parent])
    return SourceMotion(
        names=motion.names,
        parents=motion.parents,
        rest=rest_positions(motion.parents, offset),
        rotation=motion.rotation @ np.swapaxes(turn, -1, -2),
        position=motion.position,
        rate_hz=motion.rate_hz,
    )


def global_rotations(motion: SourceMotion, rig: Rig, rest_m: np.ndarray, *, mend: bool = True) -> np.ndarray:
    """Return the SMPL joints' global rotations (T, 24, 3, 3) of a motion already in its reference pose."""
    world = np.empty((len(motion.rotation), JOINT_COUNT, 3, 3))
    align = np.tile(np.eye(3), (JOINT_COUNT, 1, 1))
    for row, name in enumerate(JOINT_NAMES):
        drive = rig.drives.get(name)
        parent = PARENTS[row]
        if drive is None:
            world[:, row] = world[:, parent]
            continue
        side, _, part = name.partition("_")
        if drive.bone is not None:
            first, second = (motion.joint(joint) for joint in drive.bone)
            child = JOINT_INDEX[f"{side}_{LIMB_CHILD[part]}"]
            # Carried down the limb, so that the two bones of a straight limb are twisted alike.
            carried = align[parent] @ (rest_m[child] - rest_m[row])
            align[row] = shortest_rotation(carried, motion.rest[second] - motion.rest[first]) @ align[parent]
        world[:, row] = _driven(motion, drive) @ align[row]
        if part in ("shoulder", "elbow") and rig.arm_twist:
            sign = 1.0 if side == "left" else -1.0
            bone = rest_m[JOINT_INDEX[f"{side}_{LIMB_CHILD[part]}"]] - rest_m[row]
            world[:, row] = world[:, row] @ _turn(sign * rig.arm_twist * bone / np.linalg.norm(bone))
        elif part == "ankle":
            splay = rig.leg_splay if side == "left" else -rig.leg_splay
            world[:, row] = (
                world[:, row] @ _turn(np.array([0.0, 0.0, splay])) @ _turn(np.array([rig.sole_pitch, 0.0, 0.0]))
            )
        elif name == "head":
            world[:, row] = world[:, row] @ _turn(np.array([rig.head_pitch, 0.0, 0.0]))
    if rig.has_free_elbows:
        world = settle_elbows(world, rest_m, motion.rate_hz)
    return straighten_knees(world, rest_m) if mend else world


def _turn(rotation_vector: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(rotation_vector).as_matrix()


def _driven(motion: SourceMotion, drive: Drive) -> np.ndarray:
    first = motion.rotation[:, motion.joint(drive.first)]
    if not drive.second:
        return first
    second = motion.rotation[:, motion.joint(drive.second)]
    between = Rotation.from_matrix(np.swapaxes(first, -1, -2) @ second).as_rotvec()
    return first @ Rotation.from_rotvec(drive.share * between).as_matrix()


def retarget(motion: SourceMotion, rig: Rig, rest_m: np.ndarray, *, mend: bool = True) -> SmplMotion:
    """Return a rig's motion as SMPL poses and the pelvis path of a body with the given rest joints.

    Lengths are scaled by the ratio of the leg lengths; the path starts over the origin and the lowest joint of the
    motion stands on y = 0.

    Args:
        rest_m: (24, 3) rest positions of the target, metres.
        mend: straighten knees that bend forwards and replace feet that flip; else as recorded.
    """
    motion = rebase(motion, rig)
    world = global_rotations(motion, rig, rest_m, mend=mend)
    scale = leg_length(rest_m) / _source_leg_length(motion, rig)
    left, right = (motion.joint(name) for name in rig.hips)
    hips_m = 0.5 * scale * (motion.position[:, left] + motion.position[:, right])
    hips_rest_m = 0.5 * (rest_m[JOINT_INDEX["left_hip"]] + rest_m[JOINT_INDEX["right_hip"]]) - rest_m[0]
    trans = hips_m - world[:, 0] @ hips_rest_m
    lowest_m = (joint_positions(world, rest_m) + trans[:, None])[..., 1].min(axis=1)
    trans[:, 1] += _SOLE_M - np.quantile(lowest_m, _FLOOR_QUANTILE)
    trans[:, [0, 2]] -= trans[:1, [0, 2]]
    local = local_from_global(world)
    pose = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, JOINT_COUNT, 3)
    for side in SIDES if mend else ():
        ankle = JOINT_INDEX[f"{side}_ankle"]
        pose[:, ankle] = mend_ankle(pose[:, ankle])
    return SmplMotion(pose.astype(np.float32), trans.astype(np.float32), motion.rate_hz)


def leg_length(rest_m: np.ndarray) -> float:
    """Return the length of thigh and shin of SMPL rest joints (24, 3), mean of both sides."""
    total = 0.0
    for side in SIDES:
        hip, knee, ankle = (rest_m[JOINT_INDEX[f"{side}_{part}"]] for part in ("hip", "knee", "ankle"))
        total += float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    return 0.5 * total


def _source_leg_length(motion: SourceMotion, rig: Rig) -> float:
    total = 0.0
    for side in SIDES:
        for part in ("hip", "knee"):
            bone = rig.drives[f"{side}_{part}"].bone
            if bone is None:
                raise ValueError(f"rig {rig.name}: {side}_{part} names no bone")
            first, second = (motion.joint(name) for name in bone)
            total += float(np.linalg.norm(motion.rest[second] - motion.rest[first]))
    return 0.5 * total


def resample(motion: SmplMotion, rate_hz: float) -> SmplMotion:
    """Return the motion at another rate: rotations by slerp, positions linearly, from the first to the last frame."""
    count = len(motion.pose)
    if count < 2 or abs(motion.rate_hz - rate_hz) < 0.01 * rate_hz:
        return SmplMotion(motion.pose, motion.trans, rate_hz if count > 1 else motion.rate_hz)
    old_s = np.arange(count) / motion.rate_hz
    new_s = np.arange(int(np.floor(old_s[-1] * rate_hz + 1e-6)) + 1) / rate_hz
    new_s = np.minimum(new_s, old_s[-1])
    pose = slerped(motion.pose, old_s, new_s).astype(np.float32)
    trans = np.stack([np.interp(new_s, old_s, motion.trans[:, axis]) for axis in range(3)], axis=1)
    return SmplMotion(pose, trans.astype(np.float32), rate_hz)


def slerped(pose: np.ndarray, old_s: np.ndarray, new_s: np.ndarray) -> np.ndarray:
    """Return poses (N, 24, 3) float64 axis-angle at the times `new_s` of poses (T, 24, 3) at `old_s`."""
    turned = [Slerp(old_s, Rotation.from_rotvec(pose[:, joint]))(new_s).as_rotvec() for joint in range(JOINT_COUNT)]
    return np.stack(turned, axis=1)


def posed_joints(pose: np.ndarray, rest_m: np.ndarray) -> np.ndarray:
    """Return joint positions (T, 24, 3) of poses (T, 24, 3) axis-angle, pelvis at the origin."""
    local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(*pose.shape[:-1], 3, 3)
    return joint_positions(global_from_local(local), rest_m)
