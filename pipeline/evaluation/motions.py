"""People in motion whose keypoints were simulated, refined in several ways and measured against their truth.

A folder of `dpmesh-video data motion`: no images, one person per clip, recovered from keypoints alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.checks import check_numbers
from configs.errors import InputError
from configs.npz_files import read_npz
from dpmesh.keypoints import smpl24_confidence
from pipeline.evaluation.truth import Truth
from pipeline.motion.posing import Body, joint_positions
from pipeline.types import Observations

SHARD_BYTES_MAX = 2**31
START_M = (0.0, 0.0, 4.0)  # where a body is looked for first


@dataclass(frozen=True, slots=True)
class SimulatedPerson:
    """One clip."""

    name: str
    rows: Observations  # what was seen and recovered
    truth: Truth  # of one person
    pose: np.ndarray  # (T, 24, 3) axis-angle, the truth, one row per frame
    betas: np.ndarray  # (10,) the truth
    time_s: np.ndarray  # (T,) of the frames
    camera: int  # which one of the person's; 0 is the first
    rotation: np.ndarray  # (3, 3) camera from world, Y up
    shift_m: np.ndarray  # (3,) the world's origin in the camera


def simulated_people(folder: Path, body: Body, limit: int | None) -> Iterator[SimulatedPerson]:
    """Yield the first `limit` clips of a folder; None: all.

    Raises:
        InputError: there is no shard, or one is damaged or of another layout.
    """
    paths = sorted(folder.glob("motion_*.npz"))
    if not paths:
        raise InputError(f"{folder}: no motion_*.npz there; make them with `dpmesh-video data motion`")
    count = 0
    for path in paths:
        try:
            shard = read_npz(path, bytes_max=SHARD_BYTES_MAX)
            wanted = len(shard["pose"]) if limit is None else min(limit - count, len(shard["pose"]))
            people = [
                _person(f"{path.stem}[{row}]", {k: v[row] for k, v in shard.items()}, body) for row in range(wanted)
            ]
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{path}: not a shard of simulated motion ({error}); delete this file and give the command that made "
                "the folder again: it makes what is missing and nothing else"
            ) from error
        yield from people
        count += len(people)
        if limit is not None and count >= limit:
            return


def _person(name: str, clip: dict[str, np.ndarray], body: Body) -> SimulatedPerson:
    _check(name, clip)
    frames = len(clip["pose"])
    joints = joint_positions(body, clip["pose"], clip["betas"], np.zeros((frames, 3), np.float32), "smpl24")
    truth = Truth(
        joints_m=(joints - joints[:, :1] + clip["pelvis_m"][:, None])[None],
        visible_share=np.ones((1, frames)),
        focal_px=np.full(frames, clip["focal_px"]),
        principal_px=np.tile(clip["principal_px"], (frames, 1)),
    )
    seen = np.flatnonzero(clip["is_observed"])
    count, keypoints = len(seen), clip["keypoints"][seen]
    is_given = keypoints[..., 2:] > 0
    low = np.where(is_given, keypoints[..., :2], np.inf).min(axis=1)
    high = np.where(is_given, keypoints[..., :2], -np.inf).max(axis=1)
    rows = Observations(
        frame_index=seen.astype(np.int64),
        time_s=clip["time_s"][seen],
        track_id=np.ones(count, np.int64),
        boxes_xyxy=np.concatenate([low, high], axis=1).astype(np.float32),
        scores=np.ones(count, np.float32),
        keypoints=keypoints,
        pose=clip["recovered"][seen],
        betas=clip["recovered_betas"][seen],
        trans=np.tile(np.array(START_M, np.float32), (count, 1)),
        joint_confidence=smpl24_confidence(keypoints),
        focal_px=np.full(count, clip["focal_px"], np.float32),
        principal_px=np.tile(clip["principal_px"].astype(np.float32), (count, 1)),
        hints=clip["hints"][seen],
    )
    return SimulatedPerson(
        name=name,
        rows=rows,
        truth=truth,
        pose=clip["pose"],
        betas=clip["betas"],
        time_s=clip["time_s"],
        camera=int(clip["camera"]),
        rotation=clip["rotation"].astype(np.float64),
        shift_m=clip["shift_m"].astype(np.float64),
    )


def _check(name: str, clip: dict[str, np.ndarray]) -> None:
    """Raise `ValueError` unless a clip has frames, finite numbers, a focal length above 0 and times that rise."""
    if not len(clip["pose"]):
        raise ValueError(f"{name}: holds no frame")
    if not clip["focal_px"] > 0:
        raise ValueError(f"{name}: focal_px: is {clip['focal_px']}, not above 0")
    for key, value in clip.items():
        check_numbers(f"{name}: {key}", np.asarray(value))
    if not (np.diff(clip["time_s"]) > 0).all():
        raise ValueError(f"{name}: time_s does not rise from frame to frame")
