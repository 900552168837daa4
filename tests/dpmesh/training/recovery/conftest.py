"""Crops whose truth is consistent but whose pictures are noise."""

from pathlib import Path

import pytest
import torch

from dpmesh.body.model import BodyModel
from dpmesh.geometry.camera import project, ray_rotation
from dpmesh.training.crops import Crops
from dpmesh.training.shards import write_arrays

CROP_PX = 128


def make_batch(body: BodyModel, count: int, seed: int = 0) -> Crops:
    generator = torch.Generator().manual_seed(seed)
    pose = 0.2 * torch.randn(count, 24, 3, generator=generator)
    pose[:, 0, 0] += torch.pi  # upright before a camera whose y points down
    betas = torch.randn(count, 10, generator=generator)
    trans = torch.rand(count, 3, generator=generator) * 2 + torch.tensor([-1.0, -1.0, 4.0])
    focal = 800 + 400 * torch.rand(count, generator=generator)
    size = torch.tensor([1280.0, 720.0]).expand(count, 2)
    joints = body.joints(pose, betas, trans, joint_set="dpmesh30")
    pixels = project(joints, focal, size / 2)
    low, high = pixels.amin(1), pixels.amax(1)
    centre, side = (low + high) / 2, 1.2 * (high - low).amax(1)
    return Crops(
        image=torch.randint(0, 256, (count, 3, CROP_PX, CROP_PX), dtype=torch.uint8, generator=generator),
        pose=pose,
        betas=betas,
        trans=trans,
        camera_from_crop=ray_rotation(centre, focal, size / 2),
        focal_px=focal,
        principal_px=size / 2,
        box_centre_px=centre,
        box_px=side,
        image_size=size,
        joints30_px=(pixels - centre[:, None]) * (CROP_PX / side)[:, None, None] + CROP_PX / 2,
        joints30_cam=joints,
        visible30=torch.full((count, 30), 2, dtype=torch.uint8),
        neighbour_joints17_px=torch.full((count, 4, 17, 2), torch.nan),
        hidden_share=torch.zeros(count),
    )


@pytest.fixture(scope="session")
def crop_batch(body: BodyModel) -> Crops:
    return make_batch(body, 6)


@pytest.fixture
def crop_folder(body: BodyModel, tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    for shard in range(2):
        write_arrays(folder / f"crops_{shard:07d}.npz", make_batch(body, 8, seed=shard))
    return folder
