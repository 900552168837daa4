import json
from pathlib import Path

import pytest
import torch

from dpmesh.network.config import RELEASE
from dpmesh.network.model import DPMesh
from dpmesh.weights.official_names import UNUSED, canonical_name, official_name, official_shape, own_names


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in DPMesh.from_preset("release").state_dict().items()}


def test_every_name_comes_back(shapes: dict[str, tuple[int, ...]]) -> None:
    assert list(own_names(shapes, RELEASE).values()) == list(shapes)


def test_names_and_shapes_are_those_of_a_real_checkpoint(shapes: dict[str, tuple[int, ...]], test_data: Path) -> None:
    stored = json.loads((test_data / "golden/dpmesh/checkpoint_keys_real.json").read_text())["keys"]
    real = {
        entry["key"].removeprefix("module."): tuple(entry["shape"])
        for entry in stored
        if "alias_of" not in entry and not UNUSED.match(canonical_name(entry["key"]))
    }
    assert {official_name(name, RELEASE): official_shape(name, shape) for name, shape in shapes.items()} == real


def test_names_of_other_networks_are_refused() -> None:
    for name in ("joint_lift.joints.weight", "backbone.keypoint_maps.trust", "backbone.unet.conv_out.weight"):
        with pytest.raises(KeyError):
            official_name(name, RELEASE)


def test_prefixes_of_parallel_training_and_aliases_do_not_matter() -> None:
    name = "module.backbone.unet.unet.first_stage_model.encoder.conv_in.weight"
    assert canonical_name(name) == "backbone.sd_model.first_stage_model.encoder.conv_in.weight"
    assert canonical_name("module.backbone.encoder_vq.encoder.conv_in.weight") == canonical_name(name)
