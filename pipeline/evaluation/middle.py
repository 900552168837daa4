"""The middle of a clip, where something happens."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipeline.media.probe import probe
from pipeline.media.read import read_frames
from pipeline.types import Frame


def middle_frames(path: Path, count: int) -> Iterator[Frame]:
    """Return the middle frames of a clip, at most this many."""
    info = probe(path)
    return islice(read_frames(info, from_index=max(0, ((info.frame_count or 0) - count) // 2)), count)
