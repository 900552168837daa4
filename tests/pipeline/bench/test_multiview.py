"""What Pose2Sim is given of a capture, and how its answer is read; the peer itself is not installed here."""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from configs.errors import RunError
from dpmesh.body import load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.bench.multiview import NAMES, read_trc, run_peer, write_project
from pipeline.multiview.views import View, view_of

FRAMES = 3


@pytest.fixture(scope="module")
def views() -> list[View]:
    walkers = Walkers(load_body(None), 2, FRAMES)
    ids = [[1] * FRAMES, [0, 2, 2]]
    return [view_of(camera, walkers.seen_by(camera, ids, noise_px=0.0)) for camera in cameras_round(2)]


def test_every_frame_of_every_camera_has_a_file_with_whom_it_saw(views: list[View], tmp_path: Path) -> None:
    write_project(tmp_path, views)
    rig = tomllib.loads((tmp_path / "calibration" / "Calib.toml").read_text())
    assert list(rig) == ["cam01", "cam02"] and rig["cam01"]["translation"] == views[0].camera.translation_m.tolist()
    people = [
        json.loads((tmp_path / "pose" / "cam02_json" / f"cam02_{frame:06d}.json").read_text())["people"]
        for frame in range(FRAMES)
    ]
    assert [len(each) for each in people] == [1, 2, 2]
    points = np.array(people[0][0]["pose_keypoints_2d"]).reshape(17, 3)
    camera, focal = views[1].camera, views[1].camera.focal_px
    seen = camera.to_camera(Walkers(load_body(None), 2, FRAMES).joints(0)[0])
    np.testing.assert_allclose(points[:, :2], focal * seen[:, :2] / seen[:, 2:] + camera.matrix[:2, 2], atol=1.0)


def test_joints_of_a_trc_file_come_back_z_up(tmp_path: Path) -> None:
    names = ["RKnee", "Hip", "LHip"]
    head = "\t".join(["Frame#", "Time", *(cell for name in names for cell in (name, "", ""))])
    lines = ["PathFileType", "DataRate", "30", head, "\t\tX1\tY1\tZ1", "7\t0.2\t1.0\t2.0\t3.0\t\t\t\t4.0\t5.0\t6.0"]
    (tmp_path / "one.trc").write_text("\n".join(lines) + "\n")
    found = read_trc(tmp_path / "one.trc")
    assert found.frame_index.tolist() == [7]
    np.testing.assert_array_equal(found.joints_m[0, NAMES.index("RKnee")], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(found.joints_m[0, NAMES.index("LHip")], [6.0, 4.0, 5.0])
    assert np.isnan(found.joints_m[0, 0]).all()


def test_a_peer_that_is_not_there_is_said(views: list[View]) -> None:
    with pytest.raises(RunError, match=r"(?s)Pose2Sim failed: .*No module named"):
        run_peer(Path(sys.executable), views, 30.0, is_crowd=False)
