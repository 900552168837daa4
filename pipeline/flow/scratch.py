"""Rows that are read again and again but are too many for memory: in a file without a name, which ends with its use."""

import mmap
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np


def rows_on_disk(
    parts: Iterable[Mapping[str, np.ndarray]],
    kinds: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
    count: int,
    folder: Path | None,
) -> dict[str, np.ndarray]:
    """Return arrays that can only be read, whose rows lie in a file of `folder` and come into memory as they are used.

    The system takes their memory back when it is short of it, and the file goes with the last array, or the process.

    Args:
        parts: the rows, some at a time; all arrays of a part have as many.
        kinds: type and shape of one row, by name.
        count: how many rows there are in all.
        folder: None: the system's for temporary files.

    Raises:
        ValueError: the parts have more or fewer rows.
        OSError: the disk is full.
    """
    starts, end = {}, 0
    for name, (kind, shape) in kinds.items():
        starts[name] = end
        end += -(-count * kind.itemsize * prod(shape) // mmap.PAGESIZE) * mmap.PAGESIZE
    if not count:
        return {name: np.zeros((0, *shape), kind) for name, (kind, shape) in kinds.items()}
    with TemporaryFile(dir=folder) as file:
        done = 0
        for part in parts:
            rows = len(next(iter(part.values())))
            if done + rows > count:
                raise ValueError(f"more than {count} rows came")
            for name, (kind, shape) in kinds.items():
                file.seek(starts[name] + done * kind.itemsize * prod(shape))
                file.write(np.ascontiguousarray(part[name], kind).data)
            done += rows
        if done < count:
            raise ValueError(f"{done} rows came, not {count}")
        file.truncate(end)
        file.flush()
        block = mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ)
    return {
        name: np.frombuffer(block, kind, count * prod(shape), starts[name]).reshape(count, *shape)
        for name, (kind, shape) in kinds.items()
    }
