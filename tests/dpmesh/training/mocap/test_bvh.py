from collections.abc import Callable

import numpy as np
import pytest

from configs.errors import InputError
from dpmesh.training.mocap.bvh import parse_bvh

TWO_BONES = """HIERARCHY
ROOT base
{
  OFFSET 0 2 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT arm
  {
    OFFSET 1 0 0
    CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
    End Site
    {
      OFFSET 0 3 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
1 0 0 90 0 0 1 0 0 0 0 0
1 0 0 90 90 0 1 0 0 0 90 0
"""


def test_rotation_channels_apply_in_their_order_on_column_vectors() -> None:
    motion = parse_bvh(TWO_BONES)
    # Frame 1: R = Rz(90) Ry(90); its first column is where the arm's +X goes.
    assert np.allclose(motion.rotation[1, 0][:, 0], [0, 0, -1], atol=1e-12)
    assert np.allclose(motion.position[1, motion.joint("arm")], [1, 0, -1], atol=1e-12)


def test_an_end_site_becomes_a_joint_that_the_bone_carries() -> None:
    motion = parse_bvh(TWO_BONES)
    assert motion.names == ("base", "arm", "arm_end")
    assert np.allclose(motion.position[0, 2] - motion.position[0, 1], [-3, 0, 0], atol=1e-12)
    assert np.isclose(motion.rate_hz, 20.0)


def test_root_offset_is_added_only_when_asked() -> None:
    plain, added = parse_bvh(TWO_BONES), parse_bvh(TWO_BONES, add_root_offset=True)
    assert np.allclose(plain.position[0, 0], [1, 0, 0])
    assert np.allclose(added.position - plain.position, [0, 2, 0])


def test_zero_angles_leave_every_joint_at_rest(cgspeed_bvh: Callable[[list[dict]], str]) -> None:
    motion = parse_bvh(cgspeed_bvh([{}]))
    assert np.allclose(motion.rotation, np.eye(3))
    assert np.allclose(motion.position[0] - motion.position[0, 0], motion.rest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("HIERARCHY\nROOT a\n{\n}\n", "no MOTION"),
        (TWO_BONES.replace("Frames: 2", "Frames: 3"), "announces 3 frames and has 2"),
        (TWO_BONES.replace("CHANNELS 6 Xposition Yposition Zposition Z", "CHANNELS 3 Z"), "12 numbers"),
        (TWO_BONES.replace("90 90 0 1", "90 x 0 1"), "cannot be read"),
    ],
)
def test_broken_files_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_bvh(text)
