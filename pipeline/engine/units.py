"""The unit of work that engines hand out: one clip; as JSON values, so that no engine has to pickle anything."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import configs.errors
from configs.errors import DpmeshVideoError
from configs.schema import RunSettings
from pipeline.flow.graph import fingerprint_of
from pipeline.flow.inputs import ClipInput
from pipeline.models import Models
from pipeline.nodes.context import Progress
from pipeline.run import ClipResult, open_clip, run_clip


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work that is done whole or not at all, and again wherever it was not."""

    clip: ClipInput

    @property
    def name(self) -> str:
        """What people call it."""
        return self.clip.name

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"path": str(self.clip.path), "name": self.clip.name}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Return what `as_json` described."""
        return cls(ClipInput(Path(value["path"]), value["name"]))


def run_unit(unit: Unit, output: Path, settings: RunSettings, models: Models, progress: Progress) -> ClipResult:
    """Do a unit in this process and return how it ended; what an earlier attempt made is not made again.

    Raises:
        SettingsError, WeightsError: what every unit would raise.
        KeyboardInterrupt: it was stopped.
    """
    return run_clip(unit.clip, output, settings, models, progress)


def unit_fingerprint(unit: Unit, output: Path, settings: RunSettings, models: Models) -> str:
    """Return 16 hexadecimal digits of all that the files of a unit depend on: settings, video, models, code.

    Raises:
        DpmeshVideoError: the clip cannot be read, or cannot be run with these settings.
    """
    plan = open_clip(unit.clip, output, settings, models).plan()
    return fingerprint_of({"nodes": {node.name: node.fingerprint for node in plan}})


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
