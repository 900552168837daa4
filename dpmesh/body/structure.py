"""The arrays of a SMPL-format body, checked, with the named points and parts of its topology. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from configs.checks import check_shape
from dpmesh.body.joint_sets import SMPL_LANDMARK_VERTICES
from dpmesh.body.params import BETA_COUNT, JOINT_COUNT

Gender = Literal["neutral", "female", "male"]
POSE_NUMBERS = 9 * (JOINT_COUNT - 1)


@dataclass(frozen=True, slots=True, eq=False)
class BodyStructure:
    """One SMPL-format body."""

    name: str
    v_template: np.ndarray  # (V, 3) float32, metres, rest pose
    shapedirs: np.ndarray  # (V, 3, 10) float32
    posedirs: np.ndarray  # (V, 3, 207) float32
    joint_regressor: np.ndarray  # (24, V) float32
    weights: np.ndarray  # (V, 24) float32, rows sum to 1
    faces: np.ndarray  # (F, 3) int64
    kintree_table: np.ndarray  # (2, 24) int64, parents and joints
    landmarks: dict[str, dict[int, float]]  # named points of the skin: vertex to share
    has_posedirs: bool  # whether posedirs hold anything but zeros
    faces_coarse: np.ndarray | None = None  # (F', 3) int64, the same body with fewer triangles; None: not given
    vertex_part: np.ndarray | None = None  # (V,) uint8, index into part_names; None: not given
    part_names: tuple[str, ...] = field(default=())
    gender: Gender = "neutral"  # whose shape space it is; betas of one mean another shape in another

    def __post_init__(self) -> None:
        count = check_shape("v_template", self.v_template, ("V", 3))["V"]
        check_shape("shapedirs", self.shapedirs, (count, 3, BETA_COUNT))
        check_shape("posedirs", self.posedirs, (count, 3, POSE_NUMBERS))
        check_shape("joint_regressor", self.joint_regressor, (JOINT_COUNT, count))
        check_shape("weights", self.weights, (count, JOINT_COUNT))
        check_shape("faces", self.faces, ("F", 3))
        check_shape("kintree_table", self.kintree_table, (2, JOINT_COUNT))
        if len(self.faces) and (self.faces.min() < 0 or self.faces.max() >= count):
            raise ValueError(f"faces: name vertices {self.faces.min()} to {self.faces.max()}, there are {count}")
        for name, weights in self.landmarks.items():
            if max(weights) >= count:
                raise ValueError(f"landmark {name}: names vertex {max(weights)}, there are {count}")
        if self.vertex_part is not None:
            check_shape("vertex_part", self.vertex_part, (count,))


def smpl_landmarks() -> dict[str, dict[int, float]]:
    """Return the named points of SMPL's own topology."""
    return {name: {vertex: 1.0} for name, vertex in SMPL_LANDMARK_VERTICES.items()}
