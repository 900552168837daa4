"""C3D, read by ezc3d."""

from pathlib import Path

import numpy as np
import pytest
from exported_run import scene_of

from configs.errors import RunError
from pipeline.export import c3d
from pipeline.export.people import Placement
from pipeline.export.scene import Scene
from pipeline.export.trc import MARKERS
from pipeline.flow.outputs import RunFolder

ezc3d = pytest.importorskip("ezc3d")


def test_ezc3d_finds_every_joint_of_everybody(tmp_path: Path, scene: Scene, wanted: dict[int, np.ndarray]) -> None:
    path = tmp_path / "people.c3d"
    c3d.write(path, scene, None)
    c3d.check(path, scene, None)
    read = ezc3d.c3d(str(path))
    point = read["parameters"]["POINT"]
    assert point["RATE"]["value"][0] == 30.0 and point["UNITS"]["value"] == ["mm"]
    assert (point["X_SCREEN"]["value"], point["Y_SCREEN"]["value"]) == (["+X"], ["+Z"])
    assert (read["header"]["points"]["first_frame"], read["header"]["points"]["last_frame"]) == (0, 89)
    names, points = point["LABELS"]["value"], read["data"]["points"]  # (4, N, T)
    for person in scene.people:
        places = [names.index(f"{person.name}:{marker}") for marker in MARKERS]
        found = points[:3, places].transpose(2, 1, 0) / 1000
        there = np.zeros(90, bool)
        there[person.first_sample : person.first_sample + person.count] = True
        assert np.linalg.norm(found[there] - wanted[person.number], axis=-1).max() < 0.001
        assert np.isnan(found[~there]).all()


def test_more_points_than_one_list_of_labels_holds(tmp_path: Path, scene: Scene) -> None:
    from dataclasses import replace

    crowd = replace(scene, people=[replace(scene.people[2], number=number) for number in range(1, 13)])
    c3d.write(tmp_path / "people.c3d", crowd, None)
    point = ezc3d.c3d(str(tmp_path / "people.c3d"))["parameters"]["POINT"]
    assert [*point["LABELS"]["value"], *point["LABELS2"]["value"]] == c3d.point_names(crowd)


def test_a_rate_that_is_no_whole_number_is_kept(tmp_path: Path, run_files: RunFolder) -> None:
    scene = scene_of(run_files, Placement(rate_hz=30000 / 1001))
    c3d.write(tmp_path / "people.c3d", scene, None)
    c3d.check(tmp_path / "people.c3d", scene, None)
    read = ezc3d.c3d(str(tmp_path / "people.c3d"))
    assert read["parameters"]["POINT"]["RATE"]["value"][0] == pytest.approx(29.97003)


def test_a_file_that_ends_early_is_refused(tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "people.c3d"
    c3d.write(path, scene, None)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(RunError, match="no whole C3D file when read back"):
        c3d.check(path, scene, None)
