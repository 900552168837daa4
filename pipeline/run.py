"""A run over clips: each to its own folder, one failing clip never costs the others."""

import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import DpmeshVideoError, RunError, SettingsError, WeightsError
from configs.failure import describe_failure
from configs.schema import RunSettings
from configs.version import program_version
from pipeline.clip import Clip
from pipeline.device import choose_device
from pipeline.flow.attempt import Attempt
from pipeline.flow.graph import PlannedNode
from pipeline.flow.identity import video_identity
from pipeline.flow.inputs import ClipInput
from pipeline.flow.line import StageClock
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import check_folder
from pipeline.flow.record import VideoRecord, check_owner, describe_input
from pipeline.media import VideoInfo, probe
from pipeline.models import Models, describe
from pipeline.nodes.context import Progress, SilentProgress
from pipeline.nodes.left_out import count_left_out
from trackers.input_size import described

if TYPE_CHECKING:
    from pipeline.results import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipResult:
    """The result of one clip."""

    name: str
    folder: Path
    person_count: int
    frame_count: int
    seconds: float
    problem: str  # empty = nothing to say
    error: Exception | None = None  # why nothing usable was written; None = something was

    @property
    def is_failed(self) -> bool:
        """Whether nothing usable was written."""
        return self.error is not None

    def open(self) -> "Run":
        """Return the run; raises `DpmeshVideoError` if it failed."""
        from pipeline.results import Run

        if isinstance(self.error, DpmeshVideoError):
            raise self.error
        if self.error is not None:
            raise RunError(self.problem) from self.error
        return Run(self.folder)


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """What a run would do with one clip."""

    name: str
    nodes: tuple[PlannedNode, ...]
    problem: str  # why the clip cannot be planned; empty = it can
    cost: str = ""  # of the detection, where a look at the clip told it

    @property
    def is_failed(self) -> bool:
        """Whether there is no plan."""
        return bool(self.problem)


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
        on_done: called with each result as soon as it is available.
    """
    models = Models(settings, device)
    results = []
    for clip in clips:
        result = run_clip(clip, output, settings, models, progress(clip.name))
        results.append(result)
        on_done(result)
    return results


def run_clip(clip: ClipInput, output: Path, settings: RunSettings, models: Models, progress: Progress) -> ClipResult:
    """Process one clip; any exception becomes a failed result, recorded in `run.json` and, in full, in `error.log`.

    Raises:
        SettingsError, WeightsError: what every clip would raise.
        KeyboardInterrupt: the run was stopped; `run.json` says so.
    """
    attempt = Attempt(clip.name, output / clip.name, settings)
    with attempt.lock:
        try:
            return _process(clip, attempt, settings, models, progress)
        except (SettingsError, WeightsError) as error:
            attempt.fail(error)
            raise
        except Exception as error:
            problem = attempt.fail(error)
            cause = error.with_traceback(None)  # which holds the frames, and they hold images
            cause.__cause__ = cause.__context__ = None
        except BaseException:
            attempt.stop()
            raise
    release_memory()
    return ClipResult(clip.name, attempt.folder, 0, 0, attempt.seconds, problem, cause)


def _process(
    clip: ClipInput, attempt: Attempt, settings: RunSettings, models: Models, progress: Progress
) -> ClipResult:
    folder, clock = attempt.folder, StageClock()
    attempt.note(**describe_input(clip.path, clip.name if settings.privacy.is_anonymous else ""))
    check_folder(folder, clip.path)
    check_owner(folder, clip.path)
    attempt.is_owner = True
    info = probe_clip(clip.path, settings)
    for note in info.notes:
        log.warning("%s: %s", clip.name, note)
    video = VideoRecord(
        width=info.width, height=info.height, rate=str(info.rate), rate_source=info.rate_source,
        codec=info.codec, rotation_deg=info.rotation_deg, duration_s=info.duration_s,
    )  # fmt: skip
    attempt.note(video=video, models=describe(models), content=video_identity(clip.path))
    work = Clip(info, folder, settings, models, progress, clock)
    work.plan()  # refuses wrong models before anything of an earlier run is cleared
    attempt.begin()
    plan = work.graph().run()
    state = work.store.read_state()
    journal = state[0] if state else None
    people = len(work.files.motions())
    if not people and work.has_found_somebody():
        log.warning("%s: no motion is written: link.people and edits exclude everybody who was found", clip.name)
    elif not people:
        log.warning(
            "%s: nobody was found in at least %d frames (link.frames_min); try another --detector or a larger "
            "detect.image_px, see what was found with overlay.is_box_drawn=true, and check that a keypoint file counts "
            "frames from 0",
            clip.name, settings.link.frames_min,
        )  # fmt: skip
    seconds = attempt.seconds
    problem = journal.warning if journal else ""
    attempt.finish(
        status="partial" if problem else "done",
        problem=problem,
        frames=journal.frame_count if journal else 0,
        rows=journal.row_count if journal else 0,
        people=people,
        detection=described(state[1].get("detect", {})) if state else {},
        left_out=count_left_out(work, journal) if journal else [],
        nodes={node.name: {"fingerprint": node.fingerprint, "ran": not node.is_current} for node in plan},
        seconds=_rounded(clock.seconds) | {"total": round(seconds, 3)},
        cpu_seconds=_rounded(clock.cpu_seconds),
        program=program_version(),
        python=platform.python_version(),
    )
    return ClipResult(clip.name, folder, people, journal.frame_count if journal else 0, seconds, problem)


def open_clip(
    clip: ClipInput, output: Path, settings: RunSettings, models: Models, progress: Progress | None = None
) -> Clip:
    """Return a clip as a graph of nodes over its folder, into which it writes nothing yet.

    Raises:
        InputError: the video cannot be read.
        RunError: the folder is another video's.
    """
    folder = output / clip.name
    check_folder(folder, clip.path)
    check_owner(folder, clip.path)
    return Clip(probe_clip(clip.path, settings), folder, settings, models, progress or SilentProgress(), StageClock())


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in seconds.items()}


def probe_clip(path: Path, settings: RunSettings) -> VideoInfo:
    """Return what an input holds, read as the settings say; raises `InputError` as `probe` does."""
    decode = settings.decode
    return probe(path, image_rate=decode.folder_rate_hz, rate=decode.rate_hz, max_side_px=decode.max_side_px)


def plan_clips(clips: Sequence[ClipInput], output: Path, settings: RunSettings) -> list[ClipPlan]:
    """Return what a run would do; reads videos' headers and models' hashes, writes nothing."""
    models = Models(settings, choose_device(settings.runtime.device))
    plans = []
    for clip in clips:
        try:
            work = open_clip(clip, output, settings, models)
            nodes = tuple(work.plan())
            is_told = models.is_size_open and any(node.name == "observe" and not node.is_current for node in nodes)
            plans.append(ClipPlan(clip.name, nodes, "", _tell_cost(work) if is_told else ""))
        except (SettingsError, WeightsError):  # every clip would raise it
            raise
        except Exception as error:
            log.debug("%s: traceback", clip.name, exc_info=error)
            plans.append(ClipPlan(clip.name, (), describe_failure(error)))
    return plans


def _tell_cost(clip: Clip) -> str:
    from pipeline.nodes.look import tell_cost  # here: a plan that needs no look needs none of its libraries

    return tell_cost(clip)


def exit_code(results: Sequence[ClipResult] | Sequence[ClipPlan]) -> int:
    """Return 0 when all is done, 3 when something was skipped or cut short, 1 when nothing was made."""
    if results and all(result.is_failed for result in results):
        return 1
    return 3 if any(result.problem for result in results) else 0
