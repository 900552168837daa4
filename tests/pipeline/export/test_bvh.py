"""BVH, read by pybvh, which poses the skeleton by itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import RunError
from configs.skeletons import SMPL24
from pipeline.export import bvh
from pipeline.export.scene import Y_UP_FROM_Z_UP, Scene


@pytest.mark.parametrize("unit", ["m", "cm"])
def test_pybvh_finds_every_joint_where_the_run_has_it(
    tmp_path: Path, scene: Scene, wanted: dict[int, np.ndarray], unit: str
) -> None:
    import pybvh

    scene = replace(scene, unit=unit)
    for person in scene.people:
        path = tmp_path / f"{person.name}.bvh"
        bvh.write(path, scene, person)
        bvh.check(path, scene, person)
        read = pybvh.read_bvh_file(str(path))
        assert abs(read.frame_time - 1 / 30) < 1e-8
        points = np.asarray(read.joint_positions())
        found = points[:, [read.joint_names.index(joint) for joint in SMPL24]] / scene.scale @ Y_UP_FROM_Z_UP
        assert np.linalg.norm(found - wanted[person.number], axis=-1).max() < 0.001


def test_angles_do_not_jump_where_the_rotation_does_not() -> None:
    part = np.linspace(0, 1, 400)
    turns = Rotation.from_rotvec(np.outer(4 * np.pi * part, (0.1, 1.0, 0.2)))  # through both gimbal locks, nearly
    rotations = Rotation.from_quat(np.repeat(turns.as_quat()[:, None], 24, axis=1).reshape(-1, 4))
    angles = bvh.smooth_angles(rotations)
    again = Rotation.from_euler("ZYX", angles.reshape(-1, 3), degrees=True)
    assert (again.inv() * rotations).magnitude().max() < 1e-6
    first = bvh.smooth_angles(rotations[: 24 * 150])
    parts = [first, bvh.smooth_angles(rotations[24 * 150 :], first[-1])]
    np.testing.assert_array_equal(np.concatenate(parts), angles)
    plain = turns.as_euler("ZYX", degrees=True)
    assert np.abs(np.diff(plain, axis=0)).max() > 300 > 60 > np.abs(np.diff(angles, axis=0)).max()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Frames: 90", "Frames: 89", "Frames is 89"),
        ("JOINT head", "JOINT Head", "other names"),
        ("\n", "", "whole|rate"),
    ],
)
def test_a_file_that_is_not_right_is_refused(tmp_path: Path, scene: Scene, old: str, new: str, problem: str) -> None:
    person = scene.people[0]
    path = tmp_path / "person_001.bvh"
    bvh.write(path, scene, person)
    text = path.read_text()
    path.write_text(text.replace(old, new, 1) if old.strip() else text[: len(text) // 2])
    with pytest.raises(RunError, match=problem):
        bvh.check(path, scene, person)
