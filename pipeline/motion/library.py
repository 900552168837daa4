"""The people of one clip, of whom only those near the frames at hand are in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from configs.checks import check_numbers, check_shape
from configs.errors import InputError, RunError
from configs.npz_files import read_npz
from pipeline.flow.atomic import write_npz
from pipeline.flow.outputs import person_number
from pipeline.types import OF_CAMERA, MotionTrack

TRACK_BYTES_MAX = 2**31  # somebody who is there for ten hours at 60 frames/s


@dataclass(frozen=True, slots=True)
class TrackEntry:
    """Where a person is in the clip, and how to get the motion."""

    first_frame: int
    last_frame: int
    load: Callable[[], MotionTrack]


class MotionLibrary:
    """Motions that are loaded when the frames reach them and let go when the frames have passed."""

    def __init__(self, entries: Sequence[TrackEntry]) -> None:
        self._entries = list(entries)
        self._held: dict[int, MotionTrack] = {}

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> "MotionLibrary":
        """Return a library over files of `write_track`; people have the numbers that the names of the files say."""
        entries = []
        for path in paths:
            frames = _read(path, "frame_index")["frame_index"]
            load = partial(_read_numbered, path, person_number(path))
            entries.append(TrackEntry(int(frames[0]), int(frames[-1]), load))
        return cls(entries)

    def between(self, first_frame: int, last_frame: int) -> list[MotionTrack]:
        """Return who may have a body in these frames; earlier people are let go."""
        near = {
            number: entry
            for number, entry in enumerate(self._entries)
            if entry.first_frame <= last_frame and entry.last_frame >= first_frame
        }
        self._held = {number: self._held.get(number) or entry.load() for number, entry in near.items()}
        return list(self._held.values())

    def __iter__(self) -> Iterator[MotionTrack]:
        """Yield everybody, one motion in memory at a time."""
        return (entry.load() for entry in self._entries)


def _read_numbered(path: Path, number: int) -> MotionTrack:
    return replace(read_track(path), track_id=number)


def write_track(path: Path, track: MotionTrack) -> None:
    """Write the motion of one person in the axes of its camera or rig.

    Raises:
        RunError: the motion holds numbers that are not finite.
    """
    for name in ("pose", "betas", "trans"):
        if not np.isfinite(getattr(track, name)).all():
            raise RunError(
                f"{path}: {path.stem} has a {name} that is not finite, and was not written; "
                "reset your refine.* settings, or check the weights of the models"
            )
    left_out = ("seen_by",) if track.has_camera else OF_CAMERA
    arrays = {item.name: getattr(track, item.name) for item in fields(MotionTrack) if item.name not in left_out}
    write_npz(path, {name: value for name, value in arrays.items() if value is not None})


def read_track(path: Path) -> MotionTrack:
    """Return what `write_track` wrote.

    Raises:
        InputError: the file is damaged, or of another version.
    """
    arrays: dict[str, Any] = _read(path)
    try:
        return MotionTrack(**arrays | {"track_id": int(arrays["track_id"])})
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: not a motion of this version ({error}); run the clip again") from error


def _read(path: Path, *names: str) -> dict[str, np.ndarray]:
    try:
        arrays = read_npz(path, names or None, bytes_max=TRACK_BYTES_MAX)
        missing = [name for name in names or ("frame_index", "track_id") if name not in arrays]
        if missing:
            raise ValueError(f"lacks {', '.join(missing)}")
        for name, array in arrays.items():
            check_numbers(name, array)
        check_shape("frame_index", arrays["frame_index"], ("T",))
        if not len(arrays["frame_index"]):
            raise ValueError("frame_index: holds no frame")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a motion of this version ({error}); run the clip again") from error
    return arrays
