"""A finished run whose people were not recovered but made: they turn all round, lie down, come late and leave early."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from configs.schema import RunSettings
from dpmesh.body.load import read_structure
from pipeline.export.people import Placement, read_camera, read_people
from pipeline.export.scene import Scene
from pipeline.flow.atomic import write_json
from pipeline.flow.graph import Graph
from pipeline.flow.outputs import RunFolder, describe_files
from pipeline.flow.record import RunRecord, VideoRecord
from pipeline.motion.library import write_track
from pipeline.nodes.export import write_people
from pipeline.types import MotionTrack

UPRIGHT = Rotation.from_rotvec([np.pi, 0, 0])  # the template's y points up, the camera's down
DOWN = np.array([0.0, 1.0, 0.0])


def turning_and_lying(
    number: int, first_frame: int, frames: int, video_hz: float, *, at_m: float = 0.0, shape: float = 0.0
) -> MotionTrack:
    """Return somebody who turns twice round, lies down on the way, rolls, and moves all joints through 150 degrees.

    Args:
        at_m: to the right of the camera; shape: the first shape number.
    """
    frame = first_frame + np.arange(frames)
    time_s = frame / video_hz
    part = np.linspace(0, 1, frames)
    turn = Rotation.from_rotvec(np.outer(4 * np.pi * part, DOWN))
    lie = Rotation.from_rotvec(np.outer(np.pi / 2 * np.sin(np.pi * np.clip(2 * part - 0.5, 0, 1)), (1, 0, 0)))
    roll = Rotation.from_rotvec(np.outer(2 * np.pi * part, (0, 0, 1)))
    rng = np.random.default_rng(number)
    axes = rng.normal(size=(24, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    swing = np.radians(75) * np.sin(2 * np.pi * (part[:, None] * 2 + rng.random(24)))
    pose = swing[..., None] * axes
    pose[:, 0] = (turn * lie * UPRIGHT * roll).as_rotvec()
    pose[:, 22:] = 0.0
    trans = np.stack([at_m + np.sin(6 * part), 0.3 * part, 5.0 + part], axis=1)
    seen = np.ones(frames, bool)
    seen[frames // 2 : frames // 2 + 2] = False
    return MotionTrack(
        track_id=number,
        frame_index=frame,
        time_s=time_s,
        pose=pose.astype(np.float32),
        betas=np.array([shape, *rng.normal(size=9)], np.float32),
        trans=trans.astype(np.float32),
        joint_confidence=np.tile(np.linspace(0.2, 0.9, 24, dtype=np.float32), (frames, 1)),
        is_observed=seen,
        is_refined=~seen,
        boxes_xyxy=np.tile(np.float32([100, 50, 150, 250]), (frames, 1)) + frame[:, None].astype(np.float32),
        focal_px=np.full(frames, 800.0, np.float32),
        principal_px=np.tile(np.float32([320, 180]), (frames, 1)),
    )


def make_run(folder: Path, tracks: Sequence[MotionTrack], body: object, *, rate: int | None = 30) -> RunFolder:
    """Write the folder of a finished run of these people; `body` is a body model."""
    files = RunFolder(folder)
    settings = RunSettings.model_validate({"export": {"rate_hz": None if rate is None else Fraction(rate)}})
    graph = Graph(folder, [])
    paths = [files.motion(track.track_id) for track in tracks]

    def motion() -> None:
        for path, track in zip(paths, tracks, strict=True):
            write_track(path, track)

    folder.mkdir(parents=True, exist_ok=True)
    graph.add("motion", paths, motion)
    tracked = [files.track(track.track_id) for track in tracks]
    graph.add(
        "export",
        [*tracked, files.quality],
        lambda: write_people(files, settings, body, "clip.mp4", lambda paths: None),  # type: ignore[arg-type,return-value]
    )
    record = RunRecord(
        settings=settings.model_dump(mode="json"),
        status="done",
        input="clip.mp4",
        video=VideoRecord(width=640, height=360, rate="30"),
        people=len(tracks),
        files=describe_files(folder),
    )
    write_json(files.record, record.dump())
    return files


def scene_of(files: RunFolder, placement: Placement | None = None, **changes: Any) -> Scene:
    """Return the people of a run as the formats take them."""
    body = read_structure()
    rate_hz, people = read_people(files, body, 0.5, placement or Placement())
    return Scene("clip.mp4", rate_hz, people, body, "dpmesh-video 0", read_camera(files, 640, 360), **changes)
