from pathlib import Path

import numpy as np

from pipeline.motion.library import MotionLibrary, TrackEntry, read_track, write_track


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
