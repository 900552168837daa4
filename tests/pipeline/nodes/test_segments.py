"""A video in segments gives what it gives in one go."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.errors import RunError, SettingsError
from configs.read import as_settings
from configs.schema import RunSettings
from dpmesh.body.params import BodyParams
from dpmesh.recovery.recover import PeopleInImages, RecoveredBodies
from pipeline.clip import Clip
from pipeline.flow.identity import video_identity
from pipeline.flow.inputs import find_clips
from pipeline.flow.line import StageClock
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media import VideoWriter
from pipeline.models import Models
from pipeline.nodes.segments import make_observations, plan_segments
from pipeline.run import probe_clip, run_clip
from trackers.sampling import SYNC_S

FRAMES, RATE, SIZE = 160, 8, 96
XS = np.array([32, 33, 31, 34, 30, 38, 26, 40, 24, 41, 23, 36, 28, 36, 28, 36, 28], float) - 32
YS = np.array([8, 7, 7, 8, 8, 16, 16, 25, 25, 33, 33, 34, 34, 46, 46, 58, 58], float) - 33


class Silent:
    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


def places(frame: int) -> list[tuple[int, float, float]]:
    """Return who is where, with an identity as a file has: two cross, one blinks, one leaves, one comes at a join."""
    found = [(11, 10 + frame * 0.5, 40.0), (12, 90 - frame * 0.5, 52.0)]
    found += [(13, 50.0, 30.0)] if frame % 30 < 22 else []
    found += [(14, 20.0, 60.0)] if frame < 50 else []
    found += [(15, 75.0, 36.0)] if frame >= 79 else []
    return found


class Recovery:
    """Gives a body that depends on the keypoints, at once."""

    def recover(self, images: object, people: PeopleInImages) -> RecoveredBodies:
        points = people.keypoints.reshape(len(people.keypoints), -1)
        pose = np.zeros((len(points), 24, 3), np.float32)
        pose[:, 0, 0], trans = 3.0, np.concatenate([points[:, :2] / 100, np.full((len(points), 1), 4)], axis=1)
        params = BodyParams(pose, np.zeros((len(points), 10), np.float32), trans.astype(np.float32))
        return RecoveredBodies(params, np.ones((len(points), 24), np.float32))


@pytest.fixture(autouse=True)
def _play(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Models, "recovery", lambda self: Recovery())


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a video and the keypoints of its people."""
    folder = tmp_path_factory.mktemp("long")
    picture = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    people: list[dict[str, Any]] = []
    with VideoWriter(folder / "long.mp4", SIZE, SIZE, Fraction(RATE)) as video:
        for frame in range(FRAMES):
            video.write(picture)
            for number, x, y in places(frame):
                points = np.stack([XS + x, YS + y, np.full(17, 0.9)], axis=1).ravel().tolist()
                entry = {"image_id": frame, "category_id": 1, "score": 0.9, "keypoints": points, "track_id": number}
                people.append(entry)
    (folder / "points.json").write_text(json.dumps(people))
    return folder


def settings(room: Path, segment_s: float | str = 5.0, **more: object) -> RunSettings:
    values: dict[str, object] = {
        "detect.keypoints": str(room / "points.json"),
        "runtime.chunk_frames": 8,
        "runtime.device": "cpu",
        "runtime.segment_s": segment_s,
        "refine.mode": "off",
        "link.mode": "off",
        "overlay.is_written": False,
        "report.is_written": False,
        "track.lost_max_s": 1.0,
    }
    return as_settings(values | {name.replace("__", "."): value for name, value in more.items()})


def opened(source: Path, output: Path, chosen: RunSettings) -> Clip:
    info, models = probe_clip(source, chosen), Models(chosen, "cpu")
    return Clip(info, output / source.stem, chosen, models, Silent(), StageClock())


Seen = tuple[Journal, dict[str, bytes]]


def observed(source: Path, output: Path, chosen: RunSettings) -> Seen:
    """Return the journal of the observations, and their shards."""
    clip = opened(source, output, chosen)
    make_observations(clip, clip.observations_fingerprint, video_identity(source))
    state = clip.store.read_state()
    assert state is not None and state[0].is_complete
    shards = {path.name: path.read_bytes() for path in sorted(clip.store.folder.glob("shard*"))}
    return replace(state[0], fingerprint=""), shards


@pytest.fixture(scope="module")
def whole(room: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Return what is observed in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Models, "recovery", lambda self: Recovery())
        seen = observed(room / "long.mp4", tmp_path_factory.mktemp("whole"), settings(room, "off"))
    assert not seen[0].warning and seen[0].row_count > 500
    return seen


@pytest.mark.parametrize("segment_s", [3.0, 5.0, 9.0])
def test_segments_are_whole_chunks_that_hold_every_frame_once_and_begin_early(
    room: Path, tmp_path: Path, segment_s: float
) -> None:
    chosen = settings(room, segment_s)
    plan = plan_segments(opened(room / "long.mp4", tmp_path, chosen))
    assert len(plan) > 1 and plan[0].begin == plan[0].first == 0 and plan[-1].stop is None
    for before, segment in pairwise(plan):
        assert before.stop == segment.first and segment.first % 8 == segment.begin % 8 == 0
        assert segment.begin <= max(0, segment.first - 5 * RATE), "lost people are waited for, and then some"
        sync = (segment.first - 1) // RATE // SYNC_S * SYNC_S * RATE
        assert segment.begin <= sync < segment.first, "looks are in step before the first own frame"


def test_short_videos_and_unknown_lengths_are_not_cut(room: Path, tmp_path: Path) -> None:
    clip = opened(room / "long.mp4", tmp_path, settings(room, "auto"))
    assert clip.segment_s is None and plan_segments(clip) == ()
    clip = opened(room / "long.mp4", tmp_path, settings(room, 5.0))
    assert replace(clip, info=replace(clip.info, frame_count=None)).segment_s is None
    hour = replace(clip, info=replace(clip.info, frame_count=3600 * RATE), settings=settings(room, "auto"))
    assert hour.segment_s == 300.0
    assert replace(hour, settings=settings(room, "auto", decode__on_corrupt="skip")).segment_s is None
    with pytest.raises(SettingsError, match=r"decode\.on_corrupt=skip"):
        settings(room, 5.0, decode__on_corrupt="skip")


@pytest.mark.parametrize("segment_s", [7.0, pytest.param(3.0, marks=pytest.mark.slow)])
def test_a_video_in_segments_gives_the_same_bytes(room: Path, whole: Seen, tmp_path: Path, segment_s: float) -> None:
    assert observed(room / "long.mp4", tmp_path, settings(room, segment_s)) == whole
    assert not (tmp_path / "long" / "segments").exists()


@pytest.mark.slow
def test_what_is_made_of_the_observations_is_the_same(room: Path, tmp_path: Path) -> None:
    found = []
    for segment_s in ("off", 9.0):
        chosen = settings(room, segment_s)
        (clip,) = find_clips([str(room / "long.mp4")])
        result = run_clip(clip, tmp_path / str(segment_s), chosen, Models(chosen, "cpu"), Silent())
        assert not result.problem and result.person_count > 4
        files = [*result.folder.glob("tracks/*"), *result.folder.glob("motion/*"), result.folder / "scene.json"]
        found.append({path.name: path.read_bytes() for path in sorted(files)})
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_part_of_a_video_and_identities_of_a_file(room: Path, tmp_path: Path) -> None:
    more = {"decode__start_s": 2.3, "decode__end_s": 17.1, "track__is_id_kept": True}
    one, two = (
        observed(room / "long.mp4", tmp_path / str(each), settings(room, each, **more)) for each in ("off", 4.0)
    )
    assert one == two and one[0].row_count > 300


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [None, 97])
def test_a_folder_of_images_to_its_end_or_to_a_damaged_one(room: Path, tmp_path: Path, damaged: int | None) -> None:
    (tmp_path / "images").mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    for frame in range(FRAMES):
        Image.fromarray(picture).save(tmp_path / "images" / f"{frame:04d}.bmp")
    if damaged is not None:
        path = tmp_path / "images" / f"{damaged:04d}.bmp"
        path.write_bytes(path.read_bytes()[: SIZE * SIZE])
    one, two = (
        observed(tmp_path / "images", tmp_path / str(each), settings(room, each, decode__folder_rate_hz=RATE))
        for each in ("off", 5.0)
    )
    assert one == two and one[0].frame_count == (damaged or FRAMES)
    assert damaged is None or "97 images before it are intact" in one[0].warning


@pytest.mark.slow
def test_frames_that_are_left_out_are_counted_once(room: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "long.mp4", SIZE, SIZE, Fraction(RATE)) as video:
        for frame in range(FRAMES):
            video.write(np.full_like(picture, (0, 135, 0)) if frame in (20, 42, 43, 90) else picture)
    (one, _), (two, _) = (
        observed(tmp_path / "long.mp4", tmp_path / str(each), settings(room, each, decode__is_green_skipped=True))
        for each in ("off", 5.0)
    )
    assert one.warning == two.warning == "4 green frames left out: 20, 42, 43, 90"
    assert replace(one, shard_count=0) == replace(two, shard_count=0)


@pytest.mark.parametrize(
    "writes", [pytest.param(11, marks=pytest.mark.slow), pytest.param(24, marks=pytest.mark.slow), 30]
)
def test_a_run_that_stops_in_a_segment_or_in_the_join_goes_on(
    room: Path, whole: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    count = iter(range(writes))

    def stop(self: ObservationStore, *given: Any) -> None:
        if next(count, None) is None:
            raise KeyboardInterrupt
        write(self, *given)

    write = ObservationStore.write_shard
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ObservationStore, "write_shard", stop)
        observed(room / "long.mp4", tmp_path, settings(room, 9.0))
    assert observed(room / "long.mp4", tmp_path, settings(room, 9.0)) == whole


@pytest.mark.slow
def test_segments_of_other_settings_are_made_anew_and_do_not_stay(room: Path, whole: Seen, tmp_path: Path) -> None:
    clip = opened(room / "long.mp4", tmp_path, settings(room, 9.0, detect__score_min=0.95))
    for segment in plan_segments(clip):
        clip.observe_segment(segment)
    assert list((tmp_path / "long" / "segments").rglob("shard*"))
    (tmp_path / "long" / "segments" / "mine.txt").write_text("of the user")
    assert observed(room / "long.mp4", tmp_path, settings(room, "off")) == whole
    assert [path.name for path in (tmp_path / "long" / "segments").iterdir()] == ["mine.txt"]


def test_one_process_at_a_time_is_at_a_segment(room: Path, tmp_path: Path) -> None:
    clip = opened(room / "long.mp4", tmp_path, settings(room))
    segment = plan_segments(clip)[0]
    program = f"""
import sys
from pathlib import Path
from configs.lock import locked
with locked(Path({str(clip.files.segment(0))!r})):
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        with pytest.raises(RunError, match="another run is writing here"):
            clip.observe_segment(segment)
        other.communicate()
    assert clip.observe_segment(segment) == segment.stop
