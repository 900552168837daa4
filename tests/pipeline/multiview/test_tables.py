"""Who was there, who saw them, and where their joints were."""

from pathlib import Path

import numpy as np
import polars
import pytest

from configs.skeletons import SMPL24
from pipeline.flow.outputs import RunFolder
from pipeline.motion.library import write_track
from pipeline.motion.posing import joint_positions, vertex_positions
from pipeline.multiview.tables import write_tables


def test_tables_hold_what_the_motions_say(tmp_path: Path, make_track, of_rig, stick_body) -> None:
    files = RunFolder(tmp_path)
    seen_by = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 0, 1]], bool)
    tracks = [
        of_rig(make_track(np.arange(4) / 10, frame_index=np.arange(20, 24), track_id=3), seen_by),
        of_rig(make_track(np.arange(2) / 10, track_id=11, seed=1), np.ones((2, 3), bool)),
    ]
    for track in tracks:
        files.motion(track.track_id).parent.mkdir(exist_ok=True)
        write_track(files.motion(track.track_id), track)
    claimed: list[Path] = []
    made = write_tables(files, ("left", "back", "right"), stick_body, claimed.extend)
    assert set(made) == set(claimed) == {files.people_table, *(tmp_path / "tables" / "joints").iterdir()}
    first, second = polars.read_csv(files.people_table).rows(named=True)
    rest = vertex_positions(stick_body, np.zeros((1, 24, 3)), tracks[0].betas, np.zeros((1, 3)))[0]
    assert first == {
        "person": 3, "first_frame": 20, "last_frame": 23, "seconds": 0.3, "camera_count": 2, "cameras": "left right",
        "view_count_mean": 1.667, "height_m": pytest.approx(np.ptp(rest[:, 1]), abs=1e-3),
    }  # fmt: skip
    assert (second["person"], second["last_frame"]) == (11, 1)
    table = polars.read_parquet(tmp_path / "tables" / "joints" / "*.parquet")
    assert len(table) == 6 * 24 and table["person"].unique().sort().to_list() == [3, 11]
    (row,) = table.filter(person=3, frame=21, joint="left_wrist").rows(named=True)
    joints = joint_positions(stick_body, tracks[0].pose, tracks[0].betas, tracks[0].trans)
    x, y, z = joints[1, list(SMPL24).index("left_wrist")]
    np.testing.assert_allclose([row["x_m"], row["y_m"], row["z_m"]], [x, z, -y], atol=1e-6)
    wrist = tracks[0].joint_confidence[1, list(SMPL24).index("left_wrist")]
    assert (row["view_count"], row["confidence"]) == (1, pytest.approx(wrist)) and row["time_s"] == pytest.approx(0.1)


def test_nobody_is_an_empty_table(tmp_path: Path, stick_body) -> None:
    (path,) = write_tables(RunFolder(tmp_path), ("a", "b"), stick_body, lambda paths: None)
    assert path.read_text() == "person,first_frame,last_frame,seconds,camera_count,cameras,view_count_mean,height_m\n"
