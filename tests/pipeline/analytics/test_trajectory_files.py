from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.analytics.trajectories import Trajectories
from pipeline.analytics.trajectory_files import WRITERS, read_trajectories

SUFFIX = {"pedpy-text": ".txt", "pedpy-hdf5": ".h5", "trajnet": ".ndjson"}


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_is_read_again(kind: str, walkers: Trajectories, tmp_path: Path) -> None:
    path = tmp_path / f"people{SUFFIX[kind]}"
    WRITERS[kind](path, walkers)
    found = read_trajectories(path)
    assert found.rate_hz == walkers.rate_hz
    np.testing.assert_array_equal(found.person, walkers.person)
    np.testing.assert_array_equal(found.frame, walkers.frame)
    np.testing.assert_allclose(found.xy_m, walkers.xy_m, atol=1e-6)


def test_centimetres_are_read_as_metres(tmp_path: Path) -> None:
    path = tmp_path / "people.txt"
    path.write_text("# framerate: 16 fps\n# id frame x/cm y/cm z/cm\n1 0 100 200 0\n1 1 110 200 0\n")
    found = read_trajectories(path)
    assert found.rate_hz == 16
    np.testing.assert_allclose(found.xy_m, [[1, 2], [1.1, 2]])


def test_feet_of_a_mot_file_are_cast_by_the_homography(tmp_path: Path) -> None:
    path = tmp_path / "mot.txt"
    path.write_text("1,7,90,50,20,150,1,-1,-1,-1\n2,7,100,50,20,150,1,-1,-1,-1\n")
    found = read_trajectories(path, rate_hz=25, ground_from_image=np.diag([0.01, 0.02, 1.0]))
    np.testing.assert_allclose(found.xy_m, [[1.0, 4.0], [1.1, 4.0]])
    with pytest.raises(InputError, match="--homography"):
        read_trajectories(path, rate_hz=25)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "# framerate: 25\n# id frame x/m y/m\n1 0 0 0\n1 0 1 1\n", "person 1 is twice in frame 0"),
        ("a.txt", "# id frame x/m y/m\n1 0 0 0\n", "--fps"),
        ("a.txt", "# framerate: 25\n1 0 0 0\n", "unit"),
        ("a.txt", "# framerate: 25\n# id frame x/m y/m\n", "no rows"),
        ("a.txt", "# framerate: 25\n# id frame x/m y/m\n1 0 nan 0\n", "finite"),
        ("a.txt", "# framerate: 25\n# id frame x/m y/m\n1.5 0 1 0\n", "whole numbers"),
        ("a.ndjson", '{"track": {"f": 1, "p": 1}}\n', "line 1"),
        ("a.h5", "no hdf5", "HDF5"),
        ("a.xls", "", "ends in one of"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_trajectories(path)
