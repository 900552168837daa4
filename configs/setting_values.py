"""Values that settings have: how text from a file or the command line becomes one."""

import re
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

RATE_MAX_HZ = 1000  # beyond it a slip of the keyboard is likelier than a camera or a motion file


def _read_rate(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        return value
    power = re.search(r"e[+-]?(\d+)", str(value), re.IGNORECASE)
    if len(str(value)) > 40 or (power and len(power[1]) > 3):  # a fraction of a billion digits takes minutes to make
        raise ValueError(f"a rate is at most {RATE_MAX_HZ} frames per second; use 30 or 60")
    try:
        return Fraction(str(value)).limit_denominator(1001)  # of 24000/1001; containers hold no long ones
    except ZeroDivisionError as error:
        raise ValueError("a rate cannot have a zero denominator") from error


def _check_rate(rate: Fraction) -> Fraction:
    if rate <= 0:
        raise ValueError("a rate must be above 0")
    if rate > RATE_MAX_HZ:
        raise ValueError(f"a rate is at most {RATE_MAX_HZ} frames per second; use 30 or 60")
    return rate


def read_off(value: Any) -> Any:
    """Return the word where YAML made a truth value of it."""
    return "off" if value is False else value  # what YAML makes of the word


def read_on_off(value: Any) -> Any:
    """Return the word, on or off, where YAML made a truth value of it."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def read_second_stage(value: Any) -> Any:
    """Return a choice of `detect.second_stage`, also from older settings."""
    if value is None or isinstance(value, bool):
        return "off" if value is False else "auto"  # what `is_second_stage_on` said, and what YAML makes of "off"
    return value


def read_people(value: Any) -> Any:
    """Return numbers of people from text such as `1,3`; whatever else is left to the type."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    words = value.split(",")
    if not all(word.strip().isascii() and word.strip().isdecimal() and len(word) <= 9 for word in words):
        raise ValueError("expected person numbers, such as 1,3")
    return tuple(int(word) for word in words)


Rate = Annotated[
    Fraction, BeforeValidator(_read_rate), AfterValidator(_check_rate), PlainSerializer(str, return_type=str)
]


def check_whole_rate(rate: Fraction) -> Fraction:
    """Return the rate if motion files can store it; raise `ValueError` otherwise."""
    if rate <= 0 or rate.denominator != 1:
        raise ValueError(
            f"rate {rate}: motion files store a whole number of frames per second, because readers truncate it "
            "(29.97 is read as 29); use 30 or 60"
        )
    return rate


WholeRate = Annotated[Rate, AfterValidator(check_whole_rate)]


def _read_side(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 64 or value % 32:
        raise ValueError("expected 'auto', or a multiple of 32 from 64 on, such as 640 or 1280")
    return value


InputSide = Annotated[int | Literal["auto"], BeforeValidator(_read_side)]


WORKERS_MAX = 256


def _read_workers(value: Any) -> Any:
    if value == "auto":
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= WORKERS_MAX:
        raise ValueError(f"expected 'auto', or a number of processes from 1 to {WORKERS_MAX}")
    return value


WorkerCount = Annotated[int | Literal["auto"], BeforeValidator(_read_workers)]


SEGMENT_MIN_S = 1.0


def _read_length(value: Any) -> Any:
    value = read_off(value)
    if value in ("auto", "off"):
        return value
    try:
        seconds = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        seconds = float("nan")
    if not SEGMENT_MIN_S <= seconds <= 1e6:
        raise ValueError("expected 'auto', 'off', or seconds from 1 on, such as 300")
    return seconds


SegmentLength = Annotated[float | Literal["auto", "off"], BeforeValidator(_read_length)]


def _read_pace(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9 else value


Pace = Annotated[Annotated[int, Field(ge=1, le=1000)] | Literal["auto"], BeforeValidator(_read_pace)]


def _read_format(value: Any) -> Any:
    return value.lower().replace("_", "").replace("-", "") if isinstance(value, str) else value  # of "BODY_25B"


KeypointFormat = Annotated[
    Literal[
        "auto", "coco17", "h36m17", "openpose18", "coco18", "coco23", "body25", "body25b", "halpe26", "mediapipe33",
        "wholebody133", "body135", "halpe136",
    ],
    BeforeValidator(_read_format),
]  # fmt: skip


def read_rate(text: str) -> Fraction:
    """Return the rate in text; raises `ValueError` as the type `Rate` does."""
    try:
        return _check_rate(_read_rate(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no rate ({error}); use 30, 29.97 or 30000/1001") from error


def read_formats(value: Any) -> Any:
    """Return names of formats from text such as `bvh,glb` or `all`; whatever else is left to the type."""
    if value is None or not isinstance(value, str):
        return () if value is None else value
    words = [word.strip().lower() for word in value.split(",") if word.strip()]
    unknown = [word for word in words if word not in (*EXPORT_FORMATS, "all")]
    if unknown or not words:
        what = f"{unknown[0]!r} is unknown" if unknown else "no name is given"
        raise ValueError(f"{what}; choose from {', '.join(EXPORT_FORMATS)}, or all")
    return tuple(name for name in EXPORT_FORMATS if name in words or "all" in words)


ExportFormat = Literal["bvh", "glb", "usd", "trc", "c3d", "csv", "parquet", "mot", "fbx"]
EXPORT_FORMATS: tuple[str, ...] = get_args(ExportFormat)
ExportFormats = Annotated[tuple[ExportFormat, ...], BeforeValidator(read_formats)]
