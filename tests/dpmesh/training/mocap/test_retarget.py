from collections.abc import Callable

import numpy as np
import pytest
from adult_skeleton import rest_joints
from scipy.spatial.transform import Rotation

from dpmesh.training.mocap.bvh import parse_bvh
from dpmesh.training.mocap.check import limb_errors
from dpmesh.training.mocap.retarget import SmplMotion, leg_length, posed_joints, resample, retarget, shortest_rotation
from dpmesh.training.mocap.rigs import CGSPEED, ICLONE
from dpmesh.training.mocap.skeleton import (
    JOINT_INDEX,
    global_from_local,
    local_from_global,
)

Writer = Callable[[list[dict]], str]


def random_frames(count: int) -> list[dict]:
    rng = np.random.default_rng(5)
    joints = ("hip", "abdomen", "chest", "lShldr", "rShldr", "lForeArm", "rForeArm", "lThigh", "rThigh")
    frames = [{joint: tuple(rng.uniform(-50, 50, 3)) for joint in joints} for _ in range(count)]
    for frame in frames:
        frame["lShin"], frame["rShin"] = (0.0, rng.uniform(20, 90), 0.0), (0.0, rng.uniform(20, 90), 0.0)
    return frames


def test_limbs_point_where_the_source_limbs_point(cgspeed_bvh: Writer) -> None:
    source = parse_bvh(cgspeed_bvh(random_frames(20)))
    motion = retarget(source, CGSPEED, rest_joints())
    for errors in limb_errors(source, CGSPEED, motion, rest_joints()).values():
        assert np.degrees(errors).max() < 0.01


def test_a_limb_that_is_wrong_shows_as_an_error(cgspeed_bvh: Writer) -> None:
    source = parse_bvh(cgspeed_bvh([{}, {}]))
    motion = retarget(source, CGSPEED, rest_joints())
    motion.pose[:, JOINT_INDEX["left_elbow"], 1] -= 0.5
    errors = limb_errors(source, CGSPEED, motion, rest_joints())
    assert np.allclose(errors["forearm"], [[0.5, 0.0]] * 2, atol=0.05)


def test_root_turn_and_facing_are_kept(cgspeed_bvh: Writer) -> None:
    motion = retarget(parse_bvh(cgspeed_bvh([{"hip": (0.0, 0.0, 90.0)}])), CGSPEED, rest_joints())
    assert np.allclose(Rotation.from_rotvec(motion.pose[0, 0]).apply([0, 0, 1]), [1, 0, 0], atol=1e-6)


def test_someone_who_stands_has_a_pelvis_at_leg_height_over_the_floor(cgspeed_bvh: Writer) -> None:
    rest = rest_joints()
    motion = retarget(parse_bvh(cgspeed_bvh([{}] * 5)), CGSPEED, rest)
    joints = posed_joints(motion.pose, rest) + motion.trans[:, None]
    assert joints[..., 1].min() == pytest.approx(0.03, abs=1e-5)
    assert motion.trans[0, 1] == pytest.approx(-rest[:, 1].min() + 0.03, abs=0.02)
    assert np.allclose(motion.trans[0, [0, 2]], 0, atol=1e-6)


def test_spine_rotation_spreads_over_three_joints(cgspeed_bvh: Writer) -> None:
    bent = retarget(
        parse_bvh(cgspeed_bvh([{"abdomen": (0.0, 30.0, 0.0), "chest": (0.0, 30.0, 0.0)}])), CGSPEED, rest_joints()
    )
    bends = np.degrees(bent.pose[0, [JOINT_INDEX[f"spine{n}"] for n in (1, 2, 3)], 0])
    assert np.allclose(bends, [15, 30, 15], atol=0.01)


def test_iclone_reference_gives_hinges_that_bend_like_the_t_pose() -> None:
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        turn = Rotation.from_rotvec(ICLONE.reference[f"CC_Base_{letter}_Upperarm"]).as_matrix()
        assert np.allclose(turn @ [0, 1, 0], [sign, 0, 0], atol=1e-3), side
        assert np.allclose(turn @ [0.859, 0, sign * 0.512], [0, -sign, 0], atol=2e-3), side


@pytest.mark.parametrize("end", [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (-0.3, 0.2, 0.9)])
def test_shortest_rotation_brings_one_direction_to_the_other(end: tuple[float, float, float]) -> None:
    turn = shortest_rotation(np.array([2.0, 0.0, 0.0]), np.array(end))
    assert np.allclose(turn @ [1, 0, 0], np.array(end) / np.linalg.norm(end))
    assert np.linalg.norm(Rotation.from_matrix(turn).as_rotvec()) == pytest.approx(
        np.arccos(end[0] / np.linalg.norm(end))
    )


def test_opposite_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="opposite"):
        shortest_rotation(np.array([1.0, 0, 0]), np.array([-1.0, 0, 0]))


def test_local_rotations_come_back_from_global_ones() -> None:
    local = Rotation.random(48, rng=np.random.default_rng(2)).as_matrix().reshape(2, 24, 3, 3)
    assert np.allclose(local_from_global(global_from_local(local)), local)


def test_resampling_keeps_the_speed_and_the_first_frame() -> None:
    pose = np.zeros((13, 24, 3), dtype=np.float32)
    pose[:, 4, 0] = np.linspace(0, 1.2, 13)
    trans = np.linspace(0, 1, 13, dtype=np.float32)[:, None] * np.ones(3, dtype=np.float32)
    thirty = resample(SmplMotion(pose, trans, 24.0), 30.0)
    assert len(thirty.pose) == 16
    assert np.allclose(np.diff(thirty.pose[:, 4, 0]), 0.1 * 24 / 30, atol=1e-5)
    assert np.array_equal(thirty.trans[0], trans[0])


def test_rest_legs_are_those_of_an_adult() -> None:
    assert 0.7 < leg_length(rest_joints()) < 0.85
