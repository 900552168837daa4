"""What a run says of itself in `run.json`: written by the run, read by whatever looks at its result."""

import copy
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from configs.errors import InputError, RunError
from configs.json_files import read_json
from configs.renamed import rename_settings
from configs.schema import RunSettings
from pipeline.flow.capture_record import CaptureRecord
from pipeline.flow.identity import video_identity
from pipeline.flow.outputs import RunFolder

RECORD_BYTES_MAX = 2**24


def _readable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_readable)]  # paths in it may hold bytes that are no UTF-8


class BodyRecord(BaseModel):
    """The part of the settings that says which body the motion is of."""

    source: Text
    gender: Literal["auto", "neutral", "female", "male"] = "auto"


class _HasBody(BaseModel):
    body: BodyRecord


def _with_body(settings: dict[str, Any]) -> dict[str, Any]:
    _HasBody.model_validate(settings)
    return settings


class VideoRecord(BaseModel):
    """What the input holds, as it is shown: upright, with square pixels."""

    model_config = ConfigDict(frozen=True)

    width: int | None = None
    height: int | None = None
    rate: str = ""  # frames per second, as a fraction
    rate_source: str = ""
    codec: str = ""
    rotation_deg: float = 0
    duration_s: float | None = None


class LeftOut(BaseModel):
    """People of the video that are in no motion file, and the setting that left them out."""

    model_config = ConfigDict(frozen=True)

    what: str
    setting: str
    count: int | None  # of people, summed over the frames; None: not known


class RunRecord(BaseModel):
    """What a run says of itself in `run.json`; fields of a run that failed or goes on are not all there."""

    model_config = ConfigDict(frozen=True)

    settings: Annotated[dict[str, Any], AfterValidator(_with_body)]  # resolved; of whatever version wrote them
    input: Text = ""  # file name
    path: Text = ""  # of the input, in full
    cwd: Text = ""  # the folder that the command was given in; settings may name files from there
    video: VideoRecord = VideoRecord()
    cameras: list[Text] = []  # of a capture: those whose views were used
    models: dict[str, Any] = {}  # names, and hashes of their content
    content: str = ""  # identity of the input's content
    status: Literal["running", "stopped", "done", "partial", "failed"]
    problem: Text = ""
    frames: int = 0
    rows: int = 0  # people, summed over the frames
    people: int = 0
    detection: dict[str, Any] = {}  # size of the detector's input, and what it was chosen by
    left_out: list[LeftOut] = []
    capture: CaptureRecord = CaptureRecord()  # where there are several cameras
    nodes: dict[str, Any] = {}
    files: dict[str, dict[str, Any]] = {}  # what the run left: format, bytes and sha256 by name
    seconds: dict[str, Any] = {}  # time that each stage took
    cpu_seconds: dict[str, Any] = {}  # of all processor cores meanwhile
    program: str = ""
    python: str = ""

    @property
    def body(self) -> BodyRecord:
        """Which body the motion is of."""
        return _HasBody.model_validate(self.settings).body

    def run_settings(self, folder: Path) -> RunSettings:
        """Return the settings of the run.

        Args:
            folder: where the record lies, for the message.

        Raises:
            InputError: they are those of another version.
        """
        settings = copy.deepcopy(self.settings)
        rename_settings(settings, is_quiet=True)
        try:
            return RunSettings.model_validate(settings)
        except ValidationError as error:
            path = RunFolder(folder).record
            raise InputError(
                f"{path}: not the settings of this version ({_first_fault(error)}); run the clip again"
            ) from error

    def dump(self) -> dict[str, Any]:
        """Return what `run.json` holds."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_record(folder: Path) -> RunRecord:
    """Return the record of the last run in a folder, whatever its status.

    Raises:
        InputError: there was no run, or its record is damaged.
    """
    path = RunFolder(folder).record
    if not path.is_file():
        raise InputError(f"{folder}: holds no run.json, so no finished run; give the folder of one clip, as out/clip")
    try:
        return RunRecord.model_validate(read_json(path, bytes_max=RECORD_BYTES_MAX, is_nan_allowed=True))
    except ValidationError as error:
        raise InputError(f"{path}: not the record of a run ({_first_fault(error)}); run the clip again") from error
    except InputError as error:
        why = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: not the record of a run ({why}); run the clip again") from error


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(str(part) for part in first["loc"]), first["msg"])))


def read_finished(folder: Path) -> RunRecord:
    """Return what a finished run says of itself.

    Raises:
        InputError: there was no run, its record is damaged, or the last run failed or did not end.
    """
    record = read_record(folder)
    if record.status == "failed":
        raise InputError(f"{folder}: the last run there failed ({record.problem}); run the clip again")
    if record.status == "stopped":
        raise InputError(f"{folder}: the run there was stopped; run the clip again to resume it")
    if record.status == "running":
        raise InputError(f"{folder}: the run there goes on or was stopped; wait for its end, or run the clip again")
    return record


def describe_input(path: Path, hidden_name: str = "") -> dict[str, str]:
    """Return what `run.json` says of an input that is there; bytes of a name that are no UTF-8 stand as `\\xdf`.

    Args:
        hidden_name: said in place of the file's name and path; empty: these are said.
    """
    if hidden_name:
        return {"input": hidden_name, "path": "", "cwd": ""}
    return {"input": printable(path.name), "path": printable(path.resolve()), "cwd": printable(Path.cwd())}


def printable(name: Path | str) -> str:
    """Return a file name that every encoding of text can carry."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_owner(folder: Path, source: Path) -> None:
    """Refuse a folder that holds the run of another input: one at another path and of other content.

    Raises:
        RunError: it does, or the input cannot be read to tell.
    """
    try:
        owner = read_record(folder)
    except InputError:
        return  # nothing, or nothing that says whose it is
    mine = describe_input(source)
    if owner.path in ("", mine["path"]) and owner.input in ("", mine["input"]):
        return
    try:
        if owner.content and owner.content == video_identity(source):
            return
    except InputError as error:  # which would be written into the other's record
        raise RunError(str(error)) from error
    if owner.status == "failed" and not RunFolder(folder).nodes.exists():
        return  # it made nothing
    raise RunError(
        f"{folder}: holds the run of {owner.path or owner.input}, and {mine['path']} is another video; "
        "give another --output"
    )
