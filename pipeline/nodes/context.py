"""What every node of one clip's graph needs: the video, the settings, the models, and where files go."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from configs.errors import TruncatedError
from configs.schema import RunSettings
from pipeline.flow.line import StageClock, fit_chunk, fit_queue
from pipeline.flow.outputs import RunFolder
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media import VideoInfo, read_frames
from pipeline.media.info import fit_size
from pipeline.models import Models
from pipeline.stages.pace import choose_every
from pipeline.types import Frame

AUTO_SEGMENT_S = 300.0

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Hears how far a clip is."""

    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


class SilentProgress:
    """Says nothing of it."""

    def start(self, step: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, done: int, note: str) -> None:
        """Say nothing."""


@dataclass(slots=True)
class ClipContext:
    """One video on its way to one output folder."""

    info: VideoInfo
    folder: Path
    settings: RunSettings
    models: Models
    progress: Progress
    clock: StageClock

    @property
    def files(self) -> RunFolder:
        """Where this clip's files lie."""
        return RunFolder(self.folder)

    @property
    def shown_name(self) -> str:
        """The name of the input, or what stands for it where people stay anonymous."""
        return self.folder.name if self.settings.privacy.is_anonymous else self.info.path.name

    @property
    def store(self) -> ObservationStore:
        """Where this clip's observations lie."""
        return ObservationStore(self.files.observations)

    def read(self, done: Journal | None = None, tell: Callable[[str], None] = log.warning) -> Iterator[Frame]:
        """Return the frames of the chosen part, after those that a journal counts."""
        decode = self.settings.decode
        return read_frames(
            self.info,
            start_s=decode.start_s,
            end_s=decode.end_s,
            from_index=done.next_frame if done is not None else None,
            after_time_s=done.last_time_s if done is not None and done.shard_count else None,
            max_side_px=decode.max_side_px,
            on_corrupt=decode.on_corrupt,
            tell=tell,
        )

    @property
    def frame_pixels(self) -> int:
        """Pixels of a frame as it is read."""
        width, height = fit_size(self.info.width, self.info.height, self.settings.decode.max_side_px)
        return width * height

    @property
    def chunk_frames(self) -> int:
        """Frames per chunk of the pipeline."""
        return fit_chunk(self.settings.runtime.chunk_frames, self.frame_pixels)

    @property
    def ahead_frames(self) -> int:
        """Frames that are decoded ahead."""
        return fit_queue(self.settings.runtime.prefetch_frames, self.frame_pixels)

    @property
    def looked_every(self) -> int:
        """People are looked for in every k-th frame; a keypoint file has them all."""
        detect = self.settings.detect
        return 1 if detect.keypoints is not None else choose_every(detect.every, self.info.rate)

    @property
    def frame_scale(self) -> float:
        """How much smaller frames are read than they are."""
        limit = self.settings.decode.max_side_px
        return 1.0 if limit is None else min(1.0, limit / max(self.info.width, self.info.height))

    @property
    def segment_s(self) -> float | None:
        """Length of the segments in which the video is observed; None: in one.

        It does not depend on how many workers there are, so that their number changes no byte.
        """
        wanted, total = self.settings.runtime.segment_s, self.frame_total()
        if wanted == "off" or total is None or self.settings.decode.on_corrupt == "skip":
            return None
        length_s = total / float(self.info.rate)
        if wanted == "auto":
            return AUTO_SEGMENT_S if length_s >= 2 * AUTO_SEGMENT_S else None
        return wanted if length_s > wanted else None

    def focal_px(self) -> float | None:
        """Return the focal length in pixels of the frames as they are read: the one given, or the file's own."""
        known = self.settings.recover.focal_px or self.info.focal_px
        return None if known is None else known * self.frame_scale

    def whole_count(self, journal: Journal) -> int | None:
        """Return how many frames the whole video has, by its header or by what was read; None = not known."""
        declared = self.info.frame_count
        if declared is None and self.settings.decode.end_s is not None:
            return None
        return max(declared or 0, journal.next_frame or 0)

    def frame_total(self) -> int | None:
        """Return how many frames the chosen part has, by the header; None = not known."""
        total, decode = self.info.frame_count, self.settings.decode
        if total is None or (decode.start_s is None and decode.end_s is None):
            return total
        length_s = total / float(self.info.rate)
        seconds = min(decode.end_s or length_s, length_s) - (decode.start_s or 0.0)
        return max(0, round(seconds * float(self.info.rate)))


class FramesUntilDamage:
    """The frames of a video up to its damage; `warning` says what the damage was."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self.warning = ""

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._frames
        except TruncatedError as error:
            self.warning = str(error)
