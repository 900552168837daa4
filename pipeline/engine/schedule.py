"""Which units the clips of a run need, and which follow when others have ended."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from configs.errors import SettingsError, WeightsError
from configs.schema import RunSettings
from pipeline.engine.units import Unit, open_segments
from pipeline.flow.attempt import Attempt
from pipeline.flow.inputs import ClipInput
from pipeline.flow.record import describe_input
from pipeline.models import Models
from pipeline.run import ClipResult, open_clip

log = logging.getLogger(__name__)


class Schedule:
    """The units of several clips in one output folder. While segments of a clip are at work, its folder is locked.

    Use as a context manager: clips that are left before their end are recorded as stopped.
    """

    def __init__(self, output: Path, settings: RunSettings, device: str, on_done: Callable[[ClipResult], None]) -> None:
        """
        Args:
            on_done: called with the result of each clip.
        """
        self._output, self._settings, self._on_done = output, settings, on_done
        self._models = Models(settings, device)
        self._waited_for: dict[ClipInput, set[Unit]] = {}  # segments of clips
        self._attempts: dict[ClipInput, Attempt] = {}
        self.results: dict[ClipInput, ClipResult] = {}

    def __enter__(self) -> "Schedule":
        return self

    def __exit__(self, *_: object) -> None:
        for attempt in self._attempts.values():
            attempt.stop()
            attempt.lock.close()
        self._attempts.clear()

    def begin(self, clips: Iterable[ClipInput]) -> Iterator[Unit]:
        """Yield the units that can be done at once.

        Raises:
            SettingsError, WeightsError: what every clip would raise.
        """
        for clip in clips:
            yield from self._first_units(clip)

    def _first_units(self, clip: ClipInput) -> list[Unit]:
        if self._settings.runtime.segment_s == "off":
            return [Unit(clip)]
        try:
            work = open_clip(clip, self._output, self._settings, self._models)
            units = [Unit(clip, segment) for segment in open_segments(work)] if work.segment_s is not None else []
            if len(units) > 1:
                attempt = Attempt(clip.name, self._output / clip.name, self._settings)
                attempt.note(**describe_input(clip.path, clip.name if self._settings.privacy.is_anonymous else ""))
                attempt.begin()
                self._attempts[clip], self._waited_for[clip] = attempt, set(units)
                return units
        except (SettingsError, WeightsError):
            raise
        except Exception as error:  # the clip's own unit meets it too, and says so
            log.debug("%s: no segments: %s", clip.name, error)
        return [Unit(clip)]

    def end(self, unit: Unit, result: ClipResult, *, is_given_up: bool = False) -> list[Unit]:
        """Take note of how a unit ended; return those that can be done now.

        Args:
            is_given_up: whether nothing else of the clip is to be tried, and nobody has recorded it yet.
        """
        clip = unit.clip
        if clip in self.results:  # given up for another segment
            return []
        if is_given_up and result.error is not None:
            self._close(clip, self._give_up(clip, result))
            return []
        if unit.segment is None:
            self._close(clip, result)
            return []
        self._waited_for[clip].discard(unit)
        if self._waited_for[clip]:
            return []
        self._attempts.pop(clip).lock.close()
        return [Unit(clip)]  # a segment that failed fails there again, and is recorded

    def _close(self, clip: ClipInput, result: ClipResult) -> None:
        self.results[clip] = result
        self._on_done(result)

    def _give_up(self, clip: ClipInput, result: ClipResult) -> ClipResult:
        assert result.error is not None
        attempt = self._attempts.pop(clip, None)
        if attempt is None:
            attempt = Attempt(clip.name, self._output / clip.name, self._settings)
            attempt.note(**describe_input(clip.path, clip.name if self._settings.privacy.is_anonymous else ""))
            attempt.begin()
        with attempt.lock:
            problem = attempt.fail(result.error)
        return ClipResult(clip.name, attempt.folder, 0, 0, attempt.seconds, problem, result.error)
