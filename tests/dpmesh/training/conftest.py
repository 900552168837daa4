"""A studio before noise: the open body, a few bends, two backgrounds; and crops whose pictures are noise."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dpmesh.body import load_body
from dpmesh.body.model import BodyModel
from dpmesh.geometry.camera import project, ray_rotation
from dpmesh.training.engine.shards import write_arrays
from dpmesh.training.people.crops import Crops
from dpmesh.training.people.population import Studio

CROP_PX = 128


class Bends:
    """A few bends around standing."""

    def sample(self, rng: np.random.Generator, count: int, split: str) -> np.ndarray:
        return rng.normal(0, 0.15, (count, 24, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return load_body(device="cpu")


@pytest.fixture(scope="session")
def studio(body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("backgrounds")
    rng = np.random.default_rng(0)
    paths = [folder / "0.png", folder / "1.png"]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    return Studio(body, Bends(), paths, "train")


def make_batch(body: BodyModel, count: int, seed: int = 0) -> Crops:
    """Return crops whose truth is consistent."""
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


@pytest.fixture(scope="session")
def many_crops(body: BodyModel) -> Crops:
    """200 crops in which every left wrist is hidden."""
    crops = make_batch(body, 200)
    crops.visible30[:, 20] = 1
    return crops


@pytest.fixture
def crop_folder(body: BodyModel, tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    for shard in range(2):
        write_arrays(folder / f"crops_{shard:07d}.npz", make_batch(body, 8, seed=shard))
    return folder
