"""The body: SMPL's skinning with the open body or a user's SMPL file behind it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from configs.skeletons import JOINT_BLENDS, JOINT_SETS, SMPL24
from dpmesh.body.kinematics import forward_kinematics
from dpmesh.body.params import BETA_COUNT, JOINT_COUNT
from dpmesh.body.structure import BodyStructure
from dpmesh.geometry.rotations import axis_angle_to_matrix


@dataclass(frozen=True, slots=True)
class _StiffRows:
    """Points of the skin as the sum of a few arms, each stiff on one joint (Q of them)."""

    joints: Tensor  # (Q,) int64, which joint an arm is on
    masses: Tensor  # (Q,) how much of its point follows that joint
    arms: Tensor  # (Q * 3,) where the point rests on the mean body, times that
    arm_dirs: Tensor  # (10, Q * 3) how the arms change with the shape
    point_weights: Tensor  # (K, Q) 1 where an arm is a point's
    joint_weights: Tensor  # (K, 24)


@dataclass(frozen=True, slots=True)
class _SetRows:
    """What one joint set needs: some joints, some vertices, and how they mix."""

    joint_weights: Tensor  # (K, 24)
    vertices: Tensor  # (U,) int64
    vertex_weights: Tensor  # (K, U)
    stiff: _StiffRows | None  # instead of the vertices, where none of them changes shape with the pose


class BodyModel(nn.Module):
    """SMPL as a function of pose, shape and translation; `vertices` gives the mesh, `joints` named points only.

    The root turns about the template's pelvis, and `trans` is added after, as in `smplx.SMPL`.
    """

    rest_template: Tensor
    rest_shapedirs: Tensor

    def __init__(self, structure: BodyStructure) -> None:
        super().__init__()
        from smplx import SMPLLayer
        from smplx.utils import Struct

        data = Struct(
            v_template=structure.v_template,
            shapedirs=structure.shapedirs,
            posedirs=structure.posedirs,
            J_regressor=structure.joint_regressor,
            kintree_table=structure.kintree_table.copy(),
            weights=structure.weights,
            f=structure.faces,
        )
        with contextlib.redirect_stdout(io.StringIO()):  # smplx prints that there are ten shape numbers
            self._smpl = SMPLLayer(
                model_path="", data_struct=data, num_betas=BETA_COUNT, vertex_ids=_vertex_ids(structure)
            )
        if not structure.has_posedirs:  # the same nothing is added to every vertex: half of the time of skinning
            self._smpl.posedirs = self._smpl.posedirs[:, :3].clone()
        self.requires_grad_(False)
        self.structure = structure
        regressor, template = structure.joint_regressor, structure.v_template
        weights = torch.from_numpy(np.asarray(regressor, dtype=np.float64))
        rest = weights @ torch.from_numpy(np.asarray(template, dtype=np.float64))
        shapes = torch.from_numpy(np.asarray(structure.shapedirs[..., :BETA_COUNT], dtype=np.float64))
        self.register_buffer("rest_template", rest.float(), persistent=False)
        self.register_buffer("rest_shapedirs", torch.einsum("jv,vck->jck", weights, shapes).float(), persistent=False)
        self._set_rows: dict[tuple[str | tuple[str, ...], torch.device, torch.dtype], _SetRows] = {}

    @property
    def faces(self) -> np.ndarray:
        """Triangles (F, 3) int64."""
        return self.structure.faces

    def vertices(self, pose: Tensor, betas: Tensor, trans: Tensor) -> Tensor:
        """Return the mesh (R, V, 3) in metres of pose (R, 24, 3), betas (R, 10), trans (R, 3)."""
        return self.vertices_from_matrices(axis_angle_to_matrix(pose), betas) + trans[:, None]

    def vertices_from_matrices(self, matrices: Tensor, betas: Tensor) -> Tensor:
        """Return the mesh (R, V, 3) of `vertices` for rotations (R, 24, 3, 3) and a translation of zero."""
        return self._smpl(
            betas=betas, global_orient=matrices[:, :1], body_pose=matrices[:, 1:], pose2rot=False
        ).vertices

    def rest_joints(self, betas: Tensor) -> Tensor:
        """Return the joints (R, 24, 3) of the unposed shapes (R, 10), without the mesh."""
        return self.rest_template + torch.einsum("jck,rk->rjc", self.rest_shapedirs, betas)

    def joints(self, pose: Tensor, betas: Tensor, trans: Tensor, joint_set: str = "coco17") -> Tensor:
        """Return the points (R, K, 3) of a joint set in metres; only the vertices that the set needs are skinned.

        Args:
            pose: (R, 24, 3) axis-angle; betas: (R, 10); trans: (R, 3).
            joint_set: a key of `JOINT_SETS`.
        """
        return self.joints_from_matrices(axis_angle_to_matrix(pose), betas, joint_set) + trans[:, None]

    def joints_from_matrices(
        self, matrices: Tensor, betas: Tensor, joint_set: str | tuple[str, ...] = "coco17"
    ) -> Tensor:
        """Return the points (R, K, 3) of `joints` for rotations (R, 24, 3, 3) and a translation of zero.

        Args:
            joint_set: a key of `JOINT_SETS`, or the names of the points themselves.
        """
        rows = self._rows_of(joint_set)
        rest = self.rest_joints(betas)
        positions, turns = forward_kinematics(matrices, rest)
        points = _mix(rows.joint_weights, positions)
        if rows.stiff is not None:
            points = points + _skin_stiff(rows.stiff, betas, rest, positions, turns)
        elif len(rows.vertices):
            skin = self._skin(rows.vertices, matrices, betas, rest, positions, turns)
            points = points + _mix(rows.vertex_weights, skin)
        return points

    def _skin(
        self, chosen: Tensor, matrices: Tensor, betas: Tensor, rest: Tensor, positions: Tensor, turns: Tensor
    ) -> Tensor:
        """Return the chosen vertices (R, U, 3), before the translation."""
        smpl = self._smpl
        count = len(chosen)
        shaped = smpl.v_template[chosen] + (betas @ smpl.shapedirs[chosen].reshape(count * 3, -1).T).unflatten(
            1, (count, 3)
        )
        bend = (matrices[:, 1:] - torch.eye(3, dtype=matrices.dtype, device=matrices.device)).flatten(1)
        columns = (3 * chosen[:, None] + torch.arange(3, device=chosen.device)).reshape(-1)
        shaped = shaped + (bend @ smpl.posedirs[:, columns]).unflatten(1, (count, 3))
        weights = smpl.lbs_weights[chosen]
        shift = positions - (turns @ rest[..., None]).squeeze(-1)
        blended = _mix(weights, turns.flatten(2)).unflatten(2, (3, 3))
        return (blended @ shaped[..., None]).squeeze(-1) + _mix(weights, shift)

    def _rows_of(self, joint_set: str | tuple[str, ...]) -> _SetRows:
        device, dtype = self.rest_template.device, self.rest_template.dtype
        found = self._set_rows.get((joint_set, device, dtype))
        if found is None:
            with torch.inference_mode(False):  # kept for calls that want gradients too
                found = _rows(self.structure, joint_set, device, dtype)
            self._set_rows[joint_set, device, dtype] = found
        return found


def _mix(weights: Tensor, values: Tensor) -> Tensor:
    """Return `weights @ values` (R, K, C) of weights (K, U) and values (R, U, C), as one product instead of R."""
    return (values.mT.flatten(0, 1) @ weights.T).unflatten(0, (len(values), values.shape[2])).mT


def _skin_stiff(rows: _StiffRows, betas: Tensor, rest: Tensor, positions: Tensor, turns: Tensor) -> Tensor:
    """Return the share (R, K, 3) of points that comes from the skin of a body without pose-dependent shape."""
    arms = (rows.arms + betas @ rows.arm_dirs).unflatten(1, (-1, 3)) - rows.masses[:, None] * rest.index_select(
        1, rows.joints
    )
    turned = (turns.index_select(1, rows.joints) * arms[:, :, None]).sum(-1)
    return _mix(rows.point_weights, turned) + _mix(rows.joint_weights, positions)


def _stiff_rows(structure: BodyStructure, vertices: list[int], weights: Tensor) -> _StiffRows:
    """Return the arms of points that are blends of vertices with weights (K, U)."""
    follows = weights[:, :, None] * torch.from_numpy(structure.weights[vertices]).float()
    masses = follows.sum(1)
    point, joint = (masses > 0).nonzero(as_tuple=True)
    of_arm = follows[point, :, joint]
    template, shapes = (
        torch.from_numpy(array[vertices]).float() for array in (structure.v_template, structure.shapedirs)
    )
    return _StiffRows(
        joints=joint,
        masses=masses[point, joint],
        arms=(of_arm @ template).flatten(),
        arm_dirs=torch.einsum("qu,ucb->bqc", of_arm, shapes).flatten(1),
        point_weights=torch.nn.functional.one_hot(point, len(weights)).T.float(),
        joint_weights=masses,
    )


def _rows(
    structure: BodyStructure, joint_set: str | tuple[str, ...], device: torch.device, dtype: torch.dtype
) -> _SetRows:
    if isinstance(joint_set, str) and joint_set not in JOINT_SETS:
        raise ValueError(f"joint_set: got {joint_set!r}, expected one of {', '.join(JOINT_SETS)}")
    names = JOINT_SETS[joint_set] if isinstance(joint_set, str) else joint_set
    joint_weights = torch.zeros(len(names), JOINT_COUNT)
    picked: dict[int, dict[int, float]] = {}
    for row, name in enumerate(names):
        if name in structure.landmarks:
            picked[row] = structure.landmarks[name]
            continue
        blend = JOINT_BLENDS.get(name, {name: 1.0})
        for joint, weight in blend.items():
            joint_weights[row, SMPL24.index(joint)] = weight
    used = sorted({vertex for weights in picked.values() for vertex in weights})
    vertex_weights = torch.zeros(len(names), len(used))
    for row, weights in picked.items():
        for vertex, weight in weights.items():
            vertex_weights[row, used.index(vertex)] = weight
    stiff = None
    if used and not structure.has_posedirs:
        made = _stiff_rows(structure, used, vertex_weights)
        stiff = _StiffRows(
            made.joints.to(device), *(getattr(made, name).to(device, dtype) for name in made.__slots__[1:])
        )
    return _SetRows(
        joint_weights=joint_weights.to(device, dtype),
        vertices=torch.tensor(used, dtype=torch.long, device=device),
        vertex_weights=vertex_weights.to(device, dtype),
        stiff=stiff,
    )


def _vertex_ids(structure: BodyStructure) -> dict[str, int]:
    """Return the one vertex that `smplx` wants for each of its extra joints; this project does not read those."""
    names = ("nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel")
    hands = tuple(side + finger for side in "lr" for finger in ("thumb", "index", "middle", "ring", "pinky"))
    return dict.fromkeys(names + hands, 0)
