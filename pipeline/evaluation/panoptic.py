"""Runs on sequences of CMU Panoptic against their annotations: cameras each alone, or several together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.errors import InputError
from configs.schema import RunSettings
from pipeline.capture import Camera, Capture
from pipeline.capture.capture import check_video
from pipeline.capture.panoptic import Annotations, find_sequence, frame_numbers, needed_annotations
from pipeline.capture.spans import FrameSpan
from pipeline.engine.choose import run_found
from pipeline.evaluation import voxelpose
from pipeline.evaluation.capture import frames_read
from pipeline.evaluation.projection import project_rows
from pipeline.evaluation.table3 import JOINT_SET, READINGS, Errors, ImagePeople, annotated_joints, join_errors
from pipeline.flow.inputs import ClipInput
from pipeline.motion.posing import Body, joint_positions
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.multiview.run import VIEWS, run_capture
from pipeline.multiview.settings import view_settings
from pipeline.results import Run
from pipeline.run import ClipResult
from pipeline.types import MotionTrack

CAMERAS = ("00_16", "00_30")  # of the published table
IMAGES = 1200  # of each camera: 2,400 of an activity; which ones was not published
MONOCULAR = "monocular"
TABLE3_LAYOUTS = ("joints15", "joints19")  # the published figures were most likely made with the older one
GREEN = {
    ("160422_haggling1", "00_16"): range(2945, 2955),
    ("160422_haggling1", "00_30"): (*range(1402, 1413), 1414),
}
"""Green frames that the published figures leave out. Source: ROMP."""

OnDone = Callable[[ClipResult], None]


@dataclass(frozen=True, slots=True)
class SequenceErrors:
    """Errors of a sequence whose cameras were each run alone."""

    name: str
    images: int
    readings: Mapping[str, Errors]  # by the keys of `READINGS`
    problem: str  # what was left out; empty: nothing


@dataclass(frozen=True, slots=True)
class SequenceFrames:
    """The frames of a sequence whose cameras were run together, for VoxelPose's figures."""

    name: str
    view_count: int
    frames: list[voxelpose.FramePeople]
    problem: str


def evaluate_alone(
    folder: Path,
    output: Path,
    settings: RunSettings,
    *,
    names: Sequence[str] = CAMERAS,
    span: FrameSpan | None = None,
    images: int = IMAGES,
    on_done: OnDone = lambda result: None,
) -> SequenceErrors:
    """Run cameras of a sequence, each alone with its true focal length; return their errors in all readings.

    A camera that cannot be used costs only itself.

    Args:
        span: frames to use; None: all.
        images: how many annotated frames of each camera are measured, spread evenly; 0: all.

    Raises:
        InputError: the folder is no sequence, or no camera can be used.
    """
    capture, annotations = _open(folder, TABLE3_LAYOUTS)
    size, problems = 0, []
    parts: dict[str, list[Errors]] = {name: [] for name in READINGS}
    for name in names:
        try:
            (camera,) = capture.choose([name])
            people = _images_of(capture, camera, annotations, output, settings, span, images, on_done)
        except InputError as error:
            problems.append(str(error))
            continue
        size += len(people)
        for reading, measure in READINGS.items():
            parts[reading].append(join_errors([measure(image) for image in people]))
    problems += [annotations.problem] if annotations.problem else []
    if not size:
        raise InputError(f"{folder}: nothing can be measured: {'; '.join(problems) or 'no frame is annotated'}")
    return SequenceErrors(
        folder.resolve().name,
        size,
        {reading: join_errors(found) for reading, found in parts.items()},
        "; ".join(problems),
    )


def evaluate_together(
    folder: Path,
    output: Path,
    settings: RunSettings,
    *,
    names: Sequence[str],
    span: FrameSpan | None = None,
    every: int = voxelpose.EVERY,
    on_done: OnDone = lambda result: None,
) -> SequenceFrames:
    """Run cameras of a sequence together; return the frames that VoxelPose's protocol measures.

    Args:
        names: cameras; those without a video are left out and named.
        every: one of so many annotation files is measured.

    Raises:
        InputError: the folder is no sequence, or fewer than two cameras can be used.
    """
    capture, annotations = _open(folder, tuple(reversed(TABLE3_LAYOUTS)))
    there = [name for name in names if name in capture.videos]
    lacking = [name for name in names if name not in there]
    if len(there) < 2:
        raise InputError(f"{folder}: fewer than two cameras of {', '.join(names)} have a video; give --cameras")
    done = run_capture(capture, output, settings, names=there, span=span, on_view=on_done)
    run = Run(done.folder)
    read = np.concatenate([frames_read(capture, done.folder / VIEWS, view.camera.name) for view in done.views])
    frames = _chosen(annotations.frames[::every], read, span)
    people = annotations.read(frames)
    true, known, rows = voxelpose.protocol_people(people)
    found = _found_by_frame(run, frames)
    problems = [f"no video of {', '.join(lacking)}"] if lacking else []
    problems += [problem for problem in (done.problem, annotations.problem) if problem]
    measured = []
    for frame, here in _rows_of(people.frame_index[rows], frames):
        joints, scores = found[frame]
        measured.append(voxelpose.FramePeople(true[here], known[here], joints, scores))
    return SequenceFrames(folder.resolve().name, len(done.views), measured, "; ".join(problems))


def _open(folder: Path, layouts: Sequence[str]) -> tuple[Capture, Annotations]:
    annotations = needed_annotations(folder, layouts)
    return find_sequence(folder), annotations


def _images_of(
    capture: Capture,
    camera: Camera,
    annotations: Annotations,
    output: Path,
    settings: RunSettings,
    span: FrameSpan | None,
    images: int,
    on_done: OnDone,
) -> list[ImagePeople]:
    """Return who is annotated and who was recovered in the images of one camera."""
    name, sequence = camera.name, capture.folder.resolve().name
    info = check_video(camera, capture.videos[name], settings.decode)
    numbers = frame_numbers(capture, name)
    chosen = view_settings(settings, camera, span, info, numbers, mode=settings.refine.mode)
    place = output / sequence / MONOCULAR
    (result,) = run_found([ClipInput(capture.videos[name], name)], place, chosen, on_done=on_done)
    if result.is_failed:
        raise InputError(result.problem)
    run = result.open()
    read = frames_read(capture, place, name)
    read = read[~np.isin(read, GREEN.get((sequence, name), ()))]
    frames = spread(_chosen(annotations.frames, read, span), images)
    people = annotations.read(frames)
    joints, known = annotated_joints(people)
    pixels, joints = camera.project(joints), camera.to_camera(joints)
    found = _bodies_by_frame(run, frames, numbers)
    measured = []
    for frame, here in _rows_of(people.frame_index, frames):
        body, body_px = found[frame]
        measured.append(ImagePeople(joints[here], known[here], pixels[here], body, body_px, (info.width, info.height)))
    return measured


def spread(frames: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of some frames, spread evenly, or all where there are fewer; 0: all."""
    if not 0 < count < len(frames):
        return frames
    return frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]


def _chosen(annotated: np.ndarray, read: np.ndarray, span: FrameSpan | None) -> np.ndarray:
    """Return the annotated frames that were read and lie in the span."""
    frames = annotated[np.isin(annotated, read)]
    return frames if span is None else frames[span.holds(frames)]


def _bodies_by_frame(
    run: Run, frames: np.ndarray, numbers: np.ndarray | None
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the joints (M, 17, 3) and pixels (M, 17, 2) of a view's bodies in each of some frames."""
    parts = []
    for track in run.tracks():
        index, joints, rows = _joints_at(track, run.body, JOINT_SET, frames, numbers)
        parts.append((index, joints, project_rows(joints, track.focal_px[rows], track.principal_px[rows])))
    return _by_frame(frames, parts, (np.zeros((0, 17, 3)), np.zeros((0, 17, 2))))


def _found_by_frame(run: Run, frames: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the joints (M, 15, 3) in the world and the scores (M,) of people in each of some frames."""
    parts = []
    for track in run.tracks():
        index, joints, rows = _joints_at(track, run.body, voxelpose.JOINT_SET, frames, None)
        world = joints[:, voxelpose.BODY_JOINTS] @ WORLD_FROM_CAM[:3, :3].T
        parts.append((index, world, track.joint_confidence[rows].mean(axis=1)))
    return _by_frame(frames, parts, (np.zeros((0, 15, 3)), np.zeros(0)))


def _joints_at(
    track: MotionTrack, body: Body, joint_set: str, frames: np.ndarray, numbers: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frames (R,), joints (R, J, 3) and rows (R,) of a track in some frames."""
    index = track.frame_index if numbers is None else numbers[track.frame_index]
    rows = np.flatnonzero(np.isin(index, frames))
    return index[rows], joint_positions(body, track.pose[rows], track.betas, track.trans[rows], joint_set), rows


def _by_frame(
    frames: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], none: tuple[np.ndarray, np.ndarray]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    index = np.concatenate([np.zeros(0, np.int64), *(part[0] for part in parts)])
    order = np.argsort(index, kind="stable")
    first, second = (np.concatenate([none[k], *(part[k + 1] for part in parts)])[order] for k in range(2))
    return {frame: (first[rows], second[rows]) for frame, rows in _rows_of(index[order], frames)}


def _rows_of(index: np.ndarray, frames: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Yield each frame with its rows in a rising index."""
    starts, ends = np.searchsorted(index, frames).tolist(), np.searchsorted(index, frames, "right").tolist()
    for frame, start, end in zip(frames.tolist(), starts, ends, strict=True):
        yield frame, slice(start, end)
