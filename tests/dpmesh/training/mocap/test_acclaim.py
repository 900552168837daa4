import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.errors import InputError
from dpmesh.training.mocap.acclaim import EXPMAP_JOINTS, parse_amc, parse_asf, parse_expmap

ASF = """# made for a test
:version 1.10
:units
  length 0.45
:root
  order TX TY TZ RX RY RZ
:bonedata
  begin
     id 1
     name lfemur
     direction 0.342 -0.94 0
     length 7
     axis 0 0 20 XYZ
     dof rx ry rz
  end
  begin
     id 2
     name ltibia
     direction 0.342 -0.94 0
     length 6
     axis 0 0 20 XYZ
     dof rx
  end
:hierarchy
  begin
    root lfemur
    lfemur ltibia
  end
"""
AMC = """:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
lfemur 0 0 0
ltibia 90
2
root 1 2 3 0 0 0
lfemur 0 0 -20
ltibia 0
"""


def test_bones_hang_end_to_start_and_leaves_get_an_end() -> None:
    motion = parse_amc(AMC, parse_asf(ASF), 120.0)
    assert motion.names == ("root", "lfemur", "ltibia", "ltibia_end")
    straight = motion.position[1]
    assert np.allclose(straight[0], [1, 2, 3])
    assert np.allclose(straight[1], straight[0])
    # 20 degrees back about Z undo the splay of the zero pose
    assert np.allclose(straight[3] - straight[1], [0, -13, 0], atol=0.01)


def test_a_knee_turns_about_its_own_axis_frame() -> None:
    motion = parse_amc(AMC, parse_asf(ASF), 120.0)
    knee = motion.rotation[0, 1].T @ motion.rotation[0, 2]
    axis = Rotation.from_matrix(knee).as_rotvec(degrees=True)
    assert np.allclose(axis, 90 * np.array([np.cos(np.radians(20)), np.sin(np.radians(20)), 0]), atol=1e-9)
    assert np.allclose(motion.rotation[0, 0] @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_a_frame_without_a_bone_is_an_error() -> None:
    with pytest.raises(InputError, match="ltibia"):
        parse_amc(AMC.replace("ltibia 0\n", ""), parse_asf(ASF), 120.0)


def test_a_bone_without_length_is_an_error() -> None:
    with pytest.raises(InputError, match=r"lfemur.*length"):
        parse_asf(ASF.replace("     length 7\n", ""))


def test_expmap_rows_turn_the_other_way_than_columns() -> None:
    row = np.zeros(3 + 3 * len(EXPMAP_JOINTS))
    knee = EXPMAP_JOINTS.index("ltibia")
    row[3 + 3 * knee : 6 + 3 * knee] = [-0.9 * np.cos(0.35), -0.9 * np.sin(0.35), 0]
    motion = parse_expmap(",".join(str(value) for value in row) + "\n", 30.0)
    hip, ankle = motion.position[0, motion.joint("lfemur")], motion.position[0, motion.joint("lfoot")]
    thigh = motion.position[0, motion.joint("ltibia")] - hip
    shin = ankle - motion.position[0, motion.joint("ltibia")]
    assert shin[2] < -1.0  # the shin swings backwards
    assert np.isclose(np.arccos(thigh @ shin / np.linalg.norm(thigh) / np.linalg.norm(shin)), 0.9, atol=0.01)


def test_expmap_rows_of_another_width_are_an_error() -> None:
    with pytest.raises(InputError, match="117"):
        parse_expmap("1,2,3\n", 30.0)
