"""Imported networks are loaded strictly."""

import json
from pathlib import Path

import pytest
import torch

from configs.errors import WeightsError
from trackers.imported.graph import GraphNetwork
from trackers.imported.load import load_graph

OPERATION = {
    "kind": "conv", "channels": [3, 2], "kernel": [1, 1], "stride": [1, 1], "groups": 1, "inputs": ["x"], "output": "y"
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    GraphNetwork([OPERATION], ["x"], {"y": "y"}).half().save_pretrained(tmp_path / "network")
    return tmp_path / "network"


@torch.inference_mode()
def test_a_stored_network_computes_in_float32_what_it_did(folder: Path) -> None:
    torch.manual_seed(0)
    kept = GraphNetwork([OPERATION], ["x"], {"y": "y"})
    image = torch.rand(1, 3, 4, 4)
    found = load_graph(folder)(image)["y"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, kept(image)["y"], atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", ["config.json", "diffusion_pytorch_model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name):
        load_graph(folder)


@pytest.mark.parametrize("channels", [[3, 4], [3, 10**9]])
def test_weights_of_another_shape_are_refused_before_they_take_memory(folder: Path, channels: list[int]) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["operations"][0]["channels"] = channels
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="not an imported network"):
        load_graph(folder)
