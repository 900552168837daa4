"""The arrays of a SMPL-format body, checked, with the named points and parts of its topology. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np

from configs.checks import Shaped
from configs.skeletons import SMPL_LANDMARK_VERTICES
from dpmesh.body.params import JOINT_COUNT

Gender = Literal["neutral", "female", "male"]
POSE_NUMBERS = 9 * (JOINT_COUNT - 1)


@dataclass(frozen=True, slots=True, eq=False)
class BodyStructure(Shaped):
    """One SMPL-format body."""

    name: str
    v_template: Annotated[np.ndarray, "V", 3]  # float32, metres, rest pose
    shapedirs: Annotated[np.ndarray, "V", 3, 10]  # float32
    posedirs: Annotated[np.ndarray, "V", 3, 207]  # float32
    joint_regressor: Annotated[np.ndarray, 24, "V"]  # float32
    weights: Annotated[np.ndarray, "V", 24]  # float32, rows sum to 1
    faces: Annotated[np.ndarray, "F", 3]  # int64
    kintree_table: Annotated[np.ndarray, 2, 24]  # int64, parents and joints
    landmarks: dict[str, dict[int, float]]  # named points of the skin: vertex to share
    has_posedirs: bool  # whether posedirs hold anything but zeros
    faces_coarse: Annotated[np.ndarray | None, "F'", 3] = None  # int64, the body with fewer triangles; None: not given
    vertex_part: Annotated[np.ndarray | None, "V"] = None  # uint8, index into part_names; None: not given
    part_names: tuple[str, ...] = field(default=())
    gender: Gender = "neutral"  # whose shape space it is; betas of one mean another shape in another

    def __post_init__(self) -> None:
        Shaped.__post_init__(self)
        count = len(self.v_template)
        if len(self.faces) and (self.faces.min() < 0 or self.faces.max() >= count):
            raise ValueError(f"faces: name vertices {self.faces.min()} to {self.faces.max()}, there are {count}")
        for name, weights in self.landmarks.items():
            if max(weights) >= count:
                raise ValueError(f"landmark {name}: names vertex {max(weights)}, there are {count}")


def smpl_landmarks() -> dict[str, dict[int, float]]:
    """Return the named points of SMPL's own topology."""
    return {name: {vertex: 1.0} for name, vertex in SMPL_LANDMARK_VERTICES.items()}
