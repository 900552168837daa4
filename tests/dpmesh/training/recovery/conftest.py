"""Crops whose truth is consistent but whose pictures are noise."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dpmesh.body import load_body
from dpmesh.geometry.camera import ray_rotation
from dpmesh.training.recovery.crops import CropBatch

CROP_PX = 128


def make_batch(count: int, seed: int = 0) -> CropBatch:
    rng = np.random.default_rng(seed)
    body = load_body(None)
    pose = rng.normal(0, 0.2, (count, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)  # upright before a camera whose y points down
    betas = rng.normal(size=(count, 10)).astype(np.float32)
    trans = rng.uniform((-1, -1, 4), (1, 1, 6), (count, 3)).astype(np.float32)
    focal = rng.uniform(800, 1200, count).astype(np.float32)
    principal = np.tile(np.array([640, 360], np.float32), (count, 1))
    joints = body.joints(*(torch.from_numpy(a) for a in (pose, betas, trans)), joint_set="dpmesh30").numpy()
    pixels = focal[:, None, None] * joints[..., :2] / joints[..., 2:] + principal[:, None]
    low, high = pixels.min(1), pixels.max(1)
    centre, side = ((low + high) / 2).astype(np.float32), (1.2 * (high - low).max(1)).astype(np.float32)
    turn = ray_rotation(*(torch.from_numpy(a) for a in (centre, focal, principal))).numpy()
    return CropBatch(
        image=rng.integers(0, 255, (count, CROP_PX, CROP_PX, 3), dtype=np.uint8),
        pose=pose,
        betas=betas,
        camera_from_crop=turn,
        focal_px=focal,
        principal_px=principal,
        box_centre_px=centre,
        box_px=side,
        joints30_px=((pixels - centre[:, None]) * (CROP_PX / side)[:, None, None] + CROP_PX / 2).astype(np.float32),
        joints30_cam=joints,
        visible30=np.full((count, 30), 2, np.uint8),
        neighbour_joints17_px=np.full((count, 4, 17, 2), np.nan, np.float32),
        detected17=np.full((count, 17, 3), np.nan, np.float32),
    )


@pytest.fixture(scope="session")
def crop_batch() -> CropBatch:
    return make_batch(6)


@pytest.fixture
def crop_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    for shard in range(2):
        batch = make_batch(8, seed=shard)
        np.savez(
            folder / f"crops_{shard:07d}.npz",
            **{name: getattr(batch, name) for name in batch.__slots__ if name != "detected17"},
        )
    return folder
