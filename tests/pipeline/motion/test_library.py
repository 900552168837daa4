from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, RunError
from configs.npz_files import read_npz
from pipeline.flow.atomic import write_npz
from pipeline.motion.library import MotionLibrary, TrackEntry, read_track, write_track
from pipeline.types import OF_CAMERA


def test_people_are_loaded_once_when_reached_and_let_go_after(make_track) -> None:
    loads: list[str] = []

    def entry(name: str, first: int, last: int) -> TrackEntry:
        def load():
            loads.append(name)
            return make_track(np.arange(3) / 10)

        return TrackEntry(first, last, load)

    library = MotionLibrary([entry("a", 0, 10), entry("b", 8, 30)])
    assert [len(library.between(first, first + 3)) for first in (0, 4, 8, 12, 28, 31)] == [1, 1, 2, 1, 1, 0]
    assert loads == ["a", "b"]


def test_a_track_comes_back_from_its_file_and_is_numbered_by_place(tmp_path: Path, make_track) -> None:
    track = make_track(np.arange(5) / 10)
    for name in ("person_001.npz", "person_002.npz"):
        write_track(tmp_path / name, track)
    found = read_track(tmp_path / "person_001.npz")
    assert all(np.array_equal(getattr(found, name), getattr(track, name)) for name in ("pose", "trans", "time_s"))
    assert found.track_id == track.track_id
    library = MotionLibrary.of_files([tmp_path / "person_001.npz", tmp_path / "person_002.npz"])
    assert [person.track_id for person in library] == [1, 2]


def test_a_track_of_several_cameras_comes_back_without_what_is_of_one(tmp_path: Path, make_track, of_rig) -> None:
    seen_by = np.array([[1, 0], [0, 0], [1, 1]], bool)
    write_track(tmp_path / "person_001.npz", of_rig(make_track(np.arange(3) / 15), seen_by))
    assert not set(OF_CAMERA) & set(np.load(tmp_path / "person_001.npz"))
    found = read_track(tmp_path / "person_001.npz")
    np.testing.assert_array_equal(found.seen_by, seen_by)
    assert not found.has_camera and found.keypoints.shape == (3, 17, 3) and not found.keypoints.any()


@pytest.mark.parametrize("name", ["pose", "trans", "betas"])
def test_motion_that_is_not_finite_is_not_written(tmp_path: Path, make_track, name: str) -> None:
    track = make_track(np.arange(5) / 10)
    getattr(track, name)[1] = np.nan
    with pytest.raises(RunError, match=rf"person_001 has a {name} that is not finite"):
        write_track(tmp_path / "person_001.npz", track)
    assert not list(tmp_path.iterdir())


def damaged_motion(path: Path, how: str) -> None:
    """Spoil a file of `write_track`."""
    arrays = read_npz(path)
    if how == "a key too few":
        del arrays["pose"]
    elif how == "no track_id":
        del arrays["track_id"]
    elif how == "a key too many":
        arrays["colour"] = np.zeros(3)
    elif how == "a wrong length":
        arrays["trans"] = arrays["trans"][:-1]
    write_npz(path, arrays)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()


HOW = ("a key too few", "no track_id", "a key too many", "a wrong length", "cut", "empty", "gone")


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_motion_is_refused_with_what_to_do(tmp_path: Path, make_track, how: str) -> None:
    path = tmp_path / "person_001.npz"
    write_track(path, make_track(np.arange(5) / 10))
    damaged_motion(path, how)
    with pytest.raises(InputError, match=r"person_001\.npz: not a motion of this version .*; run the clip again"):
        read_track(path)
