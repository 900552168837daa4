"""A cache of each test's own, and VPoser's files as they are downloaded."""

from pathlib import Path

import pytest
import torch
from torch import Tensor


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty folder that stands for the user's cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(folder))
    return folder


@pytest.fixture
def vposer_state() -> dict[str, Tensor]:
    """Return tensors in the layout of VPoser v1, encoder and all."""
    generator = torch.Generator().manual_seed(7)
    shapes = {"fc1": (512, 32), "fc2": (512, 512), "out": (126, 512)}
    state = {}
    for layer, shape in shapes.items():
        state[f"bodyprior_dec_{layer}.weight"] = torch.randn(shape, generator=generator) / shape[1] ** 0.5
        state[f"bodyprior_dec_{layer}.bias"] = torch.randn(shape[0], generator=generator)
    state["bodyprior_enc_fc1.weight"] = torch.randn(512, 63, generator=generator)
    state["bodyprior_enc_bn1.num_batches_tracked"] = torch.tensor(5)
    return state


@pytest.fixture
def vposer_folder(vposer_state: dict[str, Tensor], tmp_path: Path) -> Path:
    """Return a folder as the download unpacks to, its weights in PyTorch's format of 2019."""
    folder = tmp_path / "vposer_v1_0"
    (folder / "snapshots").mkdir(parents=True)
    torch.save(vposer_state, folder / "snapshots" / "TR00_E096.pt", _use_new_zipfile_serialization=False)
    return folder
