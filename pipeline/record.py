"""What a run says of itself in `run.json`, as it is read back."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from configs.errors import InputError
from configs.json_files import read_json

RECORD_NAME = "run.json"
RECORD_BYTES_MAX = 2**24


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is no text")
    return value


Text = Annotated[Any, AfterValidator(_check_text)]
"""Text in which bytes of file names that are no UTF-8 may stand as lone surrogates, which pydantic's own refuses."""


class BodyRecord(BaseModel):
    """The part of the settings that says which body the motion is of."""

    source: Text
    gender: Literal["auto", "neutral", "female", "male"] = "auto"


class SettingsRecord(BaseModel):
    """What readers need of the settings, whatever else a version had."""

    body: BodyRecord


class RunRecord(BaseModel):
    """The part of `run.json` that is read back; fields of a run that failed or goes on are not all there."""

    model_config = ConfigDict(frozen=True)

    status: Literal["running", "done", "partial", "failed"]
    settings: SettingsRecord
    problem: Text = ""
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
        return RunRecord.model_validate(read_json(path, bytes_max=RECORD_BYTES_MAX, is_nan_allowed=True))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: not the record of a run ({where}{': ' if where else ''}{first['msg']}); run the clip again"
        ) from error
    except InputError as error:
        problem = str(error).removeprefix(f"{path}: ").partition(";")[0]
        raise InputError(f"{path}: not the record of a run ({problem}); run the clip again") from error


def read_finished(folder: Path) -> RunRecord:
    """Return what a finished run says of itself.

    Raises:
        InputError: there was no run, its record is damaged, or the last run failed or did not end.
    """
    record = read_record(folder)
    if record.status == "failed":
        raise InputError(f"{folder}: the last run there failed ({record.problem}); run the clip again")
    if record.status == "running":
        raise InputError(f"{folder}: the run there goes on or was stopped; wait for its end, or run the clip again")
    return record
