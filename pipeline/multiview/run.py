"""From a capture to one motion file per person: each view is an ordinary run, then people are associated and fitted."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from configs.errors import InputError, RunError, SettingsError
from configs.schema import RunSettings
from configs.threads import use_one_thread_each
from configs.version import program_version
from pipeline.capture import Camera, Capture
from pipeline.capture.capture import check_video
from pipeline.capture.panoptic import frame_numbers
from pipeline.capture.spans import FrameSpan
from pipeline.clip import CODE_OF_FORMATS
from pipeline.device import choose_device
from pipeline.engine.choose import run_found
from pipeline.export.formats import check_formats
from pipeline.flow.atomic import write_json
from pipeline.flow.attempt import Attempt
from pipeline.flow.graph import FORMATS_NODE, Claim, Graph, Node
from pipeline.flow.identity import code_identity, weights_identity
from pipeline.flow.inputs import ClipInput, hidden_name
from pipeline.flow.outputs import VIEWS, RunFolder, check_folder
from pipeline.flow.progress import ProgressDisplay
from pipeline.flow.record import RunRecord, VideoRecord, check_owner, describe_input
from pipeline.flow.store import ObservationStore
from pipeline.models import Models, describe
from pipeline.motion.library import write_track
from pipeline.multiview.association import Person
from pipeline.multiview.calibration_check import RigFit, check_calibration
from pipeline.multiview.fusion import Sightings
from pipeline.multiview.left_out import choose_people, left_out_as_json, read_left_out
from pipeline.multiview.matches import links_as_json
from pipeline.multiview.people import fitted, who_is_who, with_joints
from pipeline.multiview.settings import MODES, capture_settings, view_settings
from pipeline.multiview.tables import write_tables
from pipeline.multiview.timing import Timing, check_offsets, time_cameras
from pipeline.multiview.views import Footage, View, pose_records, read_view, view_identity
from pipeline.nodes.analyze import analytics_inputs, analyze_run
from pipeline.nodes.context import Progress
from pipeline.nodes.export import write_people
from pipeline.run import ClipResult

CODE_OF_MOTION = (
    *("refine", "trackers/linking", "pipeline/motion", "pipeline/multiview", "pipeline/capture"),
    "pipeline/nodes/refine.py",
)
CODE_OF_EXPORT = ("pipeline/motion", "pipeline/multiview/run.py", "pipeline/nodes/export.py")
CODE_OF_OVERLAY = ("pipeline/overlay", "pipeline/multiview/overlay.py")
CODE_OF_TABLES = ("pipeline/multiview/tables.py",)
CODE_OF_REPORT = ("pipeline/report", "pipeline/view", "pipeline/data/report", "pipeline/nodes/report.py")


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """How the run of a capture ended."""

    folder: Path
    views: tuple[View, ...]
    rate: Fraction
    person_count: int
    frame_count: int
    seconds: float
    problem: str  # which views could not be used or in part, and why; empty: all were
    find_people: Callable[[], Sequence[tuple[Person, Sightings]]]
    """Everybody with their triangulated joints."""
    timing: Timing
    fit: RigFit


def run_capture(
    capture: Capture,
    output: Path,
    settings: RunSettings,
    *,
    names: Sequence[str] | None = None,
    span: FrameSpan | None = None,
    has_progress: bool = True,
    on_view: Callable[[ClipResult], None] = lambda result: None,
) -> CaptureResult:
    """Process the cameras of a capture and write one motion per person; what is there already is not made again.

    A view that fails costs only itself, as long as two are left.

    Args:
        settings: completed by `capture_settings`.
        names: cameras to use; None: all with a video.
        span: frames to use; None: those that `settings.decode` names.
        on_view: called with the run of each view as soon as it has ended.

    Raises:
        InputError: a camera is unknown, fewer than two views can be used, or `capture.sync` is a file of another form.
        SettingsError: `refine.mode` is one for single cameras, or frames would be read smaller than they are.
    """
    settings = capture_settings(settings)
    if settings.refine.mode not in MODES:
        raise SettingsError(f"refine.mode {settings.refine.mode} is for one camera; choose {', '.join(MODES)}")
    if (side := settings.decode.max_side_px) is not None:
        raise SettingsError(f"decode.max_side_px {side}: a calibration holds for pixels of full size; leave it out")
    cameras = capture.cameras if names is None else capture.choose(names)
    if not cameras:
        raise InputError(f"{capture.folder}: no camera is chosen; leave --cameras out for all")
    check_offsets(settings.capture.sync, cameras)
    hidden = settings.privacy.is_anonymous
    name = hidden_name(capture.folder) if hidden else capture.folder.resolve().name
    attempt = Attempt(name, output / name, settings)
    with attempt.lock:
        try:
            return _process(capture, cameras, attempt, settings, span, has_progress, on_view)
        except Exception as error:
            attempt.fail(error)
            raise
        except BaseException:
            attempt.stop()
            raise


def _process(
    capture: Capture,
    cameras: Sequence[Camera],
    attempt: Attempt,
    settings: RunSettings,
    span: FrameSpan | None,
    has_progress: bool,
    on_view: Callable[[ClipResult], None],
) -> CaptureResult:
    path = capture.folder.resolve()
    attempt.note(**describe_input(path, attempt.name if settings.privacy.is_anonymous else ""))
    check_folder(attempt.folder, capture.calibration.path)
    if attempt.folder.resolve() == path:
        raise RunError(f"{path}: results would go into the capture itself; give another --output")
    check_owner(attempt.folder, path)
    attempt.is_owner = True
    models = Models(settings, choose_device(settings.runtime.device))
    attempt.note(models=describe(models))
    if models.motion_prior_path is not None:
        models.check_motion_prior()  # before hours of work
    check_formats(settings.export.formats)
    attempt.begin()
    views, problems, footage, frames = [], list[str](), dict[str, Footage](), 0
    for camera in cameras:
        try:
            info = check_video(camera, capture.videos[camera.name], settings.decode)
            numbers = frame_numbers(capture, camera.name)
            chosen = view_settings(settings, camera, span, info, numbers)
        except InputError as error:
            problems.append(str(error))
            continue
        clip = ClipInput(capture.videos[camera.name], camera.name)
        (result,) = run_found([clip], attempt.folder / VIEWS, chosen, has_progress=has_progress, on_done=on_view)
        if result.is_failed:
            problems.append(result.problem)
            continue
        if result.problem:
            problems.append(f"{camera.name}: {result.problem}")
        footage[camera.name], frames = Footage(info, chosen.decode, numbers), max(frames, result.frame_count)
        store = ObservationStore(RunFolder(result.folder).observations)
        views.append(read_view(camera, store, attempt.folder, footage[camera.name]))
    if len(views) < 2:
        why = "; ".join(problems) or "one camera was chosen"
        raise InputError(f"{capture.folder}: fewer than two views can be used ({why}); for one camera give `run`")
    rate = max(each.info.rate for each in footage.values())
    timing = time_cameras(views, [float(each.info.rate) for each in footage.values()], settings.capture.sync)
    views = timing.place(views)
    fit = check_calibration(views)
    attempt.note(
        video=VideoRecord(rate=str(rate)),
        frames=frames,
        problem="; ".join(problems),
        cameras=[view.camera.name for view in views],
        capture=fit.record(timing.records()).model_copy(update={"poses": pose_records(views, list(footage.values()))}),
    )
    with ProgressDisplay(is_shown=has_progress) as display:
        listen = display.listen(attempt.name)
        shown = [
            replace(each, offset_s=clock.offset_s, rate_hz=float(rate))
            for each, clock in zip(footage.values(), timing.cameras, strict=True)
        ]
        work = _Work(attempt.folder, views, shown, rate, settings, models, listen, attempt.record)
        plan = work.graph().run()
    people = len(RunFolder(attempt.folder).motions())
    attempt.finish(
        status="partial" if problems else "done",
        rows=sum(len(view.rows.frame_index) for view in views),
        people=people,
        left_out=read_left_out(attempt.folder),
        nodes={node.name: {"fingerprint": node.fingerprint, "ran": not node.is_current} for node in plan},
        seconds={"total": round(attempt.seconds, 3)},
        program=program_version(),
        python=platform.python_version(),
    )
    return CaptureResult(
        folder=attempt.folder,
        views=tuple(views),
        rate=rate,
        person_count=people,
        frame_count=frames,
        seconds=attempt.seconds,
        problem=attempt.record.problem,
        find_people=work.find_people,
        timing=timing,
        fit=fit,
    )


@dataclass(slots=True)
class _Work:
    """What follows the views."""

    folder: Path
    views: Sequence[View]
    footage: Sequence[Footage]
    rate: Fraction
    settings: RunSettings
    models: Models
    progress: Progress
    record: RunRecord  # what is known before the graph runs
    _people: list[Person] | None = None

    def people(self) -> list[Person]:
        """Return everybody; who is who is found once."""
        if self._people is None:
            self._people = who_is_who(self.views, float(self.rate), self.settings.link)
        return self._people

    def find_people(self) -> list[tuple[Person, Sightings]]:
        """Return everybody with their joints."""
        return list(with_joints(self.people(), self.views, float(self.rate)))

    def graph(self) -> Graph:
        chosen, prior = self.settings, self.models.motion_prior_path
        motion: dict[str, Any] = {
            "views": [view_identity(self.folder, view) for view in self.views],
            "rate_hz": float(self.rate),
            "offsets_s": [each.offset_s for each in self.footage],
            "link": chosen.link.model_dump(mode="json"),
            "unseen_by_min": chosen.capture.unseen_by_min,
            "refine": chosen.refine.model_dump(mode="json"),
            "motion_prior": weights_identity(prior) if prior else "",
            "body": chosen.body.model_dump(mode="json"),
            "models": self.models.identities,
            "code": code_identity(*CODE_OF_MOTION),
        }
        export = {
            "export": chosen.export.model_dump(mode="json", exclude={"formats"}),
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
        if chosen.analytics.is_written:
            nodes.append(Node("analyze", ("motion",), analytics_inputs(chosen.analytics), self.analyze))
        if chosen.export.formats:
            formats = {"formats": list(chosen.export.formats), "code": code_identity(*CODE_OF_FORMATS)}
            nodes.append(Node(FORMATS_NODE, ("export",), formats, self.write_formats))
        if chosen.report.is_written:
            report = {"report": chosen.report.model_dump(mode="json"), "code": code_identity(*CODE_OF_REPORT)}
            nodes.append(Node("report", tuple(node.name for node in nodes), report, self.write_report))
        return Graph(self.folder, nodes)

    def make_motion(self, claim: Claim) -> Sequence[Path]:
        """Write the motion of each person in rig axes, at the frames of the videos; return the files."""
        use_one_thread_each()
        people, left_out = choose_people(self.people(), self.views, self.settings)
        paths = [RunFolder(self.folder).motion(person.id) for person in people]
        links = RunFolder(self.folder).links
        claim([*paths, links])
        said = links_as_json(people, self.views, float(self.rate))
        write_json(links, said | {"left_out": left_out_as_json(left_out)})
        seen = with_joints(people, self.views, float(self.rate))
        tracks = fitted(seen, self.views, self.settings, self.models, self.folder)
        for path, track in zip(paths, tracks, strict=True):
            write_track(path, track)
        return [*paths, links]

    def export_motion(self, claim: Claim) -> Sequence[Path]:
        """Write a motion file per person and layout; return the files."""
        return write_people(RunFolder(self.folder), self.settings, self.models.body(), self.folder.name, claim)

    def write_formats(self, claim: Claim) -> Sequence[Path]:
        """Write everybody in the formats that are asked for; return the files."""
        from pipeline.nodes.formats import write_formats

        files, video = RunFolder(self.folder), VideoRecord()
        return write_formats(files, self.settings, self.models.body().structure, self.folder.name, video, claim)

    def make_tables(self, claim: Claim) -> Sequence[Path]:
        """Write the tables of people and of joints; return the files."""
        names = [view.camera.name for view in self.views]
        return write_tables(RunFolder(self.folder), names, self.models.body(), claim)

    def analyze(self, claim: Claim) -> Sequence[Path]:
        """Write the tables of what people do on the ground; return the files."""
        files, body, given = RunFolder(self.folder), self.models.body(), self.settings.analytics
        return analyze_run(files, body, given, float(self.rate), None, self.folder.name, claim)

    def draw_overlay(self, claim: Claim) -> Sequence[Path]:
        """Write the overlay of every view and the mosaic; return the files."""
        from pipeline.multiview.overlay import draw_views  # here: what draws takes a second to import

        files, body = RunFolder(self.folder), self.models.body()
        return draw_views(files, self.views, self.footage, self.rate, self.settings, body, self.progress, claim)

    def write_report(self, claim: Claim) -> Sequence[Path]:
        """Write the report; return its file."""
        from pipeline.nodes.report import write_report

        return write_report(RunFolder(self.folder), self.record, self.settings.report, claim)
