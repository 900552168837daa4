import numpy as np
from adult_skeleton import rest_joints

from dpmesh.training.mocap.check import LIMBS, angle_between
from dpmesh.training.mocap.retarget import LIMB_CHILD
from dpmesh.training.mocap.skeleton import JOINT_INDEX
from dpmesh.training.mocap.target import body_rest_joints


def test_the_open_body_rests_in_the_pose_of_the_table() -> None:
    body, table = body_rest_joints(), rest_joints()
    assert np.allclose(body[0], 0)
    for part in LIMBS.values():
        for side in ("left", "right"):
            first, second = JOINT_INDEX[f"{side}_{part}"], JOINT_INDEX[f"{side}_{LIMB_CHILD[part]}"]
            assert np.degrees(angle_between(body[second] - body[first], table[second] - table[first])) < 5.0
