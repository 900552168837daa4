"""Tracking: fills `Chunk.tracks`, and ends all tracks where the shot changes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from configs.errors import InputError
from configs.schema import TrackSettings
from pipeline.flow.line import Stage
from pipeline.stages.pace import is_looked_at
from pipeline.types import Chunk
from trackers.background_motion import BackgroundMotion
from trackers.file_identities import FileIdentities
from trackers.shots import ShotDetector
from trackers.tracker import Tracker
from trackers.types import no_tracks

PEOPLE_MAX = 20_000  # in a frame, far more than a stadium shows large enough; memory holds, minutes per frame do not


class TrackStage(Stage):
    """Gives every detection an identity."""

    name = "track"

    def __init__(self, settings: TrackSettings, every: int = 1) -> None:
        """
        Args:
            every: people were looked for in every k-th frame alone; between, nobody is missed.
        """
        self._every = every
        self._tracker = FileIdentities() if settings.is_id_kept else Tracker(settings)
        self._cuts = ShotDetector() if settings.is_cut_detection_on else None
        self._background = BackgroundMotion() if settings.is_camera_motion_on and not settings.is_id_kept else None

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with one `Tracks` per frame.

        Raises:
            InputError: a frame has more people than can be tracked.
        """
        found, cuts = [], []
        for frame, detections in zip(chunk.frames, chunk.detections or (), strict=True):
            if len(detections) > PEOPLE_MAX:
                raise InputError(
                    f"frame {frame.index} has {len(detections)} people, and at most {PEOPLE_MAX} can be tracked; "
                    "lower detect.people_max, or give keypoints of fewer people"
                )
            if self._cuts is not None and self._cuts.update(frame.image):
                self._tracker.end_all()
                cuts.append(frame.index)
                if self._background is not None:
                    self._background.begin_anew()
            if not is_looked_at(frame.index, self._every):
                found.append(no_tracks())
                continue
            motion = None
            if self._background is not None:
                motion = self._background.update(frame.image, detections.boxes_xyxy)
            found.append(self._tracker.update(detections, frame.time_s, frame.index, motion))
        return replace(chunk, tracks=tuple(found), cut_frames=tuple(cuts))

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the state of the tracker, of the cut detector and of what follows the background."""
        state = {f"tracker.{name}": value for name, value in self._tracker.snapshot().items()}
        if self._cuts is not None:
            state |= {f"cuts.{name}": value for name, value in self._cuts.snapshot().items()}
        if self._background is not None:
            state |= {f"background.{name}": value for name, value in self._background.snapshot().items()}
        return state

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Continue where another process stopped."""
        self._tracker.restore(_part(snapshot, "tracker."))
        if self._cuts is not None:
            self._cuts.restore(_part(snapshot, "cuts."))
        if self._background is not None:
            self._background.restore(_part(snapshot, "background."))


def _part(snapshot: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in snapshot.items() if name.startswith(prefix)}
