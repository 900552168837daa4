from dataclasses import replace

import numpy as np

from pipeline.flow.store import Journal, ObservationStore
from pipeline.stages.appearance import AppearanceStage
from pipeline.types import Chunk, Frame, no_observations
from trackers.types import Detections, identified


class Brightness:
    """Looks of one number, the mean of the image."""

    rate_hz, size = 5.0, 1

    def measure(self, image: np.ndarray, people: Detections, covers: np.ndarray) -> np.ndarray:
        return np.full((len(people), 1), image.mean(), np.float32)


def people(count: int) -> Detections:
    boxes = np.array([[100 * n, 0, 100 * n + 50, 100] for n in range(count)], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(count, 0.9, np.float32), np.full((count, 17, 3), 0.9, np.float32))


def chunk_of(first: int, count: int) -> Chunk:
    frames = tuple(Frame(n, n / 25, np.full((4, 4, 3), n, np.uint8)) for n in range(first, first + count))
    return Chunk(0, frames, detections=tuple(people(0 if frame.index < 3 else 2) for frame in frames))


def looked_at(chunks: list[Chunk]) -> list[int]:
    done = [people for chunk in chunks for people in zip(chunk.frames, chunk.detections or (), strict=True)]
    return [frame.index for frame, found in done if found.appearance is not None]


def opened() -> AppearanceStage:
    stage = AppearanceStage(Brightness, None)
    stage.open()
    return stage


def test_people_are_looked_at_so_many_times_a_second_wherever_chunks_end() -> None:
    whole, parted = opened(), opened()
    wanted = looked_at([whole.process(chunk_of(0, 24))])
    assert wanted == [3, 8, 13, 18, 23]
    assert looked_at([parted.process(chunk_of(first, 6)) for first in (0, 6, 12, 18)]) == wanted


def test_a_fresh_stage_goes_on_where_another_stopped() -> None:
    first, second = opened(), opened()
    before = looked_at([first.process(chunk_of(0, 10))])
    second.restore(first.snapshot())
    assert before + looked_at([second.process(chunk_of(10, 14))]) == [3, 8, 13, 18, 23]


def test_looks_and_cuts_lie_beside_the_rows(tmp_path) -> None:
    store, journal, stage = ObservationStore(tmp_path / "o"), Journal("abc"), opened()
    for number, first in enumerate((0, 10)):
        chunk = stage.process(replace(chunk_of(first, 10), number=number))
        tracks = tuple(identified(found, np.array([7, 9])[: len(found)]) for found in chunk.detections or ())
        cuts = (12,) if number else ()
        done = replace(chunk, tracks=tracks, observations=no_observations(), cut_frames=cuts)
        journal = store.commit(journal, done)
    found = list(store.read_evidence())
    assert [looks.frame_index.tolist() for looks, _ in found] == [[3, 3, 8, 8], [13, 13, 18, 18]]
    assert [looks.track_id.tolist() for looks, _ in found] == [[7, 9, 7, 9]] * 2
    assert [looks.vectors[:, 0].tolist() for looks, _ in found] == [[3, 3, 8, 8], [13, 13, 18, 18]]
    assert [cuts.tolist() for _, cuts in found] == [[], [12]]
    assert (journal.detection_count, journal.tracked_count, journal.most_in_frame) == (34, 34, 2)
