"""A run over clips: each to its own folder, one failing clip never costs the others."""

import logging
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.claim import claimed
from configs.errors import InputError, RunError
from configs.schema import RunSettings
from pipeline.atomic import write_json
from pipeline.clip import Clip, Progress
from pipeline.graph import PlannedNode
from pipeline.identity import program_version
from pipeline.inputs import ClipInput
from pipeline.line import StageClock
from pipeline.media import VideoInfo, probe
from pipeline.models import Models, describe
from pipeline.record import RECORD_NAME

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipResult:
    """How one clip ended."""

    name: str
    folder: Path
    person_count: int
    frame_count: int
    seconds: float
    problem: str  # empty = nothing to say
    is_failed: bool  # nothing usable was written


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """What a run would do with one clip."""

    name: str
    nodes: tuple[PlannedNode, ...]
    problem: str


def run_clips(
    clips: Sequence[ClipInput],
    output: Path,
    settings: RunSettings,
    device: str,
    progress: Callable[[str], Progress],
    on_done: Callable[[ClipResult], None],
) -> list[ClipResult]:
    """Process the clips one after the other; return how each ended.

    Args:
        progress: makes the listener of one clip from its name.
        on_done: hears each result as soon as it is there.
    """
    models = Models(settings, device)
    results = []
    for clip in clips:
        result = run_clip(clip, output, settings, models, progress(clip.name))
        results.append(result)
        on_done(result)
    return results


def run_clip(clip: ClipInput, output: Path, settings: RunSettings, models: Models, progress: Progress) -> ClipResult:
    """Process one clip; what is wrong with it or its folder becomes a failed result, any other error goes up."""
    started, clock, folder = time.monotonic(), StageClock(), output / clip.name
    record: dict[str, Any] = {"input": clip.path.name, "settings": settings.model_dump(mode="json")}
    try:
        info = probe_clip(clip.path, settings)
        for note in info.notes:
            log.warning("%s: %s", clip.name, note)
        record["video"] = {
            "width": info.width, "height": info.height, "rate": str(info.rate), "rate_source": info.rate_source,
            "codec": info.codec,
            "rotation_deg": info.rotation_deg, "duration_s": info.duration_s,
        }  # fmt: skip
        record["models"] = describe(models)
        work = Clip(info, folder, settings, models, progress, clock)
        work.plan()  # refuses wrong models before anything of an earlier run is cleared
        with claimed(folder):
            write_json(folder / RECORD_NAME, record | {"status": "running"})  # stays there when the run is stopped
            plan = work.graph().run()
    except (InputError, RunError) as error:
        if isinstance(error, InputError) and folder.is_dir():  # at a RunError the folder may be another run's
            with suppress(OSError):  # where the folder is what is wrong
                write_json(folder / RECORD_NAME, record | {"status": "failed", "problem": str(error)})
        return ClipResult(clip.name, folder, 0, 0, time.monotonic() - started, str(error), True)
    state = work.store.read_state()
    journal = state[0] if state else None
    people = len(work.motion_paths())
    if not people:
        log.warning(
            "%s: nobody was found for %d frames (link.frames_min); try another --detector or a larger detect.image_px, "
            "see what was found with overlay.is_box_drawn=true, and check that a keypoint file counts frames from 0",
            clip.name, settings.link.frames_min,
        )  # fmt: skip
    seconds = time.monotonic() - started
    record |= {
        "status": "partial" if journal and journal.warning else "done",
        "problem": journal.warning if journal else "",
        "frames": journal.frame_count if journal else 0,
        "rows": journal.row_count if journal else 0,
        "people": people,
        "nodes": {node.name: {"fingerprint": node.fingerprint, "ran": not node.is_current} for node in plan},
        "seconds": {name: round(value, 3) for name, value in clock.seconds.items()} | {"total": round(seconds, 3)},
        "program": program_version(),
        "python": platform.python_version(),
    }
    write_json(folder / RECORD_NAME, record)
    problem = journal.warning if journal else ""
    return ClipResult(clip.name, folder, people, journal.frame_count if journal else 0, seconds, problem, False)


def probe_clip(path: Path, settings: RunSettings) -> VideoInfo:
    """Return what an input holds, read as the settings say; raises `InputError` as `probe` does."""
    decode = settings.decode
    return probe(path, image_rate=decode.folder_rate_hz, rate=decode.rate_hz, max_side_px=decode.max_side_px)


def plan_clips(clips: Sequence[ClipInput], output: Path, settings: RunSettings, device: str) -> list[ClipPlan]:
    """Return what a run would do; reads videos' headers, models' hashes and the motion prior, writes nothing."""
    models = Models(settings, device)
    plans = []
    for clip in clips:
        try:
            info = probe_clip(clip.path, settings)
            work = Clip(info, output / clip.name, settings, models, _Silent(), StageClock())
            plans.append(ClipPlan(clip.name, tuple(work.plan()), ""))
        except InputError as error:
            plans.append(ClipPlan(clip.name, (), str(error)))
    return plans


class _Silent:
    def start(self, step: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, done: int, note: str) -> None:
        """Say nothing."""


def exit_code(results: Sequence[ClipResult]) -> int:
    """Return 0 when all is done, 3 when something was skipped or cut short, 1 when nothing was made."""
    if results and all(result.is_failed for result in results):
        return 1
    return 3 if any(result.problem for result in results) else 0
