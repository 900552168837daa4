"""Observations on disk: one shard per chunk and one state file that says which shards count."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from configs.checks import check_numbers, check_shape
from configs.errors import InputError, RunError
from configs.json_files import parse_json
from configs.npz_files import read_npz
from pipeline.flow.atomic import write_npz
from pipeline.flow.outputs import remove_part
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, Chunk, Looks, Observations, looks_of, no_observations

STATE_NAME = "state.npz"
DIGEST = "sha256"  # of what else the state file holds: stages take their arrays over as they are
LOOKS, CUTS = "looks.", "cut_frames"  # in a shard, beside its rows
CLEARED = ""  # fingerprint of what is being deleted
SHARD = re.compile(r"shard_([0-9]{6,9})\.npz(?:\.part)?")


JOURNAL_TYPES: dict[str, tuple[type, ...]] = {
    "fingerprint": (str,),
    "shard_count": (int,),
    "next_frame": (int, type(None)),
    "frame_count": (int,),
    "row_count": (int,),
    "detection_count": (int,),
    "tracked_count": (int,),
    "most_in_frame": (int,),
    "first_time_s": (float, int),
    "last_time_s": (float, int),
    "is_complete": (bool,),
    "warning": (str,),
    "left_out": (list,),
}


@dataclass(frozen=True, slots=True)
class Journal:
    """How far a run got. Shards beyond `shard_count` do not exist, whatever the folder shows."""

    fingerprint: str  # of everything the observations depend on
    shard_count: int = 0
    next_frame: int | None = None  # index of the first frame that is not in a shard; None = none was read yet
    frame_count: int = 0
    row_count: int = 0  # people, summed over the frames, of whom a body was recovered
    detection_count: int = 0  # people detected, summed over the frames
    tracked_count: int = 0  # of these, the ones that were given an identity
    most_in_frame: int = 0  # people detected in one frame at most
    first_time_s: float = 0.0
    last_time_s: float = 0.0
    is_complete: bool = False
    warning: str = ""  # why the video ended early, if it did
    left_out: list[int] = field(default_factory=list)  # frames without a picture, in order


def _journal_of(found: Any) -> Journal:
    journal = Journal(**found)
    for item in fields(Journal):
        value, kinds = getattr(journal, item.name), JOURNAL_TYPES[item.name]
        if type(value) not in kinds or (type(value) is int and value < 0):
            raise ValueError(f"{item.name} of the journal is {str(value)[:20]}")
    if not all(type(index) is int and index >= 0 for index in journal.left_out):
        raise ValueError(f"left_out of the journal is {str(journal.left_out)[:20]}")
    return journal


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode("utf-8", "surrogateescape"))
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check_rows(rows: Observations, newest: int, next_frame: int) -> int:
    """Raise `ValueError` unless rows are as stages write them; return the last frame that has some.

    Args:
        newest: last frame of the rows before them.
        next_frame: index of the first frame that was not read.
    """
    for name in OBSERVATION_SHAPES:
        array = getattr(rows, name)
        check_numbers(name, array)
        if OBSERVATION_DTYPES.get(name, np.float32) != array.dtype:
            raise ValueError(f"{name} is of type {array.dtype.str}")
    frames, times = rows.frame_index, rows.time_s
    if not len(frames):
        return newest
    if frames[0] < newest or frames[-1] >= next_frame or (np.diff(frames) < 0).any():
        raise ValueError(f"its frames do not go up from {newest} to below {next_frame}")
    if len(np.unique(np.stack([frames, rows.track_id]), axis=1).T) != len(frames):
        raise ValueError("somebody is in one frame twice")
    steps = np.diff(times)
    if ((np.diff(frames) > 0) != (steps > 0)).any() or (steps < 0).any():
        raise ValueError("its times do not go up with its frames")
    return int(frames[-1])


class ObservationStore:
    """The folder `observations/` of one video."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state_path = folder / STATE_NAME

    def read_state(self) -> tuple[Journal, dict[str, dict[str, np.ndarray]]] | None:
        """Return the journal and the stages' snapshots, or None if nothing was committed.

        Raises:
            RunError: the state file is there but cannot be read.
        """
        if not self._state_path.exists():
            return None
        try:
            arrays = read_npz(self._state_path)
            digest = arrays.pop(DIGEST, None)
            if digest is not None and str(digest) != _digest(arrays):  # None: of a version that wrote none
                raise ValueError("it was changed after it was written")
            journal = _journal_of(parse_json(str(arrays.pop("journal")).encode(), "journal"))
            snapshots: dict[str, dict[str, np.ndarray]] = {}
            for key, value in arrays.items():
                stage, name = key.split("/", 1)
                snapshots.setdefault(stage, {})[name] = value
        except (InputError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self._state_path}: not a state file of this version ({error}); delete {self.folder} to start over"
            ) from error
        return journal, snapshots

    def clear(self) -> None:
        """Delete the state and the shards that it counts; what else lies in the folder stays.

        The state is first marked as of no fingerprint and goes last, so that a crash on the way leaves no shard that
        nothing knows of.

        Raises:
            RunError: the state file is there but cannot be read.
        """
        state = self.read_state()
        if state is None:
            return
        journal = replace(state[0], fingerprint=CLEARED)
        self.write_state(journal, {})
        for item in list(self.folder.iterdir()):
            match = SHARD.fullmatch(item.name)
            # The one after the last that counts may have been written, or begun, already.
            if match is not None and int(match[1]) <= journal.shard_count and (item.is_symlink() or item.is_file()):
                item.unlink()
        remove_part(self._state_path)
        self._state_path.unlink(missing_ok=True)

    def files(self, journal: Journal) -> list[Path]:
        """Return the files that a journal counts, and the state."""
        return [*(self._shard_path(number) for number in range(journal.shard_count)), self._state_path]

    def commit(self, journal: Journal, chunk: Chunk, left_out: Sequence[int] = ()) -> Journal:
        """Write a chunk's rows, then the state that counts them; return the new journal.

        Args:
            left_out: indices of frames that were left out so far; those behind the chunk are not counted yet.
        """
        rows = chunk.observations if chunk.observations is not None else no_observations()
        self.write_shard(journal.shard_count, rows, looks_of(chunk), np.array(chunk.cut_frames, np.int64))
        first, last = chunk.frames[0], chunk.frames[-1]
        detected = [len(people) for people in chunk.detections or ()]
        done = Journal(
            fingerprint=journal.fingerprint,
            shard_count=journal.shard_count + 1,
            next_frame=last.index + 1,
            frame_count=journal.frame_count + len(chunk.frames),
            row_count=journal.row_count + len(rows.frame_index),
            detection_count=journal.detection_count + sum(detected),
            tracked_count=journal.tracked_count + sum(len(people) for people in chunk.tracks or ()),
            most_in_frame=max([journal.most_in_frame, *detected]),
            first_time_s=journal.first_time_s if journal.shard_count else first.time_s,
            last_time_s=last.time_s,
            left_out=[index for index in left_out if index <= last.index],
        )
        self.write_state(done, chunk.snapshots)
        return done

    def write_shard(self, number: int, rows: Observations, looks: Looks, cut_frames: np.ndarray) -> None:
        """Write a shard; it does not count before a state says so."""
        arrays = {f.name: getattr(rows, f.name) for f in fields(Observations)}
        arrays |= {f"{LOOKS}{f.name}": getattr(looks, f.name) for f in fields(Looks)}
        write_npz(self._shard_path(number), arrays | {CUTS: cut_frames})

    def write_state(self, journal: Journal, snapshots: dict[str, dict[str, np.ndarray]]) -> None:
        """Replace the state file."""
        arrays: dict[str, np.ndarray] = {"journal": np.asarray(json.dumps(asdict(journal), sort_keys=True))}
        for stage, state in snapshots.items():
            arrays.update({f"{stage}/{name}": value for name, value in state.items()})
        write_npz(self._state_path, arrays | {DIGEST: np.asarray(_digest(arrays))})

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        """Yield the committed shards from `first` to before `stop`, or all of them, in order, one at a time.

        Raises:
            RunError: a committed shard is missing or unreadable.
        """
        state = self.read_state()
        if state is None:
            return
        journal, newest = state[0], 0
        count = journal.shard_count
        for number in range(first, count if stop is None else min(stop, count)):
            path = self._shard_path(number)
            try:
                rows = Observations(**read_npz(path, OBSERVATION_SHAPES))
                newest = _check_rows(rows, newest, journal.next_frame or 0)
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise self._unreadable(path, error) from error
            yield rows

    def read_shard(self, number: int, journal: Journal) -> tuple[Observations, Looks, np.ndarray]:
        """Return rows, looks and cuts of a shard that a journal counts.

        Raises:
            RunError: it is missing or unreadable.
        """
        path = self._shard_path(number)
        try:
            rows = Observations(**read_npz(path, OBSERVATION_SHAPES))
            _check_rows(rows, 0, journal.next_frame or 0)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._unreadable(path, error) from error
        return rows, *self._read_evidence(path)

    def read_identities(self, journal: Journal) -> list[int]:
        """Return the identities in the shards that a journal counts, rising; raises `RunError` as `read_shard` does."""
        found = set[int]()
        for number in range(journal.shard_count):
            path = self._shard_path(number)
            try:
                found.update(read_npz(path, ("track_id",))["track_id"].tolist())
            except (OSError, ValueError, KeyError) as error:
                raise self._unreadable(path, error) from error
        return sorted(found)

    def read_evidence(self) -> Iterator[tuple[Looks, np.ndarray]]:
        """Yield of every committed shard what people looked like, and the frames (C,) at which a new shot begins.

        Raises:
            RunError: a committed shard is missing or unreadable.
        """
        state = self.read_state()
        for number in range(state[0].shard_count if state is not None else 0):
            yield self._read_evidence(self._shard_path(number))

    def _read_evidence(self, path: Path) -> tuple[Looks, np.ndarray]:
        try:
            arrays = read_npz(path, (CUTS, *(f"{LOOKS}{item.name}" for item in fields(Looks))))
            looks = Looks(**{item.name: arrays[f"{LOOKS}{item.name}"] for item in fields(Looks)})
            check_shape(CUTS, arrays[CUTS], ("C",))
        except (OSError, ValueError, KeyError) as error:
            raise self._unreadable(path, error) from error
        return looks, arrays[CUTS]

    def _unreadable(self, path: Path, error: Exception) -> RunError:
        return RunError(f"{path}: shard cannot be read ({error}); delete {self.folder} to start over")

    def read_cuts(self) -> np.ndarray:
        """Return the frames (C,) at which new shots begin; `RunError` as of `read_evidence`."""
        found = [cuts for _, cuts in self.read_evidence()]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _shard_path(self, number: int) -> Path:
        return self.folder / f"shard_{number:06d}.npz"
