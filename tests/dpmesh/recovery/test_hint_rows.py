"""Rows of hints in a file, and where the lift takes the same joints to be."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from configs.errors import InputError
from dpmesh.body import load_body
from dpmesh.body.model import BodyModel
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.recovery import hint_rows
from dpmesh.recovery.hint_rows import HintRows, lifted_places


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body()


@pytest.fixture(scope="module")
def network() -> DPMesh:
    torch.manual_seed(0)
    network = DPMesh(**NetworkConfig(TINY_BACKBONE, TINY_REGRESSOR).to_mappings())
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.05)
    return network.eval()


def rows_of(count: int, shift_px: float = 0.0, scale: float = 1.0) -> HintRows:
    rng = np.random.default_rng(1)
    places = scale * rng.uniform(50, 150, (count, 17, 2)) + shift_px
    keypoints = np.concatenate([places, np.full((count, 17, 1), 0.9)], axis=-1).astype(np.float32)
    boxes = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1).astype(np.float32)
    hints = rng.normal(size=(2, count, 12, 4)).astype(np.float32)
    return HintRows(np.zeros(count, np.int64), np.arange(count), boxes, keypoints, *hints)


@pytest.mark.parametrize("count", [0, 3])
def test_rows_come_back_from_their_file(count: int, tmp_path: Path) -> None:
    rows = rows_of(count)
    rows.write(tmp_path / "hints.npz")
    found = HintRows.read(tmp_path / "hints.npz")
    for field in fields(HintRows):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(rows, field.name))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut", None])
def test_another_file_is_refused_with_the_command_that_makes_one(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "hints.npz"
    if content is None:
        np.savez(path, clip=np.zeros(1))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"hints\.npz: not what `dpmesh-video data hints` wrote"):
        HintRows.read(path)


def test_the_lift_says_the_same_of_people_alone_and_together(
    network: DPMesh, body: BodyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lifted_places(network, body, rows_of(5))
    monkeypatch.setattr(hint_rows, "ROWS", 2)
    parts = lifted_places(network, body, rows_of(5))
    assert whole.shape == (5, 12, 3) and float(whole.std(dim=0).max()) > 1e-3
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-5)
    assert lifted_places(network, body, rows_of(0)).shape == (0, 12, 3)


def test_where_and_how_large_a_person_is_in_the_image_does_not_matter_to_the_lift(
    network: DPMesh, body: BodyModel
) -> None:
    wanted = lifted_places(network, body, rows_of(4))
    found = lifted_places(network, body, rows_of(4, shift_px=300.0, scale=2.0))
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)
