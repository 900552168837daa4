"""What the report tells of a run, read once from its folder."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from configs.npz_files import read_npz
from pipeline.flow.record import RunRecord
from pipeline.motion.scene import Scene as GroundScene
from pipeline.overlay.palette import identity_colours
from pipeline.report.links import Join, read_joins
from pipeline.report.quality import read_or_measure
from pipeline.results import Run
from pipeline.view.scene import Scene, ScenePerson, scene_of_run

SEEN, FILLED, HIDDEN = 0, 1, 2  # states of a sample


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a person's samples that are in one state."""

    start_s: float
    end_s: float
    state: int
    is_refined: bool


@dataclass(frozen=True)
class Facts:
    """A finished run as the sections of the report see it."""

    run: Run
    scene: Scene
    quality: dict[int, dict[str, Any]] = field(default_factory=dict)  # by person
    ground: GroundScene | None = None  # None: a run of several cameras or of an earlier version
    joins: dict[int, list[Join]] = field(default_factory=dict)  # by person

    @property
    def record(self) -> RunRecord:
        """What the run says of itself."""
        return self.run.record

    @property
    def title(self) -> str:
        """What was run, as the user calls it."""
        return self.record.input or self.run.path.name

    @cached_property
    def video(self) -> Path | None:
        """The video that shows the result, where there is one."""
        paths = (self.run.files.overlay, self.run.files.mosaic)
        return next((path for path in paths if path.is_file()), None)

    @cached_property
    def rate_hz(self) -> float:
        """Frames per second of the video."""
        whole, _, part = self.record.video.rate.partition("/")
        return float(whole or 30) / float(part or 1) or 30.0

    @cached_property
    def video_start_s(self) -> float:
        """Time of the first frame that was read."""
        decode = self.record.settings.get("decode", {})
        start = float(decode.get("start_s") or 0.0) if isinstance(decode, dict) else 0.0
        return float(np.ceil(start * self.rate_hz - 1e-6)) / self.rate_hz

    @cached_property
    def span_s(self) -> tuple[float, float]:
        """First and last moment that the report shows."""
        first, last = self.scene.span_s
        end = self.video_start_s + self.record.frames / self.rate_hz
        return min(self.video_start_s, first) if self.scene.people else self.video_start_s, max(end, last)

    def colour(self, person: int) -> list[int]:
        """Return the colour of a person in overlay and scene."""
        colour: list[int] = identity_colours(np.array([person]))[0].tolist()
        return colour

    def spans(self, person: ScenePerson) -> list[Span]:
        """Return when a person was seen, filled in, or hidden for longer, and where refinement changed the motion."""
        times = person.time_s
        states = np.where(person.is_observed, SEEN, np.where(person.is_hidden, HIDDEN, FILLED))
        keys = states * 2 + person.is_refined
        edges = np.flatnonzero(np.diff(keys)) + 1
        starts, ends = np.append(0, edges), np.append(edges, len(keys))
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / self.rate_hz
        return [
            Span(float(times[a]), float(times[b - 1]) + step, int(states[a]), bool(person.is_refined[a]))
            for a, b in zip(starts, ends, strict=True)
        ]


def gather(run: Run) -> Facts:
    """Return the facts of a run.

    Raises:
        InputError: one of its files is damaged.
    """
    scene = scene_of_run(run)
    facts = Facts(run, scene)
    return Facts(
        run,
        scene,
        quality=read_or_measure(run.path / "quality.json", scene),
        ground=run.scene,
        joins=read_joins(run.path / "links.json", _frames_of(run), facts.rate_hz),
    )


def _frames_of(run: Run) -> dict[tuple[int, int], int]:
    """Return everybody's number by the first and last frame with a body."""
    return {
        (int(frames[0]), int(frames[-1])): person.id
        for person in run.people
        if (frames := read_npz(person.path, ("frame_index",)).get("frame_index")) is not None and len(frames)
    }
