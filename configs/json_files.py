"""JSON from outside, read in one place: every way in which a file can be no JSON of ours is one line for the user."""

import codecs
import json
from pathlib import Path
from typing import Any, NoReturn

from configs.errors import InputError
from configs.files import check_regular

JSON_BYTES_MAX = 2**29  # parsed, a file takes about eight times its size in memory
INTEGER_DIGITS_MAX = 18  # fits 64 bits; a longer one overflows wherever it is used
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_json(path: Path, *, bytes_max: int = JSON_BYTES_MAX, is_nan_allowed: bool = False) -> Any:
    """Return the content of a JSON file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Args:
        bytes_max: a larger file is refused before it is read.
        is_nan_allowed: whether NaN and Infinity, which are no JSON but which Python and others write, are numbers.

    Raises:
        InputError: not a regular file, too large, not readable, not JSON, nested too deep, or with integers of more
            than 18 digits; names the file and what is wrong.
    """
    check_regular(path, "a JSON file", bytes_max=bytes_max)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return parse_json(data, str(path), is_nan_allowed=is_nan_allowed)


def parse_json(data: bytes, name: str, *, is_nan_allowed: bool = False) -> Any:
    """Return the value of JSON text; errors as of `read_json`, under the name given."""
    encoding = next((found for mark, found in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
        return json.loads(text, parse_int=_parse_int, parse_constant=float if is_nan_allowed else _refuse_constant)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not readable as JSON (byte {error.start} is no {encoding}); save it as UTF-8") from (
            error
        )
    except json.JSONDecodeError as error:
        where = f"{error.msg}, line {error.lineno} column {error.colno}"
        raise InputError(f"{name}: not readable as JSON ({where}); write it again") from error
    except RecursionError as error:
        raise InputError(f"{name}: not readable as JSON (nested too deep); write it again") from error
    except ValueError as error:
        raise InputError(f"{name}: not readable as JSON ({error}); write it again") from error


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > INTEGER_DIGITS_MAX:
        raise ValueError(f"the integer {text[:20]}... has more than {INTEGER_DIGITS_MAX} digits")
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
