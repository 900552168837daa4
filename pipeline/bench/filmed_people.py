"""People who walk about a room, as several cameras round it see them; the world's z points up, metres."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from dpmesh.body import BodyModel
from dpmesh.keypoints import smpl24_confidence
from pipeline.capture import Camera
from pipeline.motion.posing import joint_positions, pelvis_of
from pipeline.motion.world import WORLD_FROM_CAM, move_root
from pipeline.types import Observations

SIZE, FOCAL_PX = (1280, 960), 1000.0


def cameras_round(count: int, radius_m: float = 4.0) -> list[Camera]:
    """Return cameras at head height that look at the middle of the room."""
    cameras = []
    for number in range(count):
        angle = 2 * np.pi * number / count + 0.2
        centre = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), 1.7 + 0.1 * number])
        forward = np.array([0.0, 0.0, 1.0]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        matrix = np.array([[FOCAL_PX, 0, SIZE[0] / 2], [0, FOCAL_PX, SIZE[1] / 2], [0, 0, 1]])
        bent = np.array([-0.2, 0.08, 0.001, 0.0, 0.0])
        cameras.append(Camera(f"cam{number}", matrix, turn, -turn @ centre, bent, SIZE))
    return cameras


class Walkers:
    """People who cross a room on straight paths, arms swinging.

    Args:
        later_frames: how much later everything is that a frame shows: so late did a camera start.
    """

    def __init__(self, body: BodyModel, count: int, frames: int, seed: int = 0, later_frames: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        self.body, self.frames = body, frames
        self.betas = rng.normal(0.0, 0.5, (count, 10)).astype(np.float32)
        time = np.linspace(-1.0, 1.0, frames) + 2.0 * later_frames / (frames - 1)
        self.pose = np.zeros((count, frames, 24, 3), np.float32)
        self.trans = np.zeros((count, frames, 3), np.float32)  # rig axes: x right, y down, z forward
        for who in range(count):
            heading = np.pi * who / count
            root = Rotation.from_euler("y", heading) * Rotation.from_euler("x", np.pi)
            self.pose[who, :, 0] = root.as_rotvec()
            self.pose[who, :, 16, 2], self.pose[who, :, 17, 2] = -1.2, 1.2
            self.pose[who, :, 16, 0] = 0.6 * np.sin(6 * time + who)
            self.pose[who, :, 17, 0] = -self.pose[who, :, 16, 0]
            aside = 0.35 * (who - (count - 1) / 2)
            self.trans[who, :, 0] = 1.3 * time * np.sin(heading) + aside
            self.trans[who, :, 2] = 1.3 * time * np.cos(heading) - aside
            self.trans[who, :, 1] = -1.0

    def joints(self, who: int) -> np.ndarray:
        """Return the joints (T, 17, 3) of a person in the world."""
        found = joint_positions(self.body, self.pose[who], self.betas[who], self.trans[who], "coco17")
        return found @ WORLD_FROM_CAM[:3, :3].T

    def seen_by(
        self,
        camera: Camera,
        ids: Sequence[Sequence[int]],
        *,
        noise_px: float = 1.0,
        pose_noise: float = 0.0,
        seed: int = 0,
    ) -> Observations:
        """Return what a camera sees, each person's keypoints with errors.

        Args:
            ids: (P, T) the track of each person in each frame; 0 where they are not seen.
            pose_noise: radians by which every recovered joint is off.
        """
        rng = np.random.default_rng([seed, sum(map(ord, camera.name))])
        to_camera = np.eye(4)
        to_camera[:3, :3] = camera.rotation @ WORLD_FROM_CAM[:3, :3]
        to_camera[:3, 3] = camera.translation_m
        columns: list[tuple] = []
        for who in range(len(self.pose)):
            pelvis = pelvis_of(self.body, self.betas[who])
            root, trans = move_root(self.pose[who, :, 0], self.trans[who], pelvis, to_camera)
            pixels = camera.project(self.joints(who)) + rng.normal(0, noise_px, (self.frames, 17, 2))
            pose = self.pose[who].copy()
            pose[:, 0] = root
            off = Rotation.from_rotvec(rng.normal(0, pose_noise, (self.frames * 24, 3)))
            pose = (off * Rotation.from_rotvec(pose.reshape(-1, 3))).as_rotvec().reshape(self.frames, 24, 3)
            for frame in range(self.frames):
                if ids[who][frame]:
                    columns.append((frame, ids[who][frame], pixels[frame], pose[frame], self.betas[who], trans[frame]))
        columns.sort(key=lambda column: column[:2])
        seen = [np.array(values) for values in zip(*columns, strict=True)]
        frames, track, pixels, pose, betas, trans = seen
        shown = np.asarray(np.isfinite(pixels).all(axis=-1))
        keypoints = np.concatenate([np.where(shown[..., None], pixels, 0), 0.9 * shown[..., None]], axis=-1)
        count = len(frames)
        return Observations(
            frame_index=frames.astype(np.int64),
            time_s=frames / 30.0,
            track_id=track.astype(np.int64),
            boxes_xyxy=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1).astype(np.float32),
            scores=np.full(count, 0.9, np.float32),
            keypoints=keypoints.astype(np.float32),
            pose=pose.astype(np.float32),
            betas=betas.astype(np.float32),
            trans=trans.astype(np.float32),
            joint_confidence=smpl24_confidence(keypoints.astype(np.float32)),
            focal_px=np.full(count, camera.focal_px, np.float32),
            principal_px=np.tile(camera.matrix[:2, 2], (count, 1)).astype(np.float32),
        )
