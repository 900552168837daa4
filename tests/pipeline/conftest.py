"""A body simple enough to be right by inspection, and tracks that move it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.types import OF_CAMERA, MotionTrack

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
COCO_FROM_SMPL = (15, 15, 15, 15, 15, 16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8)
REST = np.array(
    [
        *((0, -0.22, 0.03), (0.07, -0.31, 0.02), (-0.07, -0.31, 0.02), (0, -0.11, 0.01)),
        *((0.1, -0.7, 0.02), (-0.1, -0.7, 0.02), (0, 0.03, 0.01), (0.09, -1.1, -0.02), (-0.09, -1.1, -0.02)),
        *((0, 0.08, 0.03), (0.12, -1.16, 0.1), (-0.12, -1.16, 0.1), (0, 0.29, 0), (0.08, 0.2, 0), (-0.08, 0.2, 0)),
        *((0, 0.38, 0.05), (0.17, 0.23, 0), (-0.17, 0.23, 0), (0.43, 0.22, 0), (-0.43, 0.22, 0)),
        *((0.68, 0.23, 0), (-0.68, 0.23, 0), (0.77, 0.22, 0), (-0.77, 0.22, 0)),
    ]
)  # metres, y up, SMPL joint order
OCTAHEDRON = 0.09 * np.array([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
OCTAHEDRON_FACES = np.array(
    [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4), (1, 0, 5), (2, 1, 5), (3, 2, 5), (0, 3, 5)]
)  # counter-clockwise from outside


@dataclass(frozen=True)
class StickBody:
    """An octahedron at every SMPL joint; the first shape number makes the body 10 % larger."""

    @property
    def structure(self) -> SimpleNamespace:
        return SimpleNamespace(name="stick", gender="neutral")

    @property
    def faces(self) -> np.ndarray:
        return np.concatenate([OCTAHEDRON_FACES + 6 * joint for joint in range(24)])

    def joints(self, pose: Any, betas: Any, trans: Any, joint_set: str) -> Any:
        import torch

        places, _ = self._placed(pose, betas, trans)
        chosen = {"smpl24": list(range(24)), "coco17": list(COCO_FROM_SMPL)}[joint_set]
        return torch.from_numpy(places[:, chosen].astype(np.float32))

    def vertices(self, pose: Any, betas: Any, trans: Any) -> Any:
        import torch

        places, turns = self._placed(pose, betas, trans)
        corners = places[:, :, None] + np.einsum("rjab,kb->rjka", turns, OCTAHEDRON)
        return torch.from_numpy(corners.reshape(len(places), -1, 3).astype(np.float32))

    def _placed(self, pose: Any, betas: Any, trans: Any) -> tuple[np.ndarray, np.ndarray]:
        pose, betas, trans = (np.asarray(part, np.float64) for part in (pose, betas, trans))
        rest = REST * (1 + 0.1 * betas[:, :1, None])
        local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
        turns, places = np.empty_like(local), np.empty_like(rest)
        for joint, parent in enumerate(PARENTS):
            if parent < 0:
                turns[:, joint], places[:, joint] = local[:, joint], rest[:, joint] + trans
            else:
                bone = rest[:, joint] - rest[:, parent]
                turns[:, joint] = turns[:, parent] @ local[:, joint]
                places[:, joint] = places[:, parent] + (turns[:, parent] @ bone[..., None])[..., 0]
        return places, turns


@pytest.fixture
def stick_body() -> StickBody:
    return StickBody()


MakeTrack = Callable[..., MotionTrack]


@pytest.fixture
def make_track(stick_body: StickBody) -> MakeTrack:
    """Return a maker of tracks: an upright body 5 m away whose joints all turn, keypoints on its joints."""

    def make(
        time_s: np.ndarray,
        *,
        track_id: int = 1,
        frame_index: np.ndarray | None = None,
        shift_m: tuple[float, float, float] = (0.0, 0.0, 5.0),
        speed_mps: tuple[float, float, float] = (0.3, 0.0, -0.1),
        seed: int = 0,
        **changes: Any,
    ) -> MotionTrack:
        frames = len(time_s)
        generator = np.random.default_rng(seed)
        pose = generator.normal(0, 0.25, (24, 3)) + time_s[:, None, None] * generator.normal(0, 0.4, (24, 3))
        upright = Rotation.from_rotvec([np.pi, 0, 0])  # the template's y points up, the camera's down
        pose[:, 0] = (upright * Rotation.from_rotvec(np.outer(0.5 * time_s, (0, 1, 0)))).as_rotvec()
        betas = generator.normal(0, 1, 10).astype(np.float32)
        trans = np.array(shift_m) + time_s[:, None] * np.array(speed_mps)
        focal, principal = np.full(frames, 500.0, np.float32), np.tile(np.float32([320, 180]), (frames, 1))
        joints = stick_body.joints(pose, np.tile(betas, (frames, 1)), trans, joint_set="coco17").numpy()
        pixels = 500.0 * joints[..., :2] / joints[..., 2:] + principal[:, None]
        fields: dict[str, Any] = {
            "track_id": track_id,
            "frame_index": np.arange(frames) if frame_index is None else frame_index,
            "time_s": time_s.astype(np.float64),
            "pose": pose.astype(np.float32),
            "betas": betas,
            "trans": trans.astype(np.float32),
            "joint_confidence": np.tile(np.linspace(0, 1, 24, dtype=np.float32), (frames, 1)),
            "is_observed": np.ones(frames, bool),
            "is_refined": np.zeros(frames, bool),
            "boxes_xyxy": np.concatenate([pixels.min(1), pixels.max(1)], axis=-1).astype(np.float32),
            "keypoints": np.concatenate([pixels, np.full((frames, 17, 1), 0.9)], axis=-1).astype(np.float32),
            "focal_px": focal,
            "principal_px": principal,
        }
        return MotionTrack(**(fields | changes))

    return make


@pytest.fixture
def of_rig() -> Callable[[MotionTrack, np.ndarray], MotionTrack]:
    """Return what makes a track one that several cameras (T, C) saw, and thus no single one."""

    def convert(track: MotionTrack, seen_by: np.ndarray) -> MotionTrack:
        kept = {name: getattr(track, name) for name in MotionTrack.__dataclass_fields__ if name not in OF_CAMERA}
        return MotionTrack(**kept | {"seen_by": seen_by, "is_observed": seen_by.any(axis=1)})

    return convert
