"""Reads what other steps of a run leave as JSON."""

from pathlib import Path
from typing import Any

from configs.errors import InputError
from configs.json_files import read_json

FILE_BYTES_MAX = 2**27


def read_object(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None where there is no such file.

    Raises:
        InputError: it is no JSON object.
    """
    if not path.is_file():
        return None
    found = read_json(path, bytes_max=FILE_BYTES_MAX)
    if not isinstance(found, dict):
        raise InputError(f"{path}: not of a run of this version; run the clip again")
    return found
