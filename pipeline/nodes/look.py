"""The look at some frames of a clip that finds out how large the detector's input has to be."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from configs.errors import InputError
from configs.schema import RunSettings
from configs.threads import spread
from pipeline.media import VideoInfo, read_frames
from pipeline.media.info import fit_size
from pipeline.media.random_access import RandomFrames
from pipeline.models import Models
from pipeline.nodes.context import ClipContext
from trackers.detector import Detector, PeopleFinder
from trackers.input_size import (
    BASE_PX,
    SMALL_QUANTILE,
    TALL_QUANTILE,
    InputSize,
    choose_size,
    heights_of,
    look_frames,
    look_size,
    should_look_closer,
    spread_over,
)
from trackers.tiles import finder_of

log = logging.getLogger(__name__)

START_FRAMES = 32  # of a video in which nothing can be sought
CLOSER_PX, CLOSER_FRAMES = 2560, 3  # of a second look


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a clip, and the size of the detector's input that follows from it."""

    size: InputSize
    frame_count: int  # that were looked at
    heights_px: np.ndarray  # (2,) how tall small and tall people are, in pixels of the frame; NaN: nobody was seen
    frame_hw: tuple[int, int]
    seconds_per_work: float  # of one pass at `BASE_PX`, on this machine now

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a resumed run has to know; nothing in it depends on the machine's speed."""
        return self.size.arrays() | {
            "look_frames": np.array(self.frame_count, np.int64),
            "look_heights_px": self.heights_px.astype(np.float32),
        }

    def describe(self, frame_total: int | None, passes: int) -> str:
        """Return what was chosen and what it costs.

        Args:
            frame_total: of the clip, None where not known.
            passes: of the detector over each frame.
        """
        work = self.size.work(self.frame_hw)
        said = f"detector input {self.size} px, {work:.1f} times the work of {BASE_PX}"
        if not self.frame_count:
            return f"{said}: frames are so small that no look is needed"
        small, tall = self.heights_px
        people = "nobody was seen" if np.isnan(small) else f"people are {small:.0f} to {tall:.0f} px tall"
        seconds = work * passes * self.seconds_per_work
        whole = "" if frame_total is None else f", {_duration(seconds * frame_total)} for {frame_total} frames"
        return f"{said}: {people} in {self.frame_count} frames; about {seconds:.2f} s per frame{whole}"


class ClipSizer:
    """Chooses the size for one clip."""

    def __init__(self, clip: ClipContext, known: Mapping[str, np.ndarray] | None = None) -> None:
        """
        Args:
            known: what was chosen for another part of the clip.
        """
        self._clip = clip
        self._known = known

    def choose(self) -> dict[str, np.ndarray]:
        """Return the choice after a look at the clip, and log it with its cost."""
        if self._known:
            return dict(self._known)
        clip = self._clip
        with clip.clock.measure_beside("look"):
            look = look_at_clip(clip.info, clip.settings, clip.models)
        log.info("%s: %s", clip.folder.name, look.describe(clip.frame_total(), clip.models.detector_passes))
        return look.arrays()

    def apply(self, choice: Mapping[str, np.ndarray]) -> PeopleFinder:
        """Return the detector with the input that was chosen."""
        size = InputSize.of_arrays(choice)
        if size is None:
            raise ValueError(f"a choice has no input_px: {sorted(choice)}")
        return finder_of(self._clip.models.detector(), size, self._clip.settings.detect.people_max)


def tell_cost(clip: ClipContext) -> str:
    """Return which size would be chosen for a clip, and what its detection would cost."""
    look = look_at_clip(clip.info, clip.settings, clip.models)
    return look.describe(clip.frame_total(), clip.models.detector_passes)


def look_at_clip(info: VideoInfo, settings: RunSettings, models: Models) -> Look:
    """Return the choice for a clip; the same clip, settings and networks give the same one."""
    detect, detector = settings.detect, models.detector().without_flip_test()
    acuity, width, height = detector.acuity, *fit_size(info.width, info.height, settings.decode.max_side_px)
    side = max(width, height)
    look_px = detector.fixed_px or look_size(side, detect.person_px_min, acuity.needed_px)
    is_needed = detector.fixed_px is not None or look_px > BASE_PX
    count = look_frames(_frame_total(info, settings), models.detector_passes) if is_needed else 0
    images = _read_some(info, settings, count) if count else []
    if not images:
        return Look(InputSize(detector.fixed_px or BASE_PX), 0, np.full(2, np.nan), (height, width), 0.0)
    count = len(images)
    heights, seconds_per_work = _heights(detector, InputSize(look_px), images, models.threads)
    if should_look_closer(heights, side, detect.person_px_min, acuity.needed_px, look_px):
        closer = InputSize(CLOSER_PX, detector.fixed_px or 0, look_px)
        some = images[:: max(1, count // CLOSER_FRAMES)]
        count = len(some)
        heights, seconds_per_work = _heights(detector, closer, some, models.threads)
    size = choose_size(heights, side, detect.person_px_min, acuity.needed_px, detector.fixed_px)
    counted = heights[heights >= detect.person_px_min]
    span = np.quantile(counted, (SMALL_QUANTILE, TALL_QUANTILE)) if len(counted) else np.full(2, np.nan)
    return Look(size, count, span, (height, width), seconds_per_work)


def _heights(detector: Detector, size: InputSize, images: list[np.ndarray], threads: int) -> tuple[np.ndarray, float]:
    finder = finder_of(detector, size, people_max=1000)
    start = time.perf_counter()
    found = spread(lambda image: finder.find([image], [0])[0], images, threads)
    seconds = (time.perf_counter() - start) / len(images)
    heights = heights_of(
        [people.boxes_xyxy for people in found], [people.scores for people in found], detector.acuity.sure_score
    )
    return heights, seconds / size.work((images[0].shape[0], images[0].shape[1]))


def _frame_total(info: VideoInfo, settings: RunSettings) -> int | None:
    first, stop = _span(info, settings)
    return None if stop is None else max(0, stop - first)


def _span(info: VideoInfo, settings: RunSettings) -> tuple[int, int | None]:
    """Return the first frame of the part that is read, and the one after the last; None where not known."""
    rate, decode = float(info.rate), settings.decode
    first = int((decode.start_s or 0.0) * rate)
    stop = info.frame_count
    if decode.end_s is not None:
        last = int(np.ceil(decode.end_s * rate))
        stop = last if stop is None else min(stop, last)
    return first, stop


def _read_some(info: VideoInfo, settings: RunSettings, count: int) -> list[np.ndarray]:
    """Return frames spread over the part that is read, of the size they are read at; fewer where some are damaged."""
    first, stop = _span(info, settings)
    limit = settings.decode.max_side_px
    images = []
    try:
        if stop is not None and info.kind != "pages":
            places = spread_over(first, max(stop, first + 1), count)
            reach = (stop - first) // (2 * count + 2)  # so that they stay spread, and within the part
            with RandomFrames(info, is_decord_tried=False) as frames_by_index:
                for place in sorted({frames_by_index.near_key(place, reach) for place in places}):
                    try:
                        images.append(frames_by_index[place].image)
                    except (InputError, IndexError) as error:
                        log.debug("%s: frame %d is left out of the look: %s", info.path, place, error)
        if not images:
            frames = read_frames(info, start_s=settings.decode.start_s, max_side_px=limit, tell=lambda _: None)
            total = START_FRAMES if stop is None or info.kind != "pages" else stop - first
            wanted = {0, *spread_over(0, total, count)}
            for number, frame in enumerate(islice(frames, total)):
                if number in wanted:
                    images.append(frame.image)
    except InputError as error:  # the run meets it too, and says what to do
        log.debug("%s: the look ends: %s", info.path, error)
    width, height = fit_size(info.width, info.height, limit)
    return [
        image
        if image.shape[:2] == (height, width)
        else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        for image in images
    ]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
