"""Which units clips have, and what follows when they end, without doing any."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, RunError
from configs.lock import locked
from configs.read import as_settings
from configs.schema import RunSettings
from pipeline.engine.schedule import Schedule
from pipeline.engine.units import Unit
from pipeline.flow.inputs import ClipInput, find_clips
from pipeline.media import VideoWriter
from pipeline.run import ClipResult


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[ClipInput]:
    """Return a long clip, a short one and one that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in (("a_long", 64), ("b_short", 4)):
        with VideoWriter(folder / f"{name}.mp4", 32, 32, Fraction(8)) as video:
            for _ in range(frames):
                video.write(np.zeros((32, 32, 3), np.uint8))
    (folder / "c_broken.mp4").write_bytes(bytes(300))
    return find_clips([str(folder)])


def settings(**more: object) -> RunSettings:
    return as_settings({"runtime.segment_s": 2.0, "runtime.chunk_frames": 4, "detect.weights": "bundled"} | more)


def ended(unit: Unit, output: Path, error: Exception | None = None) -> ClipResult:
    return ClipResult(unit.clip.name, output / unit.clip.name, 0, 0, 0.1, str(error or ""), error)


class Told:
    """Which clips ended."""

    def __init__(self) -> None:
        self.results: list[ClipResult] = []

    def __call__(self, result: ClipResult) -> None:
        self.results.append(result)

    @property
    def names(self) -> list[str]:
        return [result.name for result in self.results]


def status(folder: Path) -> tuple[str, str]:
    found = json.loads((folder / "run.json").read_text())
    return found["status"], found.get("problem", "")


def test_segments_come_first_and_the_clip_follows_the_last_of_them(clips: list[ClipInput], tmp_path: Path) -> None:
    told = Told()
    with Schedule(tmp_path, settings(), "cpu", told) as schedule:
        units = list(schedule.begin(clips))
        segments = [unit for unit in units if unit.segment is not None]
        assert [unit.clip.name for unit in units if unit.segment is None] == ["b_short", "c_broken"]
        assert len(segments) > 2 and {unit.clip.name for unit in segments} == {"a_long"}
        for unit in segments[:-1]:
            assert schedule.end(unit, ended(unit, tmp_path)) == []
        assert not told.names
        last = schedule.end(segments[-1], ended(segments[-1], tmp_path))
        assert last == [Unit(clips[0])]
        assert schedule.end(last[0], ended(last[0], tmp_path)) == []
        assert told.names == ["a_long"] and list(schedule.results) == [clips[0]]


def test_a_clip_is_locked_while_its_segments_are_at_work(clips: list[ClipInput], tmp_path: Path) -> None:
    with Schedule(tmp_path, settings(), "cpu", Told()) as schedule:
        segments = list(schedule.begin(clips[:1]))
        with pytest.raises(RunError, match="another run is writing here"), locked(tmp_path / "a_long"):
            pass
        for unit in segments:
            schedule.end(unit, ended(unit, tmp_path))
        with locked(tmp_path / "a_long"):
            pass


def test_what_is_left_in_the_middle_is_recorded_as_stopped(clips: list[ClipInput], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Schedule(tmp_path, settings(), "cpu", Told()) as schedule:
        list(schedule.begin(clips[:1]))
        assert status(tmp_path / "a_long")[0] == "running"
        raise KeyboardInterrupt
    assert status(tmp_path / "a_long")[0] == "stopped"


def test_a_segment_that_failed_fails_again_with_its_clip_which_records_it(
    clips: list[ClipInput], tmp_path: Path
) -> None:
    told = Told()
    with Schedule(tmp_path, settings(), "cpu", told) as schedule:
        follow = []
        for unit in list(schedule.begin(clips[:1])):
            follow += schedule.end(unit, ended(unit, tmp_path, InputError("is damaged")))
        assert follow == [Unit(clips[0])] and not told.names


@pytest.mark.parametrize("row", [0, 1])
def test_a_unit_that_was_given_up_ends_its_clip_and_is_recorded(
    clips: list[ClipInput], tmp_path: Path, row: int
) -> None:
    told = Told()
    with Schedule(tmp_path, settings(), "cpu", told) as schedule:
        units = list(schedule.begin([clips[row]]))
        result = ended(units[0], tmp_path, RunError("its worker process ended"))
        assert schedule.end(units[0], result, is_given_up=True) == []
        for unit in units[1:]:
            assert schedule.end(unit, ended(unit, tmp_path)) == []
    assert told.names == [clips[row].name] and isinstance(told.results[0].error, RunError)
    assert status(tmp_path / clips[row].name) == ("failed", "its worker process ended")


def test_without_segments_every_clip_is_one_unit(clips: list[ClipInput], tmp_path: Path) -> None:
    with Schedule(tmp_path, settings(**{"runtime.segment_s": "off"}), "cpu", Told()) as schedule:
        assert list(schedule.begin(clips)) == [Unit(clip) for clip in clips]
    assert not list(tmp_path.iterdir())
