"""What each camera of a run saw at a moment."""

import logging
from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError
from pipeline.flow.record import read_record
from pipeline.media.random_access import RandomFrames
from pipeline.results import Run

log = logging.getLogger(__name__)

IMAGE_PX = 320  # longer side: it is seen small, and sent again and again


class Footage:
    """The videos of a run, where they are still at the paths that it was given."""

    def __init__(self, run: Run) -> None:
        self._frames: dict[str, RandomFrames] = {}
        self._offset_s: dict[str, float] = {}
        for name in run.record.cameras or [""]:
            record = read_record(run.files.view(name).path) if name else run.record
            path = Path(record.path)
            if not record.path or not path.exists():
                log.info("%s: not there any more, so it is not shown", record.path or run.path)
                continue
            try:
                self._frames[name] = RandomFrames(path)
            except InputError as error:
                log.warning("%s", error)
                continue
            clock = run.record.capture.clocks.get(name)
            self._offset_s[name] = clock.offset_s if clock is not None else 0.0

    def at(self, camera: str, time_s: float) -> np.ndarray | None:
        """Return a small image (H, W, 3) uint8 of a camera, by its name, at a time of the run; None: there is none."""
        frames = self._frames.get(camera)
        if frames is None:
            return None
        index = round((time_s + self._offset_s[camera]) * float(frames.info.rate))
        try:
            image = frames[max(0, min(index, len(frames) - 1))].image
        except (InputError, IndexError):
            return None
        scale = IMAGE_PX / max(image.shape[:2])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
