"""What a run says of itself in `run.json`, as it is read back."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import InputError

RECORD_NAME = "run.json"


class BodyRecord(BaseModel):
    """The part of the settings that says which body the motion is of."""

    source: str


class SettingsRecord(BaseModel):
    """What readers need of the settings, whatever else a version had."""

    body: BodyRecord


class RunRecord(BaseModel):
    """The part of `run.json` that is read back; fields of a run that failed or goes on are not all there."""

    model_config = ConfigDict(frozen=True)

    status: Literal["running", "stopped", "done", "partial", "failed"]
    settings: SettingsRecord
    problem: str = ""
    people: int = 0
    frames: int = 0
    video: dict[str, Any] = {}
    models: dict[str, Any] = {}


def read_record(folder: Path) -> RunRecord:
    """Return what the last run in a folder says of itself, however it ended.

    Raises:
        InputError: there was no run, or its record is damaged.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        raise InputError(f"{folder}: holds no run.json, so no finished run; give the folder of one clip, as out/clip")
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: not the record of a run ({where}{': ' if where else ''}{first['msg']}); run the clip again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run the clip again") from error


def read_finished(folder: Path) -> RunRecord:
    """Return what a finished run says of itself.

    Raises:
        InputError: there was no run, its record is damaged, or the last run failed or did not end.
    """
    record = read_record(folder)
    if record.status == "failed":
        raise InputError(f"{folder}: the last run there failed ({record.problem}); run the clip again")
    if record.status == "stopped":
        raise InputError(f"{folder}: the run there was stopped; run the clip again, it goes on where it stopped")
    if record.status == "running":
        raise InputError(f"{folder}: the run there goes on or was stopped; wait for its end, or run the clip again")
    return record
