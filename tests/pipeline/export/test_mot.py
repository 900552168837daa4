from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, RunError
from pipeline.export import mot
from pipeline.export.scene import Scene


def test_lines_are_boxes_at_the_frames_of_the_video(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.txt"
    mot.write(path, scene, None)
    mot.check(path, scene, None)
    rows = np.loadtxt(path, delimiter=",")
    assert rows.shape == (200 - 6, 10)  # each of the three has two frames that were filled in
    second = rows[rows[:, 1] == 2]
    assert second[0, 0] == 21 and (second[:, 7:] == -1).all()  # frames count from 1
    np.testing.assert_allclose(second[0, 2:6], [120, 70, 50, 200])
    path.write_text(path.read_text().replace("21,2,120.00", "21,2,121.00"))
    with pytest.raises(RunError, match="lines of person_002 differ"):
        mot.check(path, scene, None)


def test_a_capture_has_no_one_image(make_track, of_rig) -> None:
    track = of_rig(make_track(np.arange(5) / 30), np.ones((5, 2), bool))
    with pytest.raises(InputError, match="several cameras"):
        next(mot.mot_lines(track))
