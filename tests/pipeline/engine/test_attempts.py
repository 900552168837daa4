"""Tests of `pipeline.engine.attempts`, with a run that makes a file and no bodies."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.engine import attempts
from pipeline.engine.attempts import SCRATCH, Order, Scratch, UnitRunner
from pipeline.engine.manifest import Row
from pipeline.engine.result_store import ResultStore
from pipeline.engine.units import Unit
from pipeline.flow.atomic import write_json
from pipeline.flow.record import RunRecord, VideoRecord, describe_input
from pipeline.nodes.segments import Segment
from pipeline.run import ClipResult

Run = Callable[..., ClipResult]


def make_files(unit: Unit, output: Path, settings: RunSettings, *_: object) -> ClipResult:
    folder = output / unit.name
    (folder / "tracks").mkdir(parents=True, exist_ok=True)
    (folder / "tracks" / "person_001.npz").write_bytes(unit.clip.path.read_bytes())
    record = RunRecord(
        settings=settings.model_dump(mode="json"), status="done", video=VideoRecord(rate="25"), frames=50, people=1,
        **describe_input(unit.clip.path),
    )  # fmt: skip
    write_json(folder / "run.json", record.dump())
    return ClipResult(unit.name, folder, 1, 50, 1.0, "")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultStore:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(attempts, "run_unit", make_files)
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pipe_file("/clips/a.mp4", b"video")
    return ResultStore("memory://out")


def test_an_attempt_fetches_runs_uploads_commits_and_leaves_nothing(store: ResultStore, tmp_path: Path) -> None:
    runner = UnitRunner(RunSettings(), store, "cpu")
    outcome = runner.run(Order(Row(1, "a", "memory://clips/a.mp4"), "a-1", 1))
    row = outcome.row
    assert (row.status, row.frames, row.people, row.video_s) == ("done", 50, 1, 2.0)
    assert row.worker == f"{os.uname().nodename}:{os.getpid()}" and row.seconds <= outcome.seconds
    commit = store.read_commit("a-1")
    assert commit is not None and commit.rows == [row.dump()]
    assert row.folder == f"memory://out/_store/units/a-1/{commit.attempt}"
    assert store.read(f"_store/units/a-1/{commit.attempt}/tracks/person_001.npz") == b"video"
    record = json.loads(store.read(f"_store/units/a-1/{commit.attempt}/run.json") or b"")
    assert (record["input"], record["path"]) == ("a.mp4", "memory://clips/a.mp4")
    runner.close()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_unit_that_is_done_is_not_done_again(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = UnitRunner(RunSettings(), store, "cpu")
    first = runner.run(Order(Row(1, "a", "memory://clips/a.mp4"), "a-1", 1))
    monkeypatch.setattr(attempts, "run_unit", None)
    assert runner.run(Order(Row(1, "a", "memory://clips/a.mp4"), "a-1", 2)).row == first.row


def test_a_keypoint_file_is_fetched_and_named_by_its_url(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe_file("/clips/p.json", b"[]")
    seen = []

    def look(unit: Unit, output: Path, settings: RunSettings, *_: object) -> ClipResult:
        assert settings.detect.keypoints is not None
        seen.append(settings.detect.keypoints.read_bytes())
        return make_files(unit, output, settings)

    monkeypatch.setattr(attempts, "run_unit", look)
    runner = UnitRunner(RunSettings(), store, "cpu")
    folder = runner.run(Order(Row(1, "a", "memory://clips/a.mp4", "memory://clips/p.json"), "a-1", 1)).row.folder
    record = json.loads(store.read(f"{folder.removeprefix('memory://out/')}/run.json") or b"")
    assert seen == [b"[]"] and record["settings"]["detect"]["keypoints"] == "memory://clips/p.json"


def fails(error: Exception) -> Run:
    def run(unit: Unit, output: Path, *_: object) -> ClipResult:
        return ClipResult(unit.name, output / unit.name, 0, 0, 1.0, f"{unit.clip.path}: {error}", error)

    return run


@pytest.mark.parametrize(
    ("error", "is_final"), [(InputError("no video"), True), (OSError("disk"), False), (KeyError("x"), False)]
)
def test_a_failure_says_whether_it_would_come_again(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch, error: Exception, is_final: bool
) -> None:
    monkeypatch.setattr(attempts, "run_unit", fails(error))
    outcome = UnitRunner(RunSettings(), store, "cpu").run(Order(Row(1, "a", "memory://clips/a.mp4"), "a-1", 1))
    assert (outcome.row.status, outcome.is_final) == ("failed", is_final)
    assert outcome.row.reason.startswith("memory://clips/a.mp4: ")  # and not the place of the copy
    assert store.done() == set()


def test_what_is_wrong_with_the_clips_place_or_the_store_is_a_failure(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = UnitRunner(RunSettings(), store, "cpu")
    outcome = runner.run(Order(Row(1, "b", "memory://clips/none.mp4"), "b-1", 1))
    assert outcome.is_final and "no such file" in outcome.row.reason

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(store._objects, "upload", refuse)
    outcome = runner.run(Order(Row(1, "a", "memory://clips/a.mp4"), "a-1", 1))
    assert not outcome.is_final and "Access Denied" in outcome.row.reason


def test_what_a_killed_worker_left_is_removed_by_the_next(store: ResultStore, tmp_path: Path) -> None:
    mine = Scratch()
    left = tmp_path / "scratch" / f"{SCRATCH}left"
    (left / "input").mkdir(parents=True)
    other = Scratch()
    assert not left.exists() and mine.fresh().is_dir()
    mine.close()
    other.close()
    assert not list((tmp_path / "scratch").iterdir())


def test_a_long_clip_is_split_and_joined_from_the_store(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [Segment(number, 0, 0, None) for number in range(2)]
    monkeypatch.setattr(UnitRunner, "_segments", lambda self, unit, *_: parts if unit.segment is None else [])
    runner, row = UnitRunner(RunSettings(), store, "cpu"), Row(1, "a", "memory://clips/a.mp4")
    outcome = runner.run(Order(row, "a-1", 1))
    assert outcome.row.status == "split" and [each["number"] for each in outcome.segments] == [0, 1]

    def observe(unit: Unit, output: Path, *_: object) -> ClipResult:
        assert unit.segment is not None
        place = output / unit.clip.name / "segments" / f"{unit.segment.number:04d}" / "rows"
        place.mkdir(parents=True)
        (place / "state.npz").write_bytes(b"%d" % unit.segment.number)
        return ClipResult(unit.clip.name, output / unit.clip.name, 0, 25, 1.0, "")

    def join(unit: Unit, output: Path, settings: RunSettings, *_: object) -> ClipResult:
        found = [path.read_bytes() for path in sorted((output / "a" / "segments").rglob("state.npz"))]
        assert unit.segment is None and found == [b"0", b"1"]
        (output / "a" / "segments").rename(output / "segments")
        return make_files(unit, output, settings)

    monkeypatch.setattr(attempts, "run_unit", observe)
    keys = tuple(f"a-1.s{number:04d}" for number in range(2))
    for key, segment in zip(keys, outcome.segments, strict=True):
        done = runner.run(Order(row, key, 1, segment=segment)).row
        assert (done.status, done.frames, done.video_s) == ("done", 25, 0.0)
    assert store.done() == set(keys)
    monkeypatch.setattr(attempts, "run_unit", join)
    assert runner.run(Order(row, "a-1", 2, joined=keys)).row.status == "done"
    assert store.done() == {"a-1"}
