"""The shape of a user's SMPL that looks as a person of the open body does, and the pose that goes with it.

The two bodies have other meshes and other rest poses, so that shape numbers do not transfer. Betas, small rotations of
the rest pose and a shift are fitted by Gauss-Newton steps to the surface of the person's own unposed mesh: each vertex
moves to the plane of the nearest point there, and the joints to the open body's. Iterated closest points with a
point-to-plane distance: Chen and Medioni, "Object modelling by registration of multiple range images" (1992).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from configs.checks import Shaped
from configs.skeletons import SMPL_PARENTS
from dpmesh.body.structure import BodyStructure
from pipeline.export.scene import rest_shape
from pipeline.export.surface import Surface

STEPS_MAX = 40
STEP_MIN_M = 1e-4  # the fit ends when no vertex moves farther
SLIDE_WEIGHT = 0.03  # of distances along the surface, where a vertex may go freely
JOINT_WEIGHT = 30.0  # of a joint, beside one of the thousands of vertices
BETA_SIGMA, TURN_SIGMA_RAD, DISTANCE_SIGMA_M = 3.0, 0.1, 0.005
CHECKED_POSES = 8


@dataclass(frozen=True, slots=True)
class SmplFit(Shaped):
    """A user's SMPL in place of the open body of one person."""

    betas: Annotated[np.ndarray, 10]
    residual: Annotated[np.ndarray, 24, 3]  # axis-angle: turns of the joints, as seen by their parents, at rest
    shift_m: Annotated[np.ndarray, 3]  # of the whole unposed body
    rest: Annotated[np.ndarray, 24, 3]  # joints of the user's SMPL with these betas, unposed
    open_rest: Annotated[np.ndarray, 24, 3]  # joints of the open body's person, unposed
    error_mm: float  # mean distance of the vertices from the open body's surface, unposed
    error_95_mm: float  # 95 % of the vertices are nearer

    def convert(self, pose: np.ndarray, pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pose (T, 24, 3) and SMPL translation (T, 3) of the user's SMPL for those of the open body.

        Args:
            pose: (T, 24, 3) axis-angle; pelvis: (T, 3) where the open body's pelvis is.
        """
        local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
        offsets = global_turns(Rotation.from_rotvec(self.residual).as_matrix())
        parents = [offsets[parent] if parent >= 0 else np.eye(3) for parent in SMPL_PARENTS]
        turned = np.stack(parents).transpose(0, 2, 1) @ local @ offsets
        shift = self.rest[0] + self.shift_m - self.open_rest[0]
        place = pelvis + local[:, 0] @ shift
        return Rotation.from_matrix(turned.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3), place - self.rest[0]


def fit_smpl(smpl: BodyStructure, open_body: BodyStructure, betas: np.ndarray) -> SmplFit:
    """Fit a SMPL to the open body with a shape (10,)."""
    target, target_joints = rest_shape(open_body, betas)
    surface = Surface(target, open_body.faces)
    shape, turns = np.zeros(10), np.tile(np.eye(3), (24, 1, 1))
    shift = target.mean(axis=0) - rest_shape(smpl, shape)[0].mean(axis=0)
    below = _below(smpl.weights)
    directions = smpl.shapedirs.astype(np.float64)
    before = np.full(smpl.v_template.shape, np.inf)
    for _ in range(STEPS_MAX):
        vertices, joints, blended = posed(smpl, shape, turns)
        vertices, joints = vertices + shift, joints + shift
        if np.abs(vertices - before).max() < STEP_MIN_M:
            break
        before = vertices
        found, normals = surface.closest(vertices)
        # Columns: shape, turns of the joints in the world, shift.
        of_shape = blended @ directions
        moves = _turning(vertices, joints) * below[:, :, None, None]
        of_turns = moves.transpose(0, 2, 1, 3).reshape(len(vertices), 3, 72)
        of_shift = np.broadcast_to(np.eye(3), (len(vertices), 3, 3))
        jacobian = np.concatenate([of_shape, of_turns, of_shift], axis=2)
        across = np.einsum("vi,vic->vc", normals, jacobian)
        residual = ((found - vertices) * normals).sum(axis=1)
        weight = 1.0 / DISTANCE_SIGMA_M**2
        flat, rest = jacobian.reshape(-1, 85), (found - vertices).reshape(-1)
        normal = weight * (across.T @ across + SLIDE_WEIGHT * (flat.T @ flat))
        right = weight * (across.T @ residual + SLIDE_WEIGHT * (flat.T @ rest))
        of_joints = _joint_columns(smpl, joints)
        normal += JOINT_WEIGHT * weight * (of_joints.T @ of_joints)
        right += JOINT_WEIGHT * weight * (of_joints.T @ (target_joints - joints).reshape(-1))
        prior = np.concatenate([np.full(10, BETA_SIGMA**-2), np.full(72, TURN_SIGMA_RAD**-2), np.zeros(3)])
        now = np.concatenate([shape, global_vectors(turns), np.zeros(3)])
        step = np.linalg.solve(normal + np.diag(prior), right - prior * now)
        shape, shift = shape + step[:10], shift + step[82:]
        turns = _turned(turns, step[10:82].reshape(24, 3))
    vertices, _, _ = posed(smpl, shape, turns)
    off_mm = 1000 * np.linalg.norm(surface.closest(vertices + shift)[0] - vertices - shift, axis=1)
    return SmplFit(
        betas=shape,
        residual=Rotation.from_matrix(turns).as_rotvec(),
        shift_m=shift,
        rest=rest_shape(smpl, shape)[1],
        open_rest=target_joints,
        error_mm=float(off_mm.mean()),
        error_95_mm=float(np.quantile(off_mm, 0.95)),
    )


def posed(
    body: BodyStructure, betas: np.ndarray, turns: np.ndarray, pelvis: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices (V, 3), joints (24, 3) and the turn of each vertex (V, 3, 3) of a body in a pose.

    Args:
        turns: (24, 3, 3) of the joints, as seen by their parents.
        pelvis: (3,) where it is; None: where the unposed body has it.
    """
    vertices, rest = rest_shape(body, betas)
    whole = global_turns(turns)
    joints = np.empty((24, 3))
    joints[0] = rest[0] if pelvis is None else pelvis
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        joints[joint] = joints[parent] + whole[parent] @ (rest[joint] - rest[parent])
    if body.has_posedirs:
        vertices = vertices + body.posedirs.astype(np.float64) @ (turns[1:] - np.eye(3)).reshape(-1)
    weights = body.weights.astype(np.float64)
    blended = (weights @ whole.reshape(24, 9)).reshape(-1, 3, 3)
    moved = weights @ (joints - (whole @ rest[..., None])[..., 0])
    return (blended @ vertices[..., None])[..., 0] + moved, joints, blended


def global_turns(turns: np.ndarray) -> np.ndarray:
    """Return the turns (24, 3, 3) of the joints in the world for those as seen by their parents."""
    whole = np.empty_like(turns)
    for joint, parent in enumerate(SMPL_PARENTS):
        whole[joint] = turns[joint] if parent < 0 else whole[parent] @ turns[joint]
    return whole


def global_vectors(turns: np.ndarray) -> np.ndarray:
    """Return how far each joint turns in the world beyond its parent (72,), as axis-angle there."""
    whole = global_turns(turns)
    parents = np.stack([whole[parent] if parent >= 0 else np.eye(3) for parent in SMPL_PARENTS])
    vectors: np.ndarray = Rotation.from_matrix(whole @ parents.transpose(0, 2, 1)).as_rotvec().reshape(-1)
    return vectors


def _turned(turns: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the turns after each joint, with all that hangs on it, was turned in the world by `step` (24, 3)."""
    whole = global_turns(turns)
    parents = np.stack([whole[parent] if parent >= 0 else np.eye(3) for parent in SMPL_PARENTS])
    small = Rotation.from_rotvec(step).as_matrix()
    new: np.ndarray = parents.transpose(0, 2, 1) @ small @ parents @ turns
    return new


def _below(weights: np.ndarray) -> np.ndarray:
    """Return how much each vertex (V) follows each joint (24), by itself or by what hangs on it."""
    sums = weights.astype(np.float64).copy()
    for joint in range(23, 0, -1):
        sums[:, SMPL_PARENTS[joint]] += sums[:, joint]
    return sums


def _turning(points: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return how points (P, 3) move when space turns about joints (24, 3), as matrices (P, 24, 3, 3) of axis-angle."""
    arm = points[:, None] - joints[None]
    matrices = np.zeros((*arm.shape[:2], 3, 3))
    x, y, z = arm[..., 0], arm[..., 1], arm[..., 2]
    matrices[..., 0, 1], matrices[..., 0, 2], matrices[..., 1, 2] = z, -y, x
    matrices[..., 1, 0], matrices[..., 2, 0], matrices[..., 2, 1] = -z, y, -x
    return matrices


def _joint_columns(body: BodyStructure, joints: np.ndarray) -> np.ndarray:
    """Return how the joints (72,) move with shape, turns and shift, (72, 85)."""
    columns = np.zeros((24, 3, 85))
    columns[:, :, :10] = np.einsum("jv,vck->jck", body.joint_regressor, body.shapedirs, optimize=True)
    moves = _turning(joints, joints)
    for joint in range(24):
        above = SMPL_PARENTS[joint]
        while above >= 0:
            columns[joint, :, 10 + 3 * above : 13 + 3 * above] = moves[joint, above]
            above = SMPL_PARENTS[above]
    columns[:, :, 82:] = np.eye(3)
    return columns.reshape(72, 85)
