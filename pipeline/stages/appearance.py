"""Appearance: fills `Detections.appearance`, some times a second, where people are clear of each other."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from pipeline.flow.line import Stage
from pipeline.types import Chunk
from trackers.appearance.measure import LooksMeter, measure_looks
from trackers.sampling import is_due

EARLY = 0.1  # of the time between two looks: timestamps are not exact


class AppearanceStage(Stage):
    """Looks at the people of some frames; in the frames between, nobody's looks are measured."""

    name = "appearance"

    def __init__(self, make_meter: Callable[[], LooksMeter], rate_hz: float | None) -> None:
        """
        Args:
            make_meter: loads the network; called in `open`.
            rate_hz: looks per second of video; None: as the meter says.
        """
        self._make_meter = make_meter
        self._rate_hz = rate_hz
        self._meter: LooksMeter | None = None
        self._looked_s = float("-inf")

    def open(self) -> None:
        """Load the network."""
        self._meter = self._make_meter()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with the looks of everybody who was looked at."""
        if self._meter is None or chunk.detections is None:
            raise ValueError("appearance: the stage was not opened, or the chunk has no detections")
        step_s = 1.0 / (self._rate_hz or self._meter.rate_hz)
        found = []
        for frame, people in zip(chunk.frames, chunk.detections, strict=True):
            if len(people) and is_due(frame.time_s, self._looked_s, (1 - EARLY) * step_s):
                self._looked_s = frame.time_s
                people = replace(people, appearance=measure_looks(self._meter, frame.image, people))
            found.append(people)
        return replace(chunk, detections=tuple(found))

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return when people were looked at last."""
        return {"looked_s": np.array(self._looked_s, np.float64)}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Continue where another process stopped."""
        self._looked_s = float(snapshot["looked_s"])

    def close(self) -> None:
        """Let go of the network."""
        self._meter = None
