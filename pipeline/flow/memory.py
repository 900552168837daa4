"""Returns freed memory to the system, so that memory does not grow over a long video."""

import ctypes
from collections.abc import Callable
from functools import cache


def release_memory() -> None:
    """Return freed memory to the system (glibc only); takes milliseconds.

    Buffers of many sizes, freed by several threads, fragment the heap. Without this call the memory of a process grows
    with the length of a video although nothing is kept.
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
