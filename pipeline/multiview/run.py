"""From a capture to one motion file per person: each view is an ordinary run, then people are associated and fitted."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError, SettingsError
from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from configs.version import program_version
from dpmesh.body import BodyModel
from pipeline.capture import Camera, Capture
from pipeline.capture.capture import check_video
from pipeline.device import choose_device
from pipeline.flow.attempt import Attempt
from pipeline.flow.graph import Claim, Graph, Node
from pipeline.flow.identity import code_identity
from pipeline.flow.inputs import ClipInput
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import VIEWS, RunFolder
from pipeline.flow.progress import ProgressDisplay
from pipeline.flow.record import VideoRecord, check_owner, printable
from pipeline.flow.store import ObservationStore
from pipeline.media import VideoInfo
from pipeline.models import Models, describe
from pipeline.motion.library import write_track
from pipeline.multiview.association import Person, associate
from pipeline.multiview.fusion import Sightings, sightings_of, track_rows
from pipeline.multiview.tables import write_tables
from pipeline.multiview.views import View, read_view
from pipeline.nodes.context import Progress
from pipeline.nodes.export import write_people
from pipeline.nodes.refine import in_groups, refine_rows
from pipeline.run import ClipResult, run_found
from pipeline.types import MotionTrack
from refine.rows.types import TrackFit, TrackRows

MODES = ("off", "smooth", "fit", "guided")
DEFAULT_MODE = "guided"  # what measures best with several cameras
CODE_OF_MOTION = ("refine", "pipeline/motion", "pipeline/multiview", "pipeline/capture", "pipeline/nodes/refine.py")
CODE_OF_EXPORT = ("pipeline/motion", "pipeline/multiview/run.py", "pipeline/nodes/export.py")
CODE_OF_OVERLAY = ("pipeline/overlay", "pipeline/multiview/overlay.py")
CODE_OF_TABLES = ("pipeline/multiview/tables.py",)


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """How the run of a capture ended."""

    folder: Path
    views: tuple[View, ...]
    rate: Fraction
    person_count: int
    frame_count: int
    seconds: float
    problem: str  # which views could not be used, and why; empty: all were


def run_capture(
    capture: Capture,
    output: Path,
    settings: RunSettings,
    *,
    names: Sequence[str] | None = None,
    has_progress: bool = True,
    on_view: Callable[[ClipResult], None] = lambda result: None,
) -> CaptureResult:
    """Process the cameras of a capture and write one motion per person; what is there already is not made again.

    A view that fails costs only itself, as long as two are left.

    Args:
        settings: where they do not say `refine.mode`, it is `DEFAULT_MODE`.
        names: cameras to use; None: all with a video.
        on_view: called with the run of each view as soon as it has ended.

    Raises:
        InputError: a camera is unknown, videos differ in frame rate, or fewer than two views can be used.
        SettingsError: `refine.mode` is one for single cameras, or frames would be read smaller than they are.
    """
    settings = capture_settings(settings)
    if settings.refine.mode not in MODES:
        raise SettingsError(f"refine.mode {settings.refine.mode} is for one camera; choose {', '.join(MODES)}")
    if (side := settings.decode.max_side_px) is not None:
        raise SettingsError(f"decode.max_side_px {side}: a calibration holds for pixels of full size; leave it out")
    cameras = capture.cameras if names is None else capture.choose(names)
    name = capture.folder.resolve().name
    attempt = Attempt(name, output / name, settings)
    with attempt.lock:
        try:
            return _process(capture, cameras, attempt, settings, has_progress, on_view)
        except Exception as error:
            attempt.fail(error)
            raise
        except BaseException:
            attempt.stop()
            raise


def capture_settings(settings: RunSettings) -> RunSettings:
    """Return the settings with the mode of refinement of captures, unless they say one."""
    if "mode" in settings.refine.model_fields_set:
        return settings
    return settings.model_copy(update={"refine": settings.refine.model_copy(update={"mode": DEFAULT_MODE})})


def _process(
    capture: Capture,
    cameras: Sequence[Camera],
    attempt: Attempt,
    settings: RunSettings,
    has_progress: bool,
    on_view: Callable[[ClipResult], None],
) -> CaptureResult:
    path = capture.folder.resolve()
    attempt.note(input=printable(path.name), path=printable(path), cwd=printable(Path.cwd()))
    check_owner(attempt.folder, path)
    attempt.is_owner = True
    models = Models(settings, choose_device(settings.runtime.device))
    attempt.note(models=describe(models))
    attempt.begin()
    views, problems, infos = [], list[str](), dict[str, VideoInfo]()
    for camera in cameras:
        try:
            infos[camera.name] = check_video(camera, capture.videos[camera.name])
        except InputError as error:
            problems.append(str(error))
            continue
        clip = ClipInput(capture.videos[camera.name], camera.name)
        (result,) = run_found(
            [clip], attempt.folder / VIEWS, _view_settings(settings, camera), has_progress=has_progress, on_done=on_view
        )
        if result.is_failed:
            problems.append(result.problem)
            continue
        views.append(read_view(camera, ObservationStore(RunFolder(result.folder).observations), attempt.folder))
    used = {infos[view.camera.name].rate for view in views}
    if len(views) < 2:
        why = "; ".join(problems) or "one camera was chosen"
        raise InputError(f"{capture.folder}: fewer than two views can be used ({why}); for one camera give `run`")
    if len(used) > 1:
        listed = ", ".join(f"{view.camera.name} {float(infos[view.camera.name].rate):.2f}" for view in views)
        raise InputError(f"{capture.folder}: views differ in frames per second ({listed}); convert them to one rate")
    rate = used.pop()
    attempt.note(video=VideoRecord(rate=str(rate)), cameras=[view.camera.name for view in views])
    with ProgressDisplay(is_shown=has_progress) as display:
        shown = [infos[view.camera.name] for view in views]
        work = _Work(attempt.folder, views, shown, rate, settings, models, display.listen(attempt.name))
        plan = work.graph().run()
    people, frames = len(RunFolder(attempt.folder).motions()), max(_last_frame(view) for view in views) + 1
    attempt.finish(
        status="partial" if problems else "done",
        problem="; ".join(problems),
        frames=frames,
        rows=sum(len(view.rows.frame_index) for view in views),
        people=people,
        nodes={node.name: {"fingerprint": node.fingerprint, "ran": not node.is_current} for node in plan},
        seconds={"total": round(attempt.seconds, 3)},
        program=program_version(),
        python=platform.python_version(),
    )
    return CaptureResult(attempt.folder, tuple(views), rate, people, frames, attempt.seconds, attempt.record.problem)


def _view_settings(settings: RunSettings, camera: Camera) -> RunSettings:
    """Return the settings of one view: its focal length is known, and only its observations are wanted."""
    return settings.model_copy(
        update={
            "recover": settings.recover.model_copy(update={"focal_px": camera.focal_px}),
            "refine": settings.refine.model_copy(update={"mode": "off"}),
            "overlay": settings.overlay.model_copy(update={"is_written": False}),
        }
    )


def _last_frame(view: View) -> int:
    return int(view.rows.frame_index.max(initial=-1))


@dataclass(slots=True)
class _Work:
    """What follows the views."""

    folder: Path
    views: Sequence[View]
    infos: Sequence[VideoInfo]
    rate: Fraction
    settings: RunSettings
    models: Models
    progress: Progress

    def graph(self) -> Graph:
        chosen = self.settings
        motion: dict[str, Any] = {
            "views": [_identity(self.folder, view) for view in self.views],
            "rate_hz": float(self.rate),
            "link": chosen.link.model_dump(mode="json"),
            "refine": chosen.refine.model_dump(mode="json"),
            "body": chosen.body.model_dump(mode="json"),
            "models": self.models.identities,
            "code": code_identity(*CODE_OF_MOTION),
        }
        export = {
            "export": chosen.export.model_dump(mode="json"),
            "program": program_version(),
            "code": code_identity(*CODE_OF_EXPORT),
        }
        overlay = {"overlay": chosen.overlay.model_dump(mode="json"), "code": code_identity(*CODE_OF_OVERLAY)}
        nodes = [
            Node("motion", (), motion, self.make_motion),
            Node("export", ("motion",), export, self.export_motion),
            Node("tables", ("motion",), {"code": code_identity(*CODE_OF_TABLES)}, self.make_tables),
        ]
        if chosen.overlay.is_written:
            nodes.append(Node("overlay", ("motion",), overlay, self.draw_overlay))
        return Graph(self.folder, nodes)

    def make_motion(self, claim: Claim) -> Sequence[Path]:
        """Write the motion of each person in rig axes, at the frames of the videos; return the files."""
        files, use, views, rate_hz = RunFolder(self.folder), self.settings, self.views, float(self.rate)
        use_one_thread_each()
        people = [person for person in associate(views, rate_hz) if len(person.frames(views)) >= use.link.frames_min]
        paths = [files.motion(person.id) for person in people]
        claim(paths)
        body = self.models.body()
        made = (
            (person.id, *track_rows(sightings_of(person, views, rate_hz), views, body, longest_gap_s(use), person.id))
            for person in people
        )
        for group in in_groups(made, lambda each: len(each[2])):
            fits = refined_rows([track for _, track, _ in group], body, use, self.models)
            for (number, track, frames), fit in zip(group, fits, strict=True):
                write_track(files.motion(number), _motion_track(number, track, frames, fit))
            release_memory()
        return paths

    def export_motion(self, claim: Claim) -> Sequence[Path]:
        """Write a motion file per person and layout; return the files."""
        return write_people(RunFolder(self.folder), self.settings, self.models.body(), self.folder.name, claim)

    def make_tables(self, claim: Claim) -> Sequence[Path]:
        """Write the tables of people and of joints; return the files."""
        names = [view.camera.name for view in self.views]
        return write_tables(RunFolder(self.folder), names, self.models.body(), claim)

    def draw_overlay(self, claim: Claim) -> Sequence[Path]:
        """Write the overlay of every view and the mosaic; return the files."""
        from pipeline.multiview.overlay import draw_views  # here: what draws takes a second to import

        files, body = RunFolder(self.folder), self.models.body()
        return draw_views(files, self.views, self.infos, self.rate, self.settings, body, self.progress, claim)


def refined_rows(tracks: Sequence[TrackRows], body: BodyModel, settings: RunSettings, models: Models) -> list[TrackFit]:
    """Return the motions of tracks of several cameras, refined as `refine.mode` says."""
    if settings.refine.mode == "off":
        return [
            TrackFit(each.pose, each.betas, each.trans, ~each.is_observed, np.zeros(len(each.time_s), bool))
            for each in tracks
        ]
    sigma = {"keypoint_sigma_m": settings.refine.keypoint_sigma_of_several_m}
    return refine_rows(tracks, body, settings.refine.model_copy(update=sigma), models.device, models.motion_prior())


def people_of(views: Sequence[View], rate_hz: float) -> list[tuple[Person, Sightings]]:
    """Return the people of a capture, each with their joints."""
    return [(person, sightings_of(person, views, rate_hz)) for person in associate(views, rate_hz)]


def _identity(folder: Path, view: View) -> dict[str, Any]:
    """Return what a view's evidence depends on: its observations and its calibration."""
    camera = view.camera
    state = ObservationStore(RunFolder(folder / VIEWS / camera.name).observations).read_state()
    numbers = (camera.matrix, camera.rotation, camera.translation_m, camera.distortion)
    return {
        "camera": camera.name,
        "observations": state[0].fingerprint if state is not None else "",
        "calibration": [value.tolist() for value in numbers],
        "is_fisheye": camera.is_fisheye,
    }


def _motion_track(number: int, track: TrackRows, frames: np.ndarray, fit: TrackFit) -> MotionTrack:
    """Return a track in rig axes; keypoints, boxes and focal lengths are those of several cameras and left out."""
    return MotionTrack(
        track_id=number,
        frame_index=frames,
        time_s=track.time_s,
        pose=fit.pose,
        betas=fit.betas,
        trans=fit.trans,
        joint_confidence=np.asarray(track.joint_confidence, np.float32),
        is_observed=track.is_observed,
        is_refined=fit.is_refined,
        seen_by=np.stack([view.keypoints[..., 2].any(axis=1) for view in track.views], axis=1),
    )
