"""How one run of a clip went, as its folder tells: `run.json`, and `error.log` where it failed."""

import logging
import time
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from configs.errors import DpmeshVideoError, InputError, RunError, SettingsError, WeightsError
from configs.failure import describe_failure, is_unexpected, keep_traceback
from configs.lock import locked
from configs.schema import RunSettings
from configs.version import program_version
from pipeline.flow.atomic import overwrite_json, write_bytes, write_json
from pipeline.flow.outputs import RunFolder, describe_files
from pipeline.flow.record import RunRecord

log = logging.getLogger(__name__)

LOG_HEAD = "dpmesh-video"  # how such a file begins


class Attempt:
    """One clip's run as its folder tells of it; `lock` keeps the folder for this run until it is closed."""

    def __init__(self, name: str, folder: Path, settings: RunSettings) -> None:
        self.name = name
        self.folder = folder
        self.files = RunFolder(folder)
        self.record = RunRecord(settings=settings.model_dump(mode="json"), status="running")
        self.lock = ExitStack()
        self.is_owner = False  # whether the folder is known to be this clip's, or nobody's
        self._is_begun = False
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self._started

    def note(self, **fields: Any) -> None:
        """Add to the record what is known of the run by now."""
        self.record = self.record.model_copy(update=fields)

    def begin(self) -> None:
        """Take the folder, and say that a run goes on.

        Raises:
            RunError: another run has it, or it cannot be written.
        """
        self.lock.enter_context(locked(self.folder))
        self._is_begun = True
        write_json(self.files.record, self.record.dump())  # stays there after a crash

    def finish(self, **fields: Any) -> None:
        """Say how the run ended."""
        self.note(**fields, files=describe_files(self.folder))
        write_json(self.files.record, self.record.dump())
        if _is_our_log(self.files.error_log):
            self.files.error_log.unlink()

    def stop(self) -> None:
        """Say that the run was stopped, if it had begun."""
        if self._is_begun:
            with suppress(OSError):
                self.note(status="stopped")
                write_json(self.files.record, self.record.dump())

    def fail(self, error: Exception) -> str:
        """Say that the run failed, where the folder is this run's to write in; return what was wrong."""
        problem = describe_failure(error)
        names = (self.name, self.record.input or self.name)
        is_named = isinstance(error, DpmeshVideoError) and not isinstance(error, InputError)
        if not is_named and not (isinstance(error, InputError) and any(name in problem for name in names)):
            problem = f"{self.name}: {problem}"
        log.debug("%s: traceback", self.name, exc_info=error)
        path = self._tell(problem, error) if self._may_write(error) else None
        if is_unexpected(error):
            problem += f"; the traceback is in {path}" if path else f"; {keep_traceback(error)}"
        return problem

    def _may_write(self, error: Exception) -> bool:
        """Whether a failure is recorded in the folder; one before the run began may claim the folder for it."""
        if self._is_begun:
            return True
        if not self.is_owner:  # the folder may be another video's
            return False
        if isinstance(error, SettingsError | WeightsError | RunError):  # refused before it touched anything
            return False
        if not is_unexpected(error) and not self.folder.is_dir():  # no folder for what is no video
            return False
        try:
            self.lock.enter_context(locked(self.folder))
        except (RunError, OSError):
            return False
        return True

    def _tell(self, problem: str, error: Exception) -> Path | None:
        """Write `run.json` and `error.log`; return the log, or None where it cannot be written."""
        path = self.files.error_log
        self.note(status="failed", problem=problem)
        try:
            write_json(self.files.record, self.record.dump())
        except OSError:  # no space for another file: what there is becomes a shorter one
            kept = {"input", "path", "settings", "status", "problem"}
            with suppress(OSError):
                overwrite_json(self.files.record, {k: v for k, v in self.record.dump().items() if k in kept})
        if path.exists() and not _is_our_log(path):
            return None
        content = f"{LOG_HEAD} {program_version()}: {problem}\n\n{''.join(traceback.format_exception(error))}"
        try:
            write_bytes(path, content.encode("utf-8", "backslashreplace"))
        except OSError:
            return None
        return path


def _is_our_log(path: Path) -> bool:
    """Whether a file is an `error.log` that a run has written, and not something of the user's."""
    if not path.is_file():  # opening a pipe would wait for its writer
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(LOG_HEAD)) == LOG_HEAD.encode()
    except OSError:
        return False
