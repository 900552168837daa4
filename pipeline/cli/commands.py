"""What the commands do: run, demo, evaluate."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from configs.errors import InputError, SettingsError, WeightsError
from configs.failure import describe_failure, is_unexpected, keep_traceback
from configs.files import check_regular
from configs.schema import RecoverSettings, RunSettings
from configs.threads import use_one_thread_each
from pipeline.cli.tables import note, print_table, say, tell_error
from pipeline.device import choose_device
from pipeline.flow.inputs import clip_names, find_clips
from pipeline.flow.outputs import person_files
from pipeline.flow.record import read_finished

# Models and media are imported where they are used: a wrong command or a missing input is told without them.
if TYPE_CHECKING:
    from dpmesh.body import BodyModel
    from pipeline.evaluation.capture import CaptureCamera
    from pipeline.evaluation.comparison import Comparison
    from pipeline.flow.inputs import ClipInput
    from pipeline.run import ClipResult
    from pipeline.types import MotionTrack

    Measured = tuple[Comparison | None, int]  # None where the run failed; the exit code

log = logging.getLogger(__name__)

FAILED, PARTLY = 1, 3  # exit codes
DEMO = Path(__file__).parents[1] / "data" / "demo"


def print_settings(settings: RunSettings) -> None:
    """Print all settings as YAML."""
    sys.stdout.write(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def run(inputs: Sequence[str], output: Path, settings: RunSettings, *, is_plan: bool = False) -> int:
    """Process the inputs, or print what would be done; return the exit code.

    Raises:
        InputError: an input does not exist or holds nothing to read.
        SettingsError: there is one keypoint file for several clips.
    """
    clips = find_clips(inputs)
    if settings.detect.keypoints is not None and len(clips) > 1:
        raise SettingsError(
            f"{settings.detect.keypoints}: a keypoint file belongs to one clip, and these are {len(clips)}; "
            "run the clips one by one, each with its own --keypoints"
        )
    if is_plan:
        from pipeline.run import exit_code, plan_clips

        device = choose_device(settings.runtime.device)
        use_one_thread_each()
        plans = plan_clips(clips, output, settings, device)
        for plan in plans:
            if plan.problem:
                say(f"{plan.name}  cannot be read: {plan.problem}")
            for node in plan.nodes:
                say(f"{plan.name}  {node.name:<8}  {'up to date' if node.is_current else f'runs: {node.reason}'}")
        return exit_code(plans)
    return run_found(clips, output, settings)


def run_found(clips: "Sequence[ClipInput]", output: Path, settings: RunSettings) -> int:
    """Process clips whose names are known; return the exit code."""
    from rich.console import Console

    from pipeline.flow.progress import TerminalProgress, make_bar
    from pipeline.run import exit_code, run_clips

    device = choose_device(settings.runtime.device)
    use_one_thread_each()
    bar = make_bar(Console(stderr=True))
    started: list[TerminalProgress] = []
    problems: set[str] = set()

    def listen(name: str) -> TerminalProgress:
        started.append(TerminalProgress(bar, name))
        return started[-1]

    def report(result: "ClipResult") -> None:
        started[-1].finish()
        if result.is_failed:
            is_known = result.problem in problems  # a wrong body, for instance, is wrong for every clip
            problems.add(result.problem)
            tell_error(f"{result.name}: the same" if is_known else result.problem)
            return
        if result.problem:
            note(f"warning: {result.name}: {result.problem}")
        minutes, seconds = divmod(round(result.seconds), 60)
        say(f"{result.folder}  {result.person_count} people  {result.frame_count} frames  {minutes:02d}:{seconds:02d}")

    with bar:
        results = run_clips(clips, output, settings, device, listen, report)
    if len(results) > 1:
        failed = sum(result.is_failed for result in results)
        log.info("%d clips done, %d failed", len(results) - failed, failed)
    return exit_code(results)


def demo(output: Path) -> int:
    """Run on the bundled clip with the bundled models, then print the errors against its truth."""
    settings = RunSettings.model_validate({"detect": {"weights": "bundled"}})
    code = run([str(DEMO / "demo.mp4")], output, settings)
    if code:
        return code
    folder = output / "demo"
    evaluate_truth(folder, DEMO / "truth.npz")
    say()
    for path in person_files(folder, "tracks"):
        say(f"motion   {path}")
    say(f"overlay  {folder / 'overlay.mp4'}")
    return 0


def evaluate_reprojection(folder: Path) -> None:
    """Print how well the projected bodies of a run meet the confident keypoints."""
    read_finished(folder)
    from pipeline.evaluation.reprojection import measure_reprojection

    report = measure_reprojection(run_tracks(folder), run_body(folder))
    near = f"within {report.radius_ratio:.0%} of the box height"
    print_table([("person", "frames", "confident keypoints", near), *report.person_rows()])
    print_table([("joint", "confident keypoints", near), *report.joint_rows()])


def evaluate_truth(folder: Path, truth: Path) -> None:
    """Print the errors of a run against the truth of a rendered clip."""
    read_finished(folder)
    from pipeline.evaluation.truth import measure_against_truth, read_truth

    check_regular(truth, "the truth.npz of a rendered clip")
    report = measure_against_truth(list(run_tracks(folder)), run_body(folder), read_truth(truth))
    print_table(report.rows())


def evaluate_capture(
    folder: Path, camera: str, calibration: Path | None, output: Path, settings: RunSettings, modes: Sequence[str]
) -> int:
    """Run each camera of a capture alone, with its true focal length, and print the errors; return the exit code.

    A camera that cannot be measured costs only itself.

    Args:
        modes: ways to refine, compared at the same rows.

    Raises:
        InputError: the folder is no capture.
    """
    _check_folder(folder)
    from pipeline.evaluation.capture import compare_with_capture, read_capture

    capture = read_capture(folder, calibration)

    def measure(chosen: "CaptureCamera") -> "Measured":
        chosen.check_video()
        done, runs, codes = output / clip_names([chosen.video])[0], {}, []
        for mode in modes:  # what comes before refinement runs once
            codes.append(run([str(chosen.video)], output, with_mode(with_focal(settings, chosen.focal_px), mode)))
            if codes[-1] == FAILED:
                return None, FAILED
            runs[mode] = list(run_tracks(done))
        return compare_with_capture(runs, run_body(done), chosen, capture.joints_m), max(codes)

    return _measure_each((chosen.name, partial(measure, chosen)) for chosen in capture.choose(camera))


def evaluate_sequences(folder: Path, output: Path, settings: RunSettings, modes: Sequence[str]) -> int:
    """Run rendered clips, each with its true focal length, and print the errors; return the exit code.

    People are told apart by the truth, so that gaps are as long as somebody is gone. A clip that cannot be measured
    costs only itself.

    Args:
        modes: ways to refine, compared at the same rows.

    Raises:
        InputError: the folder has no clip with its truth.
    """
    _check_folder(folder)
    from pipeline.evaluation.sequences import compare_with_truth, find_sequences, split_by_truth
    from pipeline.evaluation.truth import read_truth
    from pipeline.flow.store import ObservationStore
    from pipeline.nodes.refine import assemble_track
    from pipeline.types import concatenate_observations

    def measure(video: Path, path: Path) -> "Measured":
        truth = read_truth(path)
        known = with_focal(settings, float(truth.focal_px[0]))
        code = run([str(video)], output, with_mode(known, "off"))
        if code == FAILED:
            return None, FAILED
        done = output / clip_names([video])[0]
        body = run_body(done)
        rows = concatenate_observations(list(ObservationStore(done / "observations").read_shards()))
        tracks = [assemble_track(mine, body, known.link, known.recover) for mine in split_by_truth(rows, truth)]
        return compare_with_truth(video.stem, _refined(tracks, body, settings, modes), body, truth), code

    return _measure_each((video.name, partial(measure, video, path)) for video, path in find_sequences(folder))


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check the path")


def _measure_each(clips: "Iterable[tuple[str, Callable[[], Measured]]]") -> int:
    """Print the errors of the clips that can be measured, and why the others cannot; return the exit code.

    Args:
        clips: each one's name, and what measures it.
    """
    results, codes = [], []
    for name, measure in clips:
        try:
            result, code = measure()
        except (SettingsError, WeightsError):  # the others would fail in the same way
            raise
        except Exception as error:
            told = describe_failure(error)
            if not isinstance(error, InputError):
                told = f"{name}: {told}"
            tell_error(f"{told}; {keep_traceback(error)}" if is_unexpected(error) else told)
            result, code = None, FAILED
        if result is not None:
            results.append(result)
        codes.append(code)
    if not results:
        return FAILED
    _print_comparison(results)
    return PARTLY if any(codes) else 0


def evaluate_motions(folder: Path, limit: int, settings: RunSettings, modes: Sequence[str]) -> int:
    """Refine people whose keypoints were simulated and print the errors; return the exit code.

    Args:
        limit: clips to measure.
        modes: ways to refine, compared at the same rows.

    Raises:
        InputError: the folder has no clips, or they are of another layout.
    """
    _check_folder(folder)
    from pipeline.evaluation.motions import simulated_people
    from pipeline.evaluation.sequences import compare_with_truth
    from pipeline.models import Models
    from pipeline.nodes.refine import assemble_track

    use_one_thread_each()
    body = Models(settings, choose_device(settings.runtime.device)).body()
    people = [person for person in simulated_people(folder, body, limit) if len(person.rows.frame_index)]
    if not people:
        raise InputError(f"{folder}: nobody was seen in the first {limit} clips; give a higher --limit")
    tracks = [assemble_track(person.rows, body, settings.link, settings.recover) for person in people]
    refined = _refined(tracks, body, settings, modes)
    results = [
        compare_with_truth(person.name, {mode: [refined[mode][number]] for mode in modes}, body, person.truth)
        for number, person in enumerate(people)
    ]
    _print_comparison(results, is_each_told=False)
    return 0


def _refined(
    tracks: "Sequence[MotionTrack]", body: "BodyModel", settings: RunSettings, modes: Sequence[str]
) -> "dict[str, list[MotionTrack]]":
    """Return the tracks refined in every way asked for."""
    from pipeline.models import Models
    from pipeline.nodes.refine import refine_people

    device = choose_device(settings.runtime.device)
    runs = {}
    for mode in modes:
        chosen = with_mode(settings, mode)
        prior = Models(chosen, device).motion_prior()
        runs[mode] = list(refine_people(tracks, body, chosen.refine, device, prior))
    return runs


def with_focal(settings: RunSettings, focal_px: float) -> RunSettings:
    """Return settings with a known focal length, which has to be finite and above 0."""
    recover = RecoverSettings.model_validate(settings.recover.model_dump() | {"focal_px": focal_px})
    return settings.model_copy(update={"recover": recover})


def with_mode(settings: RunSettings, mode: str) -> RunSettings:
    """Return settings with another way to refine."""
    return settings.model_copy(update={"refine": settings.refine.model_copy(update={"mode": mode})})


def _print_comparison(results: "Sequence[Comparison]", *, is_each_told: bool = True) -> None:
    from pipeline.evaluation.comparison import change_rows, comparison_rows, join_comparisons

    print_table(comparison_rows(results if is_each_told else [join_comparisons(results)]))
    if len(results[0].by_mode) > 1:
        print_table(change_rows(results))


def run_tracks(folder: Path) -> "Iterator[MotionTrack]":
    """Yield the motion of every person of a run, in camera axes, at the frames of the video.

    Raises:
        InputError: the folder holds no finished run, or a motion in it is damaged.
    """
    from pipeline.motion.library import read_track

    read_finished(folder)
    for path in person_files(folder, "motion"):
        yield read_track(path)


def run_body(folder: Path) -> "BodyModel":
    """Return the body model that a run was made with."""
    from dpmesh.body import load_body
    from dpmesh.body.load import find_body

    body = read_finished(folder).settings.body
    return load_body(find_body(body.source, body.gender), gender=body.gender)
