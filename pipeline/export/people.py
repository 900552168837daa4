"""The people of a finished run, put on one grid of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from configs.errors import InputError, SettingsError
from configs.skeletons import SMPL24
from dpmesh.body.structure import BodyStructure
from pipeline.export.scene import PersonMotion, Scene, SceneCamera, ScenePerson, rest_shape
from pipeline.flow.outputs import RunFolder, person_number
from pipeline.motion.library import read_track
from pipeline.motion.quality import read_quality
from pipeline.motion.read import MotionFile, read_motion
from pipeline.motion.resample import sample_at
from pipeline.motion.scene import read_scene
from pipeline.motion.world import move_root
from pipeline.types import MotionTrack

GRID_SLACK = 0.005  # of a sample: what a fast hand moves in it, 5 m/s, is below a millimetre at 30 per second


@dataclass(frozen=True, slots=True)
class Placement:
    """What is changed of where people are and when."""

    rate_hz: float | None = None  # None: that of the run's motion files
    is_at_origin: bool = False  # each person starts above the origin
    is_in_place: bool = False  # nobody moves over the ground


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one person comes from."""

    track_path: Path  # world axes, the run's samples
    motion_path: Path  # camera axes, frames of the video
    rest: np.ndarray
    gap_max_s: float
    samples: np.ndarray  # of the grid
    rate_hz: float
    is_on_grid: bool  # whether the run's samples are those of the grid
    placement: Placement

    def load(self) -> PersonMotion:
        file = read_motion(self.track_path)
        motion = self._as_sampled(file) if self.is_on_grid else self._sampled_anew(file)
        pelvis = motion.pelvis
        if self.placement.is_in_place:
            pelvis = np.concatenate([np.broadcast_to(pelvis[:1, :2], (len(pelvis), 2)), pelvis[:, 2:]], axis=1)
        if self.placement.is_at_origin:
            pelvis = pelvis - np.array([*pelvis[0, :2], 0.0])
        return replace(motion, pelvis=pelvis)

    def _as_sampled(self, file: MotionFile) -> PersonMotion:
        count = len(file.poses)
        return PersonMotion(
            first_sample=int(self.samples[0]),
            pose=file.smpl_pose().astype(np.float64),
            pelvis=file.trans.astype(np.float64) + self.rest[0],
            rest=self.rest,
            frame_index=_known(file.frame_index, np.zeros(count, np.int64)),
            confidence=_known(file.joint_confidence, np.ones((count, 24), np.float32)),
            is_observed=_known(file.is_observed, np.ones(count, bool)),
            is_refined=_known(file.is_refined, np.zeros(count, bool)),
        )

    def _sampled_anew(self, file: MotionFile) -> PersonMotion:
        track = read_track(self.motion_path)
        times = np.clip(self.samples / self.rate_hz, track.time_s[0], track.time_s[-1])
        motion = sample_at(track, self.rest[0], times, self.rate_hz, self.gap_max_s)
        transform = np.eye(4) if file.world_from_cam is None else file.world_from_cam
        root, trans = move_root(motion.pose[:, 0], motion.trans, self.rest[0], transform)
        pose = motion.pose.copy()
        pose[:, 0], pose[:, 22:] = root, 0.0  # motion files have no hands, see `layouts`
        return PersonMotion(
            first_sample=int(self.samples[0]),
            pose=pose,
            pelvis=trans + self.rest[0],
            rest=self.rest,
            frame_index=track.frame_index[motion.nearest_row],
            confidence=motion.joint_confidence,
            is_observed=motion.is_observed,
            is_refined=track.is_refined[motion.nearest_row],
        )

    def load_track(self) -> MotionTrack:
        return replace(read_track(self.motion_path), track_id=person_number(self.motion_path))


def read_people(
    files: RunFolder, body: BodyStructure, gap_max_s: float, placement: Placement, chosen: Sequence[int] | None = None
) -> tuple[float, list[ScenePerson]]:
    """Return the rate of the grid and the people on it; no motion is read yet.

    Where the samples of the run's motion files are those of the grid, they are taken as they are. Where they are not
    (another rate is asked for, or somebody comes between two samples of the others), the motion is sampled anew from
    the frames of the video.

    Args:
        gap_max_s: as of `resample`.
        chosen: numbers of people; None: all.

    Raises:
        InputError: there is nobody, somebody who is chosen is not there, or a file is damaged.
        SettingsError: the rate is no rate.
    """
    paths = {person_number(path): path for path in reversed(files.tracks())}  # of older runs, SMPL-H before SMPL-X
    missing = [number for number in chosen or () if number not in paths]
    if missing or not paths:
        there = ", ".join(map(str, sorted(paths))) or "nobody"
        what = f"person {missing[0]} is not in this run" if missing else "holds no motion to export"
        raise InputError(f"{files.path}: {what}; there is {there}")
    quality = read_quality(files.quality)
    rate_hz, people = placement.rate_hz, []
    for number in sorted(chosen or paths):
        file = read_motion(paths[number])
        if rate_hz is None:
            rate_hz = file.rate_hz
        if not 0 < rate_hz <= 1000:
            raise SettingsError(f"rate {rate_hz:g}: expected samples per second, above 0 and at most 1000")
        times = np.arange(len(file.poses)) / file.rate_hz if file.timestamps is None else file.timestamps
        first = round(float(times[0]) * rate_hz)
        samples = first + np.arange(len(times))
        is_on_grid = bool(np.abs(times * rate_hz - samples).max(initial=0.0) <= GRID_SLACK)
        if not is_on_grid:
            frames = times if file.original_timestamps is None else file.original_timestamps
            samples = _grid_within(frames[0], frames[-1], rate_hz)
        betas = file.betas[:10].astype(np.float64)
        motion_path = files.motion(number)
        source = _Source(
            paths[number], motion_path, rest_shape(body, betas)[1], gap_max_s, samples, rate_hz, is_on_grid, placement
        )
        people.append(
            ScenePerson(
                number, int(samples[0]), len(samples), betas, source.load, source.load_track, quality.get(number, {})
            )
        )
    assert rate_hz is not None
    return rate_hz, people


def _grid_within(first_s: float, last_s: float, rate_hz: float) -> np.ndarray:
    """Return the samples of the grid between two times; the one nearest to them where there is none."""
    first, last = np.ceil(first_s * rate_hz - GRID_SLACK), np.floor(last_s * rate_hz + GRID_SLACK)
    return np.arange(first, last + 1).astype(np.int64) if last >= first else np.array([round(first_s * rate_hz)])


def read_camera(files: RunFolder, width: int | None, height: int | None) -> SceneCamera | None:
    """Return the camera of a clip from the motion file of its first person; None in a capture."""
    for path in files.tracks()[:1]:
        file = read_motion(path)
        if file.camera_k is not None and file.world_from_cam is not None and width and height:
            return SceneCamera(file.world_from_cam, float(np.median(file.camera_k[:, 0, 0])), width, height)
    return None


def ground_height(files: RunFolder) -> float | None:
    """Return the height of the ground, on which the origin lies, where `scene.json` says it was measured; else None."""
    scene = read_scene(files.scene)
    return 0.0 if scene is not None and scene.is_ground_measured else None


def floor_height(scene: Scene) -> float:
    """Return how high the floor is: the measured ground, else where the soles of the people are when lowest (median).

    Reads one person after the other. A sole lies below the joint of its foot by as much as in the rest pose.
    """
    if scene.ground_m is not None:
        return scene.ground_m
    heights = []
    for person in scene.people:
        vertices, rest = rest_shape(scene.body, person.betas)
        feet = [SMPL24.index("left_foot"), SMPL24.index("right_foot")]
        sole_m = rest[feet, 1].min() - vertices[:, 1].min()
        motion = person.load()
        lowest = np.concatenate([motion.joints(rows)[:, feet, 2].min(axis=1) for rows in motion.blocks()])
        heights.append(float(np.percentile(lowest, 10)) - sole_m)
    return float(np.median(heights)) if heights else 0.0


def _known(values: np.ndarray | None, otherwise: np.ndarray) -> np.ndarray:
    return otherwise if values is None else values
