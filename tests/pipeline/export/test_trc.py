"""TRC, read as its description says; OpenSim itself is asked in test_real_readers.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.errors import RunError
from pipeline.export import trc
from pipeline.export.scene import Scene


@pytest.mark.parametrize(("unit", "name", "scale"), [("m", "m", 1), ("cm", "mm", 1000)])
def test_markers_are_the_joints_with_y_up(
    tmp_path: Path, scene: Scene, wanted: dict[int, np.ndarray], unit: str, name: str, scale: int
) -> None:
    person, path = scene.people[1], tmp_path / "person_002.trc"
    scene = replace(scene, unit=unit)
    trc.write(path, scene, person)
    trc.check(path, scene, person)
    lines = path.read_text().splitlines()
    assert lines[2].split("\t") == ["30", "30", "70", "24", name, "30", "21", "70"]
    assert lines[3].split("\t")[2::3][:3] == ["Hip", "LHip", "RHip"] and lines[5] == ""
    rows = np.array([[float(word) for word in line.split("\t")] for line in lines[6:]])
    np.testing.assert_allclose(rows[:, 0], 21 + np.arange(70))
    np.testing.assert_allclose(rows[:, 1], (20 + np.arange(70)) / 30, atol=1e-7)
    forward, up, right = (rows[:, 2:].reshape(70, 24, 3) / scale).transpose(2, 0, 1)
    found = np.stack([right, forward, up], axis=-1)
    assert np.linalg.norm(found - wanted[2], axis=-1).max() < 0.001


def test_a_lost_row_is_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "person_001.trc"
    trc.write(path, scene, scene.people[0])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match="the number of rows is 89 instead of 90 when read back"):
        trc.check(path, scene, scene.people[0])
