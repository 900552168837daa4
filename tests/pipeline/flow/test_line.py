import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.flow.line import Snapshot, Stage, StageClock, chunk_frames, fit_chunk, fit_queue, run_line
from pipeline.types import Chunk, Frame


def frames(count: int) -> Iterator[Frame]:
    for index in range(count):
        yield Frame(index, index / 10, np.full((2, 2, 3), index, np.uint8))


class Summing(Stage):
    """Adds up pixels over the whole video: state that a chunk boundary must not lose."""

    name = "sum"

    def __init__(self) -> None:
        self.total = 0
        self.calls: list[str] = []

    def open(self) -> None:
        self.calls.append("open")

    def process(self, chunk: Chunk) -> Chunk:
        self.total += sum(int(frame.image.sum()) for frame in chunk.frames)
        return replace(chunk, snapshots={**chunk.snapshots})

    def snapshot(self) -> Snapshot:
        return {"total": np.array(self.total)}

    def restore(self, snapshot: Snapshot) -> None:
        self.total = int(snapshot["total"])

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (4, [4]), (9, [4, 4, 1])])
def test_chunks_hold_every_frame_once(count: int, sizes: list[int]) -> None:
    chunks = list(chunk_frames(frames(count), 4))
    assert [len(chunk.frames) for chunk in chunks] == sizes
    assert [frame.index for chunk in chunks for frame in chunk.frames] == list(range(count))


def test_a_line_continued_from_a_snapshot_equals_an_unbroken_one() -> None:
    whole = list(run_line(chunk_frames(frames(12), 4), [Summing()], StageClock()))
    state = whole[0].snapshots
    rest = list(run_line(chunk_frames(list(frames(12))[4:], 4, 1), [Summing()], StageClock(), state))
    assert [int(chunk.snapshots["sum"]["total"]) for chunk in rest] == [
        int(chunk.snapshots["sum"]["total"]) for chunk in whole[1:]
    ]
    assert [chunk.number for chunk in rest] == [1, 2]


def test_a_stage_is_closed_when_the_source_fails() -> None:
    def broken() -> Iterator[Frame]:
        yield from frames(5)
        raise OSError("disk gone")

    stage = Summing()
    with pytest.raises(OSError, match="disk gone"):
        list(run_line(chunk_frames(broken(), 4), [stage], StageClock()))
    assert stage.calls == ["open", "close"]


@pytest.mark.parametrize("ahead", [1, 2])
def test_stages_in_a_thread_of_their_own_give_the_same_chunks_and_snapshots(ahead: int) -> None:
    def run(ahead: int, state: dict[str, Snapshot] | None = None, first: int = 0) -> list[Chunk]:
        stages = [Summing(), Summing()]
        stages[1].name = "other"
        source = chunk_frames(list(frames(12))[first:], 4, first // 4)
        return list(run_line(source, stages, StageClock(), state, ahead))

    def told(chunks: list[Chunk]) -> list[tuple[int, ...]]:
        return [(c.number, *(int(c.snapshots[name]["total"]) for name in ("sum", "other"))) for c in chunks]

    whole = run(0)
    assert told(run(ahead)) == told(whole)
    assert told(run(ahead, dict(whole[0].snapshots), 4)) == told(whole[1:])


def test_a_stage_that_fails_in_a_thread_of_its_own_closes_all_after_the_chunks_before() -> None:
    class Failing(Summing):
        def process(self, chunk: Chunk) -> Chunk:
            if chunk.number == 1:
                raise OSError("disk gone")
            return super().process(chunk)

    stages = [Failing(), Summing()]
    seen = []
    with pytest.raises(OSError, match="disk gone"):
        for chunk in run_line(chunk_frames(frames(12), 4), stages, StageClock(), ahead=1):
            seen.append(chunk.number)
    assert seen == [0] and [stage.calls for stage in stages] == [["open", "close"]] * 2


def test_a_line_that_is_left_has_ended_its_thread_before_its_stages_close() -> None:
    class Watching(Summing):
        def close(self) -> None:
            self.calls.append(str(sum(thread.name == "prefetch" for thread in threading.enumerate())))

    stages = [Watching(), Summing()]
    line = run_line(chunk_frames(frames(100), 4), stages, StageClock(), ahead=1)
    next(line)
    line.close()
    assert stages[0].calls == ["open", "0"]


def test_a_stage_is_closed_once_after_the_last_chunk() -> None:
    stage = Summing()
    list(run_line(chunk_frames(frames(5), 4), [stage], StageClock()))
    assert stage.calls == ["open", "close"]


def test_the_line_pulls_one_chunk_at_a_time() -> None:
    pulled: list[int] = []

    def watched() -> Iterator[Frame]:
        for frame in frames(12):
            pulled.append(frame.index)
            yield frame

    line = run_line(chunk_frames(watched(), 4), [Summing()], StageClock())
    next(line)
    assert pulled == [0, 1, 2, 3]
    line.close()


@pytest.mark.parametrize(
    ("width", "height", "chunk", "queue"),
    [(1920, 1080, 32, 16), (3840, 2160, 8, 10), (7680, 4320, 2, 2), (15360, 8640, 1, 1)],
)
def test_large_frames_go_together_in_smaller_numbers(width: int, height: int, chunk: int, queue: int) -> None:
    assert fit_chunk(32, width * height) == chunk
    assert fit_queue(16, width * height) == queue


def test_chunks_that_were_asked_for_stay_where_they_fit() -> None:
    assert [fit_chunk(wanted, 64 * 48) for wanted in (1, 5, 9, 12, 100)] == [1, 5, 9, 12, 100]
