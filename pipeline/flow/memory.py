"""Freed memory goes back to the system, so that a process stays as small at the end of a long video as at its start."""

import ctypes
from collections.abc import Callable
from functools import cache


def release_memory() -> None:
    """Return memory that was freed to the system, where the C library keeps it otherwise (glibc); takes milliseconds.

    Buffers of many sizes, freed by several threads, leave holes that glibc does not return by itself: what a process
    holds then creeps up with the length of a video, though nothing is kept.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None  # not glibc
