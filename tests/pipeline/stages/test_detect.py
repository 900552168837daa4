"""The stage that finds people: one `Detections` per frame, and no memory from one chunk to the next."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.stages.detect import DetectStage
from pipeline.types import Chunk, Frame
from trackers.types import Detections, no_detections


class Numbered:
    """Finds as many people as the frame's number says, scored by the brightness of the image."""

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        return [
            Detections(
                np.zeros((index, 4), np.float32), np.full(index, image.mean(), np.float32), np.zeros((index, 17, 3))
            )
            for image, index in zip(images, frame_indices, strict=True)
        ]


def chunk_of(*indices: int) -> Chunk:
    return Chunk(0, tuple(Frame(index, index / 25, np.full((4, 4, 3), 10 * index, np.uint8)) for index in indices))


def test_every_frame_of_a_chunk_gets_its_people_and_keeps_its_pixels() -> None:
    stage = DetectStage(Numbered, lambda: None)
    stage.open()
    chunk = chunk_of(3, 4, 0)
    done = stage.process(chunk)
    assert done.detections is not None and done.frames is chunk.frames
    assert [people.scores.tolist() for people in done.detections] == [[30.0] * 3, [40.0] * 4, []]
    assert stage.snapshot() == {}


def test_the_second_stage_sees_images_and_people_of_the_same_frames() -> None:
    seen = []

    class Second:
        def refine(self, images: Sequence[np.ndarray], found: Sequence[Detections]) -> list[Detections]:
            seen.append(([int(image[0, 0, 0]) for image in images], [len(people) for people in found]))
            return [no_detections() for _ in found]

    stage = DetectStage(Numbered, Second)  # type: ignore[arg-type]
    stage.open()
    done = stage.process(chunk_of(1, 2))
    assert seen == [([10, 20], [1, 2])]
    assert done.detections is not None and [len(people) for people in done.detections] == [0, 0]


def test_a_stage_that_is_not_open_or_closed_again_finds_nobody() -> None:
    stage = DetectStage(Numbered, lambda: None)
    with pytest.raises(ValueError, match="not opened"):
        stage.process(chunk_of(1))
    stage.open()
    stage.close()
    with pytest.raises(ValueError, match="not opened"):
        stage.process(chunk_of(1))


class Sizer:
    """Chooses a number, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def choose(self) -> dict[str, np.ndarray]:
        self.asked += 1
        return {"input_px": np.array([1280, 0, 640])}

    def apply(self, choice: dict[str, np.ndarray]) -> Numbered:
        assert choice["input_px"].tolist() == [1280, 0, 640]
        return Numbered()


def test_the_size_is_chosen_once_and_a_resumed_run_keeps_it() -> None:
    sizer = Sizer()
    first = DetectStage(Numbered, lambda: None, sizer)
    first.open()
    assert sizer.asked == 0, "nothing is chosen before a snapshot could be restored"
    first.process(chunk_of(1))
    first.process(chunk_of(2))
    assert sizer.asked == 1
    second = DetectStage(Numbered, lambda: None, sizer)
    second.open()
    second.restore(first.snapshot())
    second.process(chunk_of(3))
    assert sizer.asked == 1 and second.snapshot() == first.snapshot()
