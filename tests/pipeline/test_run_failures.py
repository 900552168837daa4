"""Whatever happens to one clip is a failed result of that clip, and nothing of its folder lies about it."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

import pipeline.nodes.context
import pipeline.run
from configs.errors import InputError, SettingsError, WeightsError
from configs.schema import RunSettings
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from pipeline.clip import Clip
from pipeline.flow.graph import PlannedNode
from pipeline.flow.inputs import find_clips
from pipeline.flow.record import read_finished, read_record
from pipeline.media import VideoInfo, VideoWriter
from pipeline.models import Models
from pipeline.run import ClipResult, exit_code, plan_clips, run_clip, run_clips
from pipeline.types import Frame

FRAMES, WIDTH, HEIGHT = 6, 96, 64


class Silent:
    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    DPMesh(**NetworkConfig(TINY_BACKBONE, TINY_REGRESSOR).to_mappings()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks of this size gain nothing from more, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two short videos, `a.mp4` and `b.mp4`, and the keypoints of one person for each."""
    folder = tmp_path_factory.mktemp("clips")
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for name in ("a", "b"):
        with VideoWriter(folder / f"{name}.mp4", WIDTH, HEIGHT, Fraction(25)) as video:
            for index in range(FRAMES):
                video.write(picture, index / 25)
    xs, ys = 48 + 6 * np.tile([1, -1], 9)[:17], np.linspace(12, 50, 17)
    points = np.column_stack([xs, ys, np.full(17, 0.9)]).ravel().tolist()
    people = [{"image_id": index, "category_id": 1, "keypoints": points, "score": 0.9} for index in range(FRAMES)]
    (folder / "keypoints.json").write_text(json.dumps(people))
    return folder


@pytest.fixture
def settings(clips: Path, model_folder: Path) -> RunSettings:
    return RunSettings.model_validate(
        {
            "detect": {"keypoints": str(clips / "keypoints.json")},
            "recover": {"model": str(model_folder)},
            "link": {"frames_min": 1},
            "refine": {"mode": "off"},
            "runtime": {"chunk_frames": 3, "device": "cpu"},
            "overlay": {"is_written": False},
        }
    )


def run(given: Path, output: Path, settings: RunSettings) -> list[ClipResult]:
    return run_clips(find_clips([str(given)]), output, settings, "cpu", lambda name: Silent(), lambda result: None)


def results_of(folder: Path) -> dict[str, bytes]:
    names = (path for part in ("motion", "tracks", "observations") for path in (folder / part).rglob("*.npz"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


def av_error() -> Exception:
    return av.error.PatchWelcomeError(-1163346256, "Not yet implemented in FFmpeg, patches welcome")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ValueError("no axis\nmore"), "a: unexpected ValueError: no axis; the traceback is in"),
        (lambda: RecursionError("too deep"), "a: unexpected RecursionError: too deep; the traceback is in"),
        (lambda: torch.linalg.LinAlgError("singular"), "a: unexpected"),
        (av_error, "a: unexpected PatchWelcomeError"),
        (lambda: UnicodeEncodeError("utf-8", "\udcdf", 0, 1, "no"), "a: unexpected UnicodeEncodeError"),
        (MemoryError, "a: out of memory"),
        (lambda: FileNotFoundError(errno.ENOENT, "No such file or directory", "a.mp4"), "a: a.mp4: No such file"),
        (lambda: OSError(errno.EIO, "Input/output error"), "a: Input/output error"),
        (lambda: InputError("a.mp4: is broken; copy it again"), "a.mp4: is broken; copy it again"),
    ],
)
@pytest.mark.parametrize("place", ["probe", "plan", "graph"])
def test_whatever_a_clip_raises_costs_only_that_clip(
    make: Callable[[], Exception],
    told: str,
    place: str,
    clips: Path,
    settings: RunSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reached = []

    def failing(*arguments: object, **named: object) -> list[PlannedNode]:
        where = getattr(arguments[0], "folder", arguments[0])  # a `Clip`, or the video's path
        reached.append(str(where))
        if Path(str(where)).stem == "a":
            raise make()
        raise InputError("b.mp4: reached")

    (tmp_path / "out" / "a").mkdir(parents=True)
    if place == "probe":
        monkeypatch.setattr(pipeline.run, "probe", failing)
    elif place == "plan":
        monkeypatch.setattr(Clip, "plan", failing)
    else:
        monkeypatch.setattr(Clip, "plan", lambda work: [])
        monkeypatch.setattr(Clip, "graph", failing)
    failed, other = run(clips, tmp_path / "out", settings)
    assert failed.is_failed and failed.problem.startswith(told) and "\n" not in failed.problem
    assert other.problem == "b.mp4: reached" and len(reached) == 2
    assert exit_code([failed, other]) == 1
    record = read_record(tmp_path / "out" / "a")
    assert record.status == "failed" and record.problem and failed.problem.startswith(record.problem)
    log = tmp_path / "out" / "a" / "error.log"
    assert log.read_text().startswith("dpmesh-video ") and "Traceback (most recent call last)" in log.read_text()
    assert "traceback" not in failed.problem or str(log) in failed.problem
    if place != "graph":
        planned = plan_clips(find_clips([str(clips)]), tmp_path / "out", settings)
        assert [plan.is_failed for plan in planned] == [True, True] and exit_code(planned) == 1


def test_what_a_reading_thread_raises_is_told_and_the_log_goes_when_the_clip_is_done(
    clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pipeline.nodes.context.read_frames

    def surprising(info: VideoInfo, *arguments: object, **named: object) -> Iterator[Frame]:
        frames = plain(info, *arguments, **named)  # type: ignore[arg-type]
        yield next(frames)
        if info.path.stem == "a":
            raise ZeroDivisionError("in the thread")
        yield from frames

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.nodes.context, "read_frames", surprising)
        failed, done = run(clips, tmp_path, settings)
    assert failed.is_failed and "unexpected ZeroDivisionError: in the thread" in failed.problem
    assert not done.is_failed and done.frame_count == FRAMES and exit_code([failed, done]) == 3
    with pytest.raises(InputError, match="the last run there failed"):
        read_finished(failed.folder)
    assert "surprising" in (failed.folder / "error.log").read_text()
    assert not (done.folder / "error.log").exists()
    again, still = run(clips, tmp_path, settings)
    assert not again.is_failed and not still.is_failed
    assert not (again.folder / "error.log").exists()


@pytest.mark.parametrize("error", [SettingsError("refine.x: no"), WeightsError("body.npz: is broken")])
def test_what_every_clip_would_raise_is_told_once_and_goes_up(
    error: Exception, clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("pipeline.nodes.segments.make_observations", failing)
    with pytest.raises(type(error)):
        run(clips, tmp_path, settings)
    assert read_record(tmp_path / "a").status == "failed" and not (tmp_path / "b").exists()


def test_a_run_that_was_stopped_says_so(
    clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.nodes.segments.make_observations", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(clips / "a.mp4", tmp_path, settings)
    assert read_record(tmp_path / "a").status == "stopped"
    with pytest.raises(InputError, match="was stopped; run the clip again to resume it"):
        read_finished(tmp_path / "a")


def test_a_log_that_is_the_users_own_is_left_alone(
    clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "error.log").write_text("mine")
    monkeypatch.setattr(Clip, "plan", lambda work: 1 / 0)
    [failed] = run(clips / "a.mp4", tmp_path, settings)
    assert (tmp_path / "a" / "error.log").read_text() == "mine"
    kept = Path(failed.problem.rpartition(" ")[2])
    assert kept.parent == tmp_path and "ZeroDivisionError" in kept.read_text()


def test_a_disk_that_is_full_at_any_moment_fails_the_clip_and_spoils_nothing(
    clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [clip], models, plain, calls = find_clips([str(clips / "a.mp4")]), Models(settings, "cpu"), os.fsync, [0]

    def counting(handle: int) -> None:
        calls[0] += 1
        plain(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counting)
        whole = run_clip(clip, tmp_path / "whole", settings, models, Silent())
    # Twice for each of: run.json, two shards with their states, the last state, motion, track, three times nodes.json,
    # run.json. Three of these places are tried, the first and the last among them; more in test_full_disk.py.
    assert calls[0] >= 20
    for place in np.linspace(0, calls[0] - 1, 3).round():
        output, left = tmp_path / f"full_{place:.0f}", [int(place)]

        def full(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:  # and from then on
                raise OSError(errno.ENOSPC, "No space left on device")
            plain(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            failed = run_clip(clip, output, settings, models, Silent())
        assert failed.is_failed and exit_code([failed]) == 1
        assert "the disk is full (No space left on device); free space" in failed.problem, failed.problem
        assert str(output / "a") in failed.problem and "\n" not in failed.problem
        assert not list(output.rglob("*.part"))
        if (output / "a" / "run.json").exists():
            assert read_record(output / "a").status == "failed"
        done = run_clip(clip, output, settings, models, Silent())
        assert not done.is_failed and read_finished(done.folder).status == "done"
        assert results_of(done.folder) == results_of(whole.folder)


def test_an_overlay_that_finds_the_disk_full_leaves_no_part(
    clips: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shown = settings.model_copy(update={"overlay": settings.overlay.model_copy(update={"is_written": True})})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        [failed] = run(clips / "a.mp4", tmp_path, shown)
    assert failed.is_failed and "No space left on device" in failed.problem
    assert not list(tmp_path.rglob("*.part")) and read_record(failed.folder).status == "failed"
    [done] = run(clips / "a.mp4", tmp_path, shown)
    assert not done.is_failed and (done.folder / "overlay.mp4").is_file()
