"""The unit of work that engines hand out: a clip, or one segment of a long one; as JSON, so that nothing is pickled."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import configs.errors
from configs.errors import DpmeshVideoError, SettingsError, WeightsError
from configs.failure import describe_failure
from configs.schema import RunSettings
from pipeline.clip import Clip
from pipeline.flow.graph import fingerprint_of
from pipeline.flow.inputs import ClipInput
from pipeline.flow.memory import release_memory
from pipeline.models import Models
from pipeline.nodes.context import Progress
from pipeline.nodes.segments import Segment, is_observed, plan_segments
from pipeline.run import ClipResult, open_clip, run_clip


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work that is done whole or not at all, and again wherever it was not.

    Without a segment it is the whole clip; where its segments are observed, it joins them and does what is left.
    """

    clip: ClipInput
    segment: Segment | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.clip.name if self.segment is None else f"{self.clip.name}, segment {self.segment.number + 1}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        segment = None if self.segment is None else self.segment.as_json()
        return {"path": str(self.clip.path), "name": self.clip.name, "segment": segment}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Return what `as_json` described."""
        segment = None if value["segment"] is None else Segment.of_json(value["segment"])
        return cls(ClipInput(Path(value["path"]), value["name"]), segment)


def open_segments(clip: Clip) -> list[Segment]:
    """Return the segments of a clip that have to be observed before it can be joined; none where it has none."""
    segments = plan_segments(clip)
    if not segments or next(node.is_current for node in clip.plan() if node.name == "observe"):
        return []
    fingerprint = clip.observations_fingerprint
    state = clip.store.read_state()
    if state is not None and state[0].is_complete and state[0].fingerprint == fingerprint:
        return []
    return [segment for segment in segments if not is_observed(clip, segment, fingerprint)]


def run_unit(unit: Unit, output: Path, settings: RunSettings, models: Models, progress: Progress) -> ClipResult:
    """Do a unit in this process and return how it ended; what an earlier attempt made is not made again.

    A segment leaves its files in `RunFolder(output / clip.name).segment(number)`. Of a failed one, only the unit of the
    clip says so in `run.json`.

    Raises:
        SettingsError, WeightsError: what every unit would raise.
        KeyboardInterrupt: it was stopped.
    """
    if unit.segment is None:
        return run_clip(unit.clip, output, settings, models, progress)
    started, folder, frames, problem, failure = time.monotonic(), output / unit.clip.name, 0, "", None
    try:
        frames = open_clip(unit.clip, output, settings, models, progress).observe_segment(unit.segment)
    except (SettingsError, WeightsError):
        raise
    except Exception as error:
        problem, failure = describe_failure(error), error.with_traceback(None)
        failure.__cause__ = failure.__context__ = None  # whose frames hold images
    release_memory()
    return ClipResult(unit.clip.name, folder, 0, frames, time.monotonic() - started, problem, failure)


def unit_fingerprint(unit: Unit, output: Path, settings: RunSettings, models: Models) -> str:
    """Return 16 hexadecimal digits of all that the files of a unit depend on: settings, video, models, code.

    Raises:
        DpmeshVideoError: the clip cannot be read, or cannot be run with these settings.
    """
    clip = open_clip(unit.clip, output, settings, models)
    if unit.segment is not None:
        return fingerprint_of({"observations": clip.observations_fingerprint, "segment": unit.segment.as_json()})
    return fingerprint_of({"nodes": {node.name: node.fingerprint for node in clip.plan()}})


def result_as_json(result: ClipResult) -> dict[str, Any]:
    """Return how a unit ended as JSON values."""
    return {
        "name": result.name,
        "folder": str(result.folder),
        "people": result.person_count,
        "frames": result.frame_count,
        "seconds": result.seconds,
        "problem": result.problem,
        "error": None if result.error is None else error_as_json(result.error),
    }


def result_of_json(value: dict[str, Any]) -> ClipResult:
    """Return what `result_as_json` described."""
    return ClipResult(
        value["name"],
        Path(value["folder"]),
        value["people"],
        value["frames"],
        value["seconds"],
        value["problem"],
        None if value["error"] is None else error_of_json(value["error"]),
    )


def error_as_json(error: BaseException) -> dict[str, str]:
    """Return an error's class and message."""
    return {"kind": type(error).__name__, "message": str(error)}


def error_of_json(value: dict[str, str]) -> Exception:
    """Return the error of this program that was described; one of another kind comes back as `RuntimeError`."""
    kind = getattr(configs.errors, value["kind"], None)
    if isinstance(kind, type) and issubclass(kind, DpmeshVideoError):
        return kind(value["message"])
    return RuntimeError(f"{value['kind']}: {value['message']}")
