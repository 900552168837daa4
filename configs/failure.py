"""Whatever was raised, as one line for the user."""

import errno
import os
import tempfile
import traceback

from configs.errors import DpmeshVideoError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # RuntimeErrors of torch and its backends


def is_unexpected(error: BaseException) -> bool:
    """Whether an error is the program's fault, so that its traceback is worth keeping for the user."""
    return not isinstance(error, DpmeshVideoError | OSError | MemoryError) and not _is_memory(error)


def describe_failure(error: BaseException) -> str:
    """Return one line that says what went wrong, with what value and, if known, what to do."""
    if isinstance(error, DpmeshVideoError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
        if error.errno in NO_SPACE:
            return f"{where}the disk is full ({error.strerror}); free space and give the same command again"
        return f"{where}{error.strerror or error}"
    first_line = str(error).strip().partition("\n")[0]
    if _is_memory(error):
        why = first_line or type(error).__name__
        return f"out of memory ({why}); free some, or process smaller frames or fewer people"
    return f"unexpected {type(error).__name__}{': ' if first_line else ''}{first_line}"


def keep_traceback(error: BaseException) -> str:
    """Write the traceback into a new file in the folder for temporary files; return what to say of it."""
    try:
        number, path = tempfile.mkstemp(prefix="dpmesh-video-", suffix=".log")
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
    except OSError as problem:
        return f"its traceback cannot be kept ({problem.strerror})"
    return f"the traceback is in {path}"


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        text = str(error).lower()
        return any(word in text for word in NO_MEMORY)
    return isinstance(error, MemoryError)
