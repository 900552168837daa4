"""The line: frames become chunks, and chunks go through the stages one after the other.

Each stage is a generator over the one before it, so a slow stage holds back the fast ones and nothing piles up.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np

from configs.threads import thread_cpu_s, use_one_thread_each
from pipeline.flow.prefetch import side_by_side
from pipeline.types import Chunk, Frame

Snapshot = dict[str, np.ndarray]

QUEUE_BYTES = 2**28  # of frames in one chunk or queue: 32 of 1920x1080, 8 of 3840x2160, 2 of 7680x4320
BATCH = 8  # frames, `detect.batch_frames` by default


class Stage:
    """One step of the line. A stage has `process` to write; the other methods do nothing unless overridden."""

    name: str = ""

    def open(self) -> None:
        """Load what the stage needs; called once before the first chunk."""

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with the field that this stage owns filled in."""
        raise NotImplementedError(f"{type(self).__name__} has no process()")

    def snapshot(self) -> Snapshot:
        """Return all state that the next chunk depends on, as arrays."""
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of an earlier process."""

    def close(self) -> None:
        """Let go of files and threads; called once, also after an error."""


def chunk_frames(frames: Iterable[Frame], size: int, first_number: int = 0) -> Iterator[Chunk]:
    """Group frames into chunks of `size`; the last one may be shorter."""
    number, held = first_number, []
    for frame in frames:
        held.append(frame)
        if len(held) == size:
            yield Chunk(number, tuple(held))
            number, held = number + 1, []
    if held:
        yield Chunk(number, tuple(held))


def fit_chunk(wanted: int, frame_pixels: int) -> int:
    """Return how many frames go together: `wanted`, fewer where frames are so large that they would fill memory.

    A whole number of detector batches where more than one fits, so that large frames form the same batches.
    """
    fitting = fit_queue(wanted, frame_pixels)
    return fitting if fitting in (wanted, *range(1, BATCH)) else fitting // BATCH * BATCH


def fit_queue(wanted: int, frame_pixels: int) -> int:
    """Return how many frames of a size may wait at a time: `wanted`, or what `QUEUE_BYTES` hold, at least one."""
    return max(1, min(wanted, QUEUE_BYTES // (3 * frame_pixels)))


class StageClock:
    """Seconds spent in each node and in each stage of the line, and those that processor cores computed for it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time of the `with` block to what runs alone: all cores compute for it."""
        with self._measured(name, time.process_time):
            yield

    @contextmanager
    def measure_beside(self, name: str) -> Iterator[None]:
        """Add the time of the `with` block to a stage, beside which others run."""
        with self._measured(name, thread_cpu_s):
            yield

    @contextmanager
    def _measured(self, name: str, cpu_s: Callable[[], float]) -> Iterator[None]:
        start, cpu_start = time.perf_counter(), cpu_s()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + cpu_s() - cpu_start


def run_line(
    chunks: Iterator[Chunk],
    stages: Sequence[Stage],
    clock: StageClock,
    snapshots: dict[str, Snapshot] | None = None,
    ahead: int = 0,
) -> Generator[Chunk, None, None]:
    """Yield every chunk after the last stage, with each stage's snapshot on it.

    Args:
        snapshots: state by stage name to continue from; None starts afresh.
        ahead: so many of the first stages have a thread of their own, which is one chunk ahead of the others.
    """
    with ExitStack() as stack:
        stream = _timed(chunks, clock)
        if ahead:
            _open(stages[:ahead], stack, clock, snapshots)
            for stage in stages[:ahead]:
                stream = _through(stage, stream, clock)
            stream = stack.enter_context(side_by_side(stream, use_one_thread_each))  # the others open meanwhile
        _open(stages[ahead:], stack, clock, snapshots)
        for stage in stages[ahead:]:
            stream = _through(stage, stream, clock)
        yield from stream


def _open(stages: Sequence[Stage], stack: ExitStack, clock: StageClock, snapshots: dict[str, Snapshot] | None) -> None:
    for stage in stages:
        stack.callback(stage.close)
        with clock.measure_beside(f"open {stage.name}"):
            stage.open()
        if snapshots is not None:
            stage.restore(snapshots.get(stage.name, {}))


def _timed(chunks: Iterator[Chunk], clock: StageClock) -> Iterator[Chunk]:
    while True:
        with clock.measure_beside("decode"):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _through(stage: Stage, chunks: Iterator[Chunk], clock: StageClock) -> Iterator[Chunk]:
    for chunk in chunks:
        with clock.measure_beside(stage.name):
            done = stage.process(chunk)
            done = replace(done, snapshots={**done.snapshots, stage.name: stage.snapshot()})
        yield done
