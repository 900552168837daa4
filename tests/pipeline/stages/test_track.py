from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hurried_people import CUT, FRAMES, TIMES_S, hurried_people

from configs.errors import InputError
from configs.schema import TrackSettings
from pipeline.flow.line import Stage, StageClock, chunk_frames, run_line
from pipeline.flow.prefetch import prefetch
from pipeline.flow.store import Journal, ObservationStore
from pipeline.stages import track
from pipeline.stages.recover import tracked_rows
from pipeline.stages.track import TrackStage
from pipeline.types import Chunk, Frame, Observations, concatenate_observations
from trackers.types import Detections


def test_a_frame_with_too_many_people_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "PEOPLE_MAX", 3)
    people = Detections(np.zeros((4, 4), np.float32), np.ones(4, np.float32), np.zeros((4, 17, 3), np.float32))
    chunk = Chunk(0, (Frame(12, 0.4, np.zeros((8, 8, 3), np.uint8)),), detections=(people,))
    with pytest.raises(InputError, match=r"frame 12 has 4 people, and at most 3 can be tracked; lower"):
        TrackStage(TrackSettings()).process(chunk)


def _frames(first: int) -> Iterator[Frame]:
    shots = np.random.default_rng(0).integers(0, 256, (2, 36, 64, 3), np.uint8)
    for index in range(first, FRAMES):
        yield Frame(index, float(TIMES_S[index]), shots[int(index >= CUT)])


class _Known(Stage):
    """Knows who is in a frame, in place of a detector."""

    name = "detect"

    def process(self, chunk: Chunk) -> Chunk:
        return replace(chunk, detections=tuple(hurried_people(frame.index) for frame in chunk.frames))


class _Rows(Stage):
    """Turns tracks into rows, in place of the recovery."""

    name = "recover"

    def process(self, chunk: Chunk) -> Chunk:
        return replace(chunk, observations=tracked_rows(chunk, 100.0))


def _go_on(folder: Path, settings: TrackSettings, chunks: int) -> bool:
    """Let a fresh line go on with what a folder holds, for so many chunks; return whether it came to the end."""
    store = ObservationStore(folder)
    journal, snapshots = store.read_state() or (Journal("same"), None)
    with closing(prefetch(_frames(journal.next_frame or 0), 8)) as frames:
        source = chunk_frames(frames, 3, journal.shard_count)
        stages = [_Known(), TrackStage(settings), _Rows()]
        with closing(run_line(source, stages, StageClock(), snapshots)) as done:
            for _, chunk in zip(range(chunks), done, strict=False):
                journal = store.commit(journal, chunk)
    return journal.frame_count == FRAMES


def _rows(folder: Path) -> Observations:
    return concatenate_observations(list(ObservationStore(folder).read_shards()))


@pytest.mark.parametrize("settings", [TrackSettings(), TrackSettings(is_id_kept=True)], ids=["tracker", "given"])
def test_a_line_that_stops_after_every_chunk_writes_the_rows_of_an_unbroken_one(
    tmp_path: Path, settings: TrackSettings
) -> None:
    assert _go_on(tmp_path / "whole", settings, FRAMES)
    stops = 1
    while not _go_on(tmp_path / "stopped", settings, 1):
        stops += 1
    whole, stopped = _rows(tmp_path / "whole"), _rows(tmp_path / "stopped")
    for item in fields(Observations):
        np.testing.assert_array_equal(getattr(stopped, item.name), getattr(whole, item.name), err_msg=item.name)
    assert stops == -(-FRAMES // 3)
    before = whole.frame_index < CUT
    assert before.any() and not before.all()
    is_same = set(whole.track_id[before]) & set(whole.track_id[~before])
    assert bool(is_same) == settings.is_id_kept  # the cut was seen, and only by the tracker


@pytest.mark.parametrize("is_on", [True, False])
def test_people_go_on_where_the_background_takes_them(is_on: bool) -> None:
    """Three in a row, whose neighbours stand where they stood: the camera swings by the distance between them."""
    scenery = cv2.resize(np.random.default_rng(0).integers(0, 256, (60, 160, 3), np.uint8), (960, 360))
    stage = TrackStage(TrackSettings(is_camera_motion_on=is_on, is_cut_detection_on=False))
    frames, found = [], []
    for index in range(4):
        shift = 20 * index
        frames.append(Frame(index, index / 25, scenery[:, 100 + shift : 740 + shift].copy()))
        boxes = np.array([[300 + 20 * k - shift, 150, 316 + 20 * k - shift, 190] for k in range(3)], np.float32)
        found.append(Detections(boxes, np.full(3, 0.9, np.float32), np.zeros((3, 17, 3), np.float32)))
    tracks = stage.process(Chunk(0, tuple(frames), detections=tuple(found))).tracks
    assert tracks is not None
    order = [one.track_ids[one.boxes_xyxy[:, 0].argsort()].tolist() for one in tracks]
    assert all(ids == [1, 2, 3] for ids in order) is is_on
