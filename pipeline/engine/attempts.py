"""One attempt at one unit: fetch the clip, run it, upload what it made, commit. It knows no engine."""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

from configs.errors import DpmeshVideoError
from configs.failure import describe_failure
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from pipeline.engine.manifest import Row
from pipeline.engine.places import fetch, is_url, local_path, remove_tree
from pipeline.engine.result_store import Commit, ResultStore
from pipeline.engine.status import AttemptRow, Status
from pipeline.engine.units import Unit, open_segments, run_unit
from pipeline.flow.atomic import write_json
from pipeline.flow.inputs import ClipInput
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import RunFolder
from pipeline.flow.record import VideoRecord, read_record
from pipeline.models import Models
from pipeline.nodes.context import SilentProgress
from pipeline.nodes.segments import Segment
from pipeline.run import ClipResult, open_clip

SCRATCH = "dpmesh-video-worker-"  # how the folders of workers for temporary files begin
LOG_CHARS = 20_000  # of a traceback that are kept


@dataclass(frozen=True, slots=True)
class Order:
    """An attempt that is to be made; JSON values alone."""

    row: Row
    key: str  # of the unit
    attempt: int  # from 1
    earlier: tuple[AttemptRow, ...] = ()  # attempts of this run
    segment: Mapping[str, Any] | None = None  # of a long video; None: the clip
    joined: tuple[str, ...] = ()  # keys of the segments of the clip, which are done
    may_split: bool = True  # whether the segments of a long clip are to be units of their own

    def dump(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> "Order":
        """Return the order that `dump` described."""
        row = Row(**found["row"] | {"assignments": tuple(found["row"]["assignments"])})
        earlier = tuple(AttemptRow.load(each) for each in found["earlier"])
        return cls(
            row, found["key"], found["attempt"], earlier, found["segment"], tuple(found["joined"]), found["may_split"]
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    row: AttemptRow
    is_final: bool = True  # whether another attempt would end in the same way
    log: str = ""  # the traceback of a failure
    seconds: float = 0.0  # of the worker, its commit and its cleaning up included
    segments: tuple[Mapping[str, Any], ...] = ()  # that have to be done before the clip is

    def dump(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> "Outcome":
        """Return the outcome that `dump` described."""
        row = AttemptRow.load(found["row"])
        return cls(row, found["is_final"], found["log"], found["seconds"], tuple(found["segments"]))


class UnitRunner:
    """Makes attempts at units, one after the other, with models that stay loaded."""

    def __init__(self, settings: RunSettings, store: ResultStore, device: str) -> None:
        use_one_thread_each()
        self._settings = settings
        self._store = store
        self._models = Models(settings, device)
        self._scratch = Scratch()
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def run(self, order: Order) -> Outcome:
        """Make an attempt; whatever goes wrong with it is said in what is returned."""
        started = time.monotonic()
        folder = self._scratch.fresh()
        try:
            outcome = self._attempt(order, folder, started)
        except Exception as error:  # of the store, on the way to the clip, or of settings
            is_final = isinstance(error, DpmeshVideoError)
            outcome = Outcome(self._row(order, started, "failed", reason=describe_failure(error)), is_final)
        remove_tree(folder)
        release_memory()
        return replace(outcome, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Remove what lies in the folder for temporary files."""
        self._scratch.close()

    def _attempt(self, order: Order, folder: Path, started: float) -> Outcome:
        kept = self._store.read_commit(order.key)
        if kept is not None:  # by another run, or by an attempt that was thought lost
            return Outcome(AttemptRow.load(kept.rows[-1]))
        row = order.row
        path = fetch(row.source, folder / "input")
        settings = row.settings(self._settings)
        if row.keypoints:
            points = fetch(row.keypoints, folder / "keypoints")
            settings = settings.model_copy(
                update={"detect": settings.detect.model_copy(update={"keypoints": points.absolute()})}
            )
        self._models = self._models.for_clip(settings)
        unit = Unit(
            ClipInput(path.absolute(), row.name), Segment.of_json(dict(order.segment)) if order.segment else None
        )
        output = folder / "output"
        for key in order.joined:
            self._store.download(key, output / row.name)
        is_whole = unit.segment is None and not order.joined
        if is_whole and order.may_split and (segments := self._segments(unit, output, settings)):
            split = self._row(order, started, "split", reason=f"in {len(segments)} segments")
            return Outcome(split, segments=tuple(segment.as_json() for segment in segments))
        result = run_unit(unit, output, settings, self._models, SilentProgress())
        if result.is_failed:
            is_final = isinstance(result.error, DpmeshVideoError)
            log = _tail(RunFolder(result.folder).error_log)
            reason = result.problem.partition("; the traceback is in ")[0]
            reason = reason.replace(str(path), row.source).replace(str(folder / "keypoints"), "")
            return Outcome(self._row(order, started, "failed", reason=reason), is_final, log)
        if unit.segment is None:
            _name_sources(result.folder, row)
        return self._deliver(order, result, started)

    def _segments(self, unit: Unit, output: Path, settings: RunSettings) -> list[Segment]:
        """Return the segments of a long clip; none of one that is run in one go, or that cannot be run."""
        if settings.runtime.segment_s == "off":
            return []
        try:
            work = open_clip(unit.clip, output, settings, self._models)
            found = open_segments(work) if work.segment_s is not None else []
        except DpmeshVideoError:  # the run meets it too, and says so
            return []
        return found if len(found) > 1 else []

    def _deliver(self, order: Order, result: ClipResult, started: float) -> Outcome:
        attempt = f"{order.attempt:02d}-{uuid4().hex[:8]}"
        files = self._store.upload(result.folder, order.key, attempt)
        seconds = 0.0 if order.segment else _seconds_read(read_record(result.folder).video, result.frame_count)
        row = self._row(
            order,
            started,
            "partial" if result.problem else "done",
            reason=result.problem,
            video_s=round(seconds, 3),
            frames=result.frame_count,
            people=result.person_count,
            folder=self._store.attempt_folder(order.key, attempt),
        )
        rows = [each.dump() for each in (*order.earlier, row)]
        name = "" if order.segment else order.row.name
        if not self._store.commit(Commit(order.key, name, attempt, files, rows)):
            kept = self._store.read_commit(order.key)
            return Outcome(AttemptRow.load(kept.rows[-1]) if kept else row)
        for key in order.joined:
            self._store.forget(key)
        return Outcome(row)

    def _row(self, order: Order, started: float, status: Status, **more: Any) -> AttemptRow:
        seconds = round(time.monotonic() - started, 3)
        segment = f", segment {order.segment['number'] + 1}" if order.segment else ""
        return AttemptRow(
            order.row.name + segment, order.key, order.row.number, order.attempt, status,
            seconds=seconds, worker=self.name, **more,
        )  # fmt: skip


class Scratch:
    """A worker's folder for temporary files; those of workers that were killed are removed by the next one."""

    def __init__(self) -> None:
        root = Path(tempfile.gettempdir())
        for left in root.glob(f"{SCRATCH}*"):
            _remove_if_free(left)
        self._path = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=root))
        self._lock = os.open(self._path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def fresh(self) -> Path:
        """Return a new folder."""
        return Path(tempfile.mkdtemp(dir=self._path))

    def close(self) -> None:
        """Remove all of it."""
        remove_tree(self._path)
        os.close(self._lock)


def _remove_if_free(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(folder)
    except OSError:
        return
    finally:
        os.close(handle)


def _seconds_read(video: VideoRecord, frames: int) -> float:
    """Return how much video so many frames are."""
    try:
        return float(frames / Fraction(video.rate))
    except (ValueError, ZeroDivisionError):
        return video.duration_s or 0.0


def _name_sources(folder: Path, row: Row) -> None:
    """Let `run.json` name a clip and a keypoint file that were fetched by their URL, not by that of the copy."""
    record = read_record(folder)
    if record.path and is_url(row.source) and local_path(row.source) is None:
        record = record.model_copy(update={"path": row.source, "cwd": ""})
    if row.keypoints:
        detect = record.settings["detect"] | {"keypoints": row.keypoints}
        record = record.model_copy(update={"settings": record.settings | {"detect": detect}})
    write_json(RunFolder(folder).record, record.dump())


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="backslashreplace")[-LOG_CHARS:]
    except OSError:
        return ""
