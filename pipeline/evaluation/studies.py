"""Ways to refine compared on many clips: captures, rendered clips, simulated people."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from configs.errors import InputError, SettingsError, WeightsError
from configs.failure import describe_failure, is_unexpected, keep_traceback
from configs.files import check_is_folder
from configs.gaps import longest_gap_s
from configs.schema import RecoverSettings, RunSettings
from configs.threads import use_one_thread_each
from dpmesh.body import BodyModel
from pipeline.capture import Camera, find_capture
from pipeline.capture.capture import check_video
from pipeline.device import choose_device
from pipeline.engine.choose import run_inputs
from pipeline.evaluation.angles import AngleErrors, angle_errors
from pipeline.evaluation.capture import REFERENCE_FILE, compare_with_capture, read_reference
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.modes import with_gaps, with_mode
from pipeline.evaluation.motions import simulated_people
from pipeline.evaluation.sequences import compare_with_truth, find_sequences, split_by_truth
from pipeline.evaluation.truth import read_truth
from pipeline.flow.store import ObservationStore
from pipeline.models import Models
from pipeline.nodes.refine import assemble_track, refine_people
from pipeline.run import ClipResult
from pipeline.types import MotionTrack, concatenate_observations
from refine.prior.calibration import GROUPS

OnDone = Callable[[ClipResult], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """How the measurement of one clip ended."""

    name: str
    comparison: Comparison | None  # None where the clip could not be measured
    problem: str = ""  # why not, or what its run left out; empty where its run said so itself, or nothing was wrong

    @property
    def is_whole(self) -> bool:
        """Whether all of the clip was measured."""
        return self.comparison is not None and not self.problem


EACH = "each"  # camera of a capture


@dataclass(frozen=True, slots=True)
class MotionStudy:
    """Errors of people whose keypoints were simulated."""

    comparisons: list[Comparison]  # one per clip
    angles: Mapping[str, AngleErrors]  # of all clips, by way to refine


class _RunFailedError(Exception):
    """A run failed; whoever listens to runs has heard why."""


def evaluate_capture(
    folder: Path,
    output: Path,
    settings: RunSettings,
    modes: Sequence[str],
    *,
    camera: str = EACH,
    calibration: Path | None = None,
    on_done: OnDone = lambda result: None,
) -> Iterator[Measured]:
    """Run each camera of a capture alone, with its true focal length; yield its errors against the 3D reference.

    A camera that cannot be measured costs only itself.

    Args:
        modes: ways to refine, compared at the same rows.
        camera: its name, or "each".
        on_done: called with every run as soon as it has ended.

    Raises:
        InputError: the folder is no capture.
    """
    check_is_folder(folder)
    capture, joints_m = find_capture(folder, calibration), read_reference(folder / REFERENCE_FILE)
    cameras = capture.cameras if camera == EACH else capture.choose([camera])

    settings = with_gaps(settings, modes)

    def measure(chosen: Camera) -> tuple[Comparison, str]:
        video = capture.videos[chosen.name]
        check_video(chosen, video)
        runs: dict[str, list[MotionTrack]] = {}
        problem = ""
        for mode in modes:  # what comes before refinement runs once
            done = _run(video, output, with_mode(with_focal(settings, chosen.focal_px), mode), on_done)
            problem, run = problem or done.problem, done.open()
            runs[mode] = list(run.tracks())
        return compare_with_capture(runs, run.body, chosen, joints_m), problem

    return _each((chosen.name, partial(measure, chosen)) for chosen in cameras)


def evaluate_sequences(
    folder: Path,
    output: Path,
    settings: RunSettings,
    modes: Sequence[str],
    *,
    on_done: OnDone = lambda result: None,
) -> Iterator[Measured]:
    """Run rendered clips, each with its true focal length; yield their errors against the truth.

    The ground truth assigns people, so that gaps are as long as somebody is absent. A clip that cannot be measured
    costs only itself. The arguments are those of `evaluate_capture`.

    Raises:
        InputError: the folder has no clip with its truth.
    """
    check_is_folder(folder)

    def measure(video: Path, path: Path) -> tuple[Comparison, str]:
        truth = read_truth(path)
        known = with_gaps(with_focal(settings, float(truth.focal_px[0])), modes)
        done = _run(video, output, with_mode(known, "off"), on_done)
        run = done.open()
        rows = concatenate_observations(list(ObservationStore(run.files.observations).read_shards()))
        tracks = [
            assemble_track(mine, run.body, longest_gap_s(known), known.recover) for mine in split_by_truth(rows, truth)
        ]
        refined = _refine(tracks, run.body, settings, modes)
        return compare_with_truth(video.stem, refined, run.body, truth), done.problem

    return _each((video.name, partial(measure, video, path)) for video, path in find_sequences(folder))


def evaluate_motions(
    folder: Path, limit: int, settings: RunSettings, modes: Sequence[str], *, is_calibrated: bool = True
) -> MotionStudy:
    """Refine people whose keypoints were simulated and return their errors.

    Args:
        limit: clips to measure.
        modes: ways to refine, compared at the same rows.
        is_calibrated: False: standard deviations of rotations are those before the scales beside the prior.

    Raises:
        InputError: the folder has no clips, or they are of another layout.
    """
    check_is_folder(folder)
    use_one_thread_each()
    body = Models(settings, choose_device(settings.runtime.device)).body()
    people = [person for person in simulated_people(folder, body, limit) if len(person.rows.frame_index)]
    if not people:
        raise InputError(f"{folder}: nobody was seen in the first {limit} clips; give a higher --limit")
    settings = with_gaps(settings, modes)
    tracks = [assemble_track(person.rows, body, longest_gap_s(settings), settings.recover) for person in people]
    refined = _refine(tracks, body, settings, modes, is_calibrated=is_calibrated)
    return MotionStudy(
        comparisons=[
            compare_with_truth(person.name, {mode: [refined[mode][number]] for mode in modes}, body, person.truth)
            for number, person in enumerate(people)
        ],
        angles={mode: angle_errors(refined[mode], [person.pose for person in people]) for mode in modes},
    )


def with_focal(settings: RunSettings, focal_px: float) -> RunSettings:
    """Return settings with a known focal length, which has to be finite and above 0."""
    recover = RecoverSettings.model_validate(settings.recover.model_dump() | {"focal_px": focal_px})
    return settings.model_copy(update={"recover": recover})


def _run(video: Path, output: Path, settings: RunSettings, on_done: OnDone) -> ClipResult:
    result = run_inputs([str(video)], output, settings, on_done=on_done)[0]
    if result.is_failed:
        raise _RunFailedError
    return result


def _each(clips: Iterable[tuple[str, Callable[[], tuple[Comparison, str]]]]) -> Iterator[Measured]:
    """Measure clip after clip; one that cannot be measured costs only itself."""
    for name, measure in clips:
        try:
            comparison, problem = measure()
        except (SettingsError, WeightsError):  # the others would fail in the same way
            raise
        except _RunFailedError:
            yield Measured(name, None)
        except Exception as error:
            problem = describe_failure(error)
            if not isinstance(error, InputError):
                problem = f"{name}: {problem}"
            yield Measured(name, None, f"{problem}; {keep_traceback(error)}" if is_unexpected(error) else problem)
        else:
            yield Measured(name, comparison, problem)


def _refine(
    tracks: Sequence[MotionTrack],
    body: BodyModel,
    settings: RunSettings,
    modes: Sequence[str],
    *,
    is_calibrated: bool = True,
) -> dict[str, list[MotionTrack]]:
    """Return the tracks refined in every way asked for."""
    device = choose_device(settings.runtime.device)
    runs = {}
    for mode in modes:
        chosen = with_mode(settings, mode)
        prior = Models(chosen, device).motion_prior()
        if prior is not None and not is_calibrated:
            prior.sigma_scales = {chosen.refine.mode: dict.fromkeys(GROUPS, 1.0)}
        runs[mode] = list(refine_people(tracks, body, chosen.refine, device, prior))
    return runs
