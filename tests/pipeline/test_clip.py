"""Whose files a clip takes for what: people by number, folders by input. Nobody is looked for."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from configs.schema import RunSettings
from pipeline.clip import Clip
from pipeline.flow.inputs import find_clips, find_inputs
from pipeline.flow.line import StageClock
from pipeline.flow.record import read_record
from pipeline.media import VideoWriter
from pipeline.motion.library import MotionLibrary
from pipeline.nodes import context, export
from pipeline.run import ClipResult, plan_clips, run_clips


class Silent:
    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


def make_video(path: Path, grey: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 64, 48, Fraction(25)) as video:
        for _ in range(3):
            video.write(np.full((48, 64, 3), grey, np.uint8))
    return path


Run = Callable[..., ClipResult]


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    (tmp_path / "nobody.json").write_text("[]")
    tree = {"detect": {"keypoints": str(tmp_path / "nobody.json")}, "overlay": {"is_written": False}}
    return RunSettings.model_validate(tree | {"refine": {"mode": "off"}, "runtime": {"device": "cpu"}})


@pytest.fixture
def run(tmp_path: Path, settings: RunSettings) -> Run:
    def call(source: Path, output: Path = tmp_path / "out") -> ClipResult:
        clips = find_clips([str(source)])
        [result] = run_clips(clips, output, settings, "cpu", lambda name: Silent(), lambda result: None)
        return result

    return call


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_video_of_the_same_name_does_not_take_over_the_run_of_another(
    tmp_path: Path, run: Run, settings: RunSettings
) -> None:
    first, second = make_video(tmp_path / "cam1" / "clip.mp4"), make_video(tmp_path / "cam2" / "clip.mp4", grey=90)
    done = run(first)
    assert not done.is_failed
    record = json.loads((done.folder / "run.json").read_text())
    assert (record["input"], record["path"], len(record["content"])) == ("clip.mp4", str(first.resolve()), 16)
    before = files(done.folder)
    refused = run(second)
    assert refused.is_failed and f"holds the run of {first.resolve()}" in refused.problem
    [plan] = plan_clips(find_clips([str(second)]), tmp_path / "out", settings)
    assert plan.problem == refused.problem
    second.write_text("not a video")
    assert run(second).is_failed and files(done.folder) == before
    second.unlink()
    second.mkdir()
    (second / "1.jpg").write_text("not an image")
    assert run(second).is_failed and files(done.folder) == before
    moved = first.rename(tmp_path / "clip.mp4")
    [plan] = plan_clips(find_clips([str(moved)]), tmp_path / "out", settings)
    assert all(node.is_current for node in plan.nodes)


def test_a_video_that_changes_while_it_is_read_is_a_failed_run_of_nothing(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path / "clip.mp4")
    read = context.read_frames

    def growing(*given: Any, **named: Any) -> Iterator[Any]:
        yield from read(*given, **named)
        with open(source, "ab") as file:
            file.write(b"more")

    with monkeypatch.context() as patch:
        patch.setattr(context, "read_frames", growing)
        failed = run(source)
    assert failed.is_failed and "clip.mp4: was changed while it was read" in failed.problem
    assert read_record(failed.folder).status == "failed" and not list((failed.folder / "observations").iterdir())
    assert run(source).frame_count == 3


def test_a_run_that_is_anonymous_does_not_tell_the_name_of_its_video(tmp_path: Path, settings: RunSettings) -> None:
    video = make_video(tmp_path / "private" / "bank_robbery.mp4")
    hidden = RunSettings.model_validate(
        settings.model_dump(mode="json", exclude={"overlay"}) | {"privacy": {"is_anonymous": True}}
    )
    for _ in range(2):  # the second time, the folder is known to be this video's
        [clip] = find_inputs([str(video)], hidden)
        [result] = run_clips([clip], tmp_path / "out", hidden, "cpu", lambda name: Silent(), lambda result: None)
        assert not result.is_failed, result.problem
    assert clip.name.startswith("clip_") and (tmp_path / "out" / clip.name / "overlay.mp4").exists()
    for path in (tmp_path / "out").rglob("*"):
        assert "bank_robbery" not in path.name
        assert path.is_dir() or b"bank_robbery" not in path.read_bytes(), path


def test_an_image_folder_is_not_written_into_itself(tmp_path: Path, run: Run) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.jpg").write_bytes(b"x")
    for output in (tmp_path, tmp_path / "frames"):
        result = run(tmp_path / "frames", output)
        assert result.is_failed and "results would go into the images" in result.problem
    assert list(files(tmp_path / "frames")) == ["1.jpg"]


def test_a_hostile_record_deletes_nothing(tmp_path: Path, run: Run) -> None:
    source, victim = make_video(tmp_path / "clip.mp4"), tmp_path / "victim.txt"
    victim.write_text("x")
    names = {"../../victim.txt": 1, str(victim): 1}
    (tmp_path / "out" / "clip").mkdir(parents=True)
    (tmp_path / "out" / "clip" / "nodes.json").write_text(
        json.dumps({name: {"fingerprint": "a", "files": names} for name in ("observe", "overlay")})
    )
    assert not run(source).is_failed and victim.exists()


def test_results_of_somebody_else_are_refused_before_anything_is_written(tmp_path: Path, run: Run) -> None:
    source, theirs = make_video(tmp_path / "clip.mp4"), tmp_path / "out" / "clip" / "tracks" / "person_001.npz"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    result = run(source)
    assert result.is_failed and f"{theirs}: no run made this file" in result.problem
    assert list(files(tmp_path / "out")) == ["clip/tracks/person_001.npz"]


def test_person_1000_is_one_person_in_every_file(
    tmp_path: Path, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers, exported = [1, 100, 101, 999, 1000, 1001], {}
    info = SimpleNamespace(path=tmp_path / "clip.mp4")
    models = SimpleNamespace(body=lambda: None)
    clip = Clip(info, tmp_path / "out", settings, models, Silent(), StageClock())  # type: ignore[arg-type]
    (clip.folder / "motion").mkdir(parents=True)
    for number in numbers:
        np.savez(clip.folder / "motion" / f"person_{number:03d}.npz", frame_index=np.array([0]))
    (clip.folder / "motion" / "person_001_edited.npz").write_text("mine")
    monkeypatch.setattr(export, "read_track", lambda path: path.name)
    monkeypatch.setattr(export, "write_motion", lambda path, track, *_, **__: exported.update({path.name: track}))
    monkeypatch.setattr(export, "measure_quality", lambda path, *_: path.stem)
    monkeypatch.setattr(export, "write_quality", lambda path, people: exported.update({path.name: people}))
    export.export_motion(clip, lambda paths: None)
    assert exported.pop("quality.json") == [f"person_{number:03d}" for number in numbers]
    assert exported == {name: name for name in (f"person_{number:03d}.npz" for number in numbers)}
    library = MotionLibrary.of_files(clip.files.motions())
    monkeypatch.setattr("pipeline.motion.library.read_track", lambda path: SimpleNamespace(path=path))
    monkeypatch.setattr("pipeline.motion.library.replace", lambda track, track_id: (track.path.name, track_id))
    assert list(library) == [(f"person_{number:03d}.npz", number) for number in numbers]


@pytest.mark.parametrize(
    ("section", "values", "is_current"),
    [
        ("runtime", {"threads": 2}, True),
        ("runtime", {"prefetch_frames": 3}, True),
        ("runtime", {"chunk_frames": 7}, False),
        ("recover", {"batch_rows": 3}, False),
        ("recover", {"dtype": "bfloat16"}, False),
    ],
)
def test_what_changes_a_byte_begins_a_run_anew_and_the_number_of_cores_does_not(
    section: str, values: dict, is_current: bool, tmp_path: Path, run: Run, settings: RunSettings
) -> None:
    clip = make_video(tmp_path / "clip.mp4")
    assert not run(clip).is_failed
    changed = getattr(settings, section).model_copy(update=values)
    [plan] = plan_clips(find_clips([str(clip)]), tmp_path / "out", settings.model_copy(update={section: changed}))
    assert [node.is_current for node in plan.nodes if node.name == "observe"] == [is_current]


def test_another_device_begins_a_run_anew(
    tmp_path: Path, run: Run, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_video(tmp_path / "clip.mp4")
    assert not run(clip).is_failed
    monkeypatch.setattr("pipeline.clip.device_kind", lambda device: "another GPU")
    [plan] = plan_clips(find_clips([str(clip)]), tmp_path / "out", settings)
    assert not plan.nodes[0].is_current
