"""What lies at a path the user gave, asked before anything is opened: reading a pipe or a device may never end."""

import os
import stat
from pathlib import Path

from configs.errors import DpmeshVideoError, InputError

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def check_regular(
    path: Path, what: str, *, bytes_max: int | None = None, error: type[DpmeshVideoError] = InputError
) -> os.stat_result:
    """Return the stat of a regular file; links are followed.

    Args:
        what: what the user should give in its place, as "a JSON file".
        bytes_max: a larger file is refused.
        error: the class of what is raised.

    Raises:
        DpmeshVideoError: nothing is there, it is not a regular file (a folder, pipe, device or socket) or too large.
    """
    state = read_state(path, error)
    if not stat.S_ISREG(state.st_mode):
        raise error(f"{path}: is {kind_of(state)}; give {what}")
    if bytes_max is not None and state.st_size > bytes_max:
        raise error(f"{path}: has {state.st_size} bytes, at most {bytes_max} are read; give {what} of that size")
    return state


def check_regular_or_folder(path: Path, what: str, *, error: type[DpmeshVideoError] = InputError) -> os.stat_result:
    """Return the state of a regular file or a folder; as `check_regular` does."""
    state = read_state(path, error)
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        raise error(f"{path}: is {kind_of(state)}; give {what}")
    return state


def read_state(path: Path, error: type[DpmeshVideoError] = InputError) -> os.stat_result:
    """Return the state of what is at a path, links followed.

    Raises:
        DpmeshVideoError: of the class given: nothing is there, or it cannot be asked.
    """
    try:
        return path.stat()
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path") from problem
    except ValueError as problem:  # a NUL in the name
        raise error(f"{str(path)!r}: not a valid path ({problem}); check it") from problem


def check_is_folder(path: Path) -> None:
    """Raise `InputError` unless there is a folder."""
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; check the path")


def user_path(text: str | Path) -> Path:
    """Return a path with "~" put in its place, where that is known."""
    return Path(os.path.expanduser(text))


def is_there(path: Path) -> bool:
    """Whether a path leads to something; a name that is too long or no name leads to nothing."""
    return os.path.exists(path)


def kind_of(state: os.stat_result) -> str:
    """Return in words what a state belongs to, as "a folder"."""
    return next((name for is_kind, name in KINDS if is_kind(state.st_mode)), "a file")
