"""Configurations: what they say of themselves, and that all three build."""

from dataclasses import replace

import pytest
import torch

from dpmesh.network.config import COMPACT, PRESETS, RELEASE, BackboneConfig, NetworkConfig, preset
from dpmesh.network.model import DPMesh


@pytest.mark.parametrize("name", PRESETS)
def test_configuration_survives_its_mappings(name: str) -> None:
    stored = preset(name).to_mappings()
    as_json = {part: {k: list(v) if isinstance(v, tuple) else v for k, v in f.items()} for part, f in stored.items()}
    assert NetworkConfig.from_mappings(as_json["backbone_config"], as_json["regressor_config"]) == preset(name)


@pytest.mark.parametrize(("name", "millions"), [("release", 1302.9), ("paper", 1320.1), ("compact", 13.699)])
def test_configuration_builds_with_its_size(name: str, millions: float) -> None:
    with torch.device("meta"):
        network = DPMesh.from_preset(name)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.001)


def test_release_trains_only_what_lora_and_the_control_branch_leave() -> None:
    with torch.device("meta"):
        network = DPMesh.from_preset("release")
    unet = {name for name, p in network.backbone.unet.named_parameters() if p.requires_grad}
    assert len(unet) == 2 * 144 and all("lora_" in name for name in unet)
    assert not any(p.requires_grad for p in network.backbone.latents.parameters())
    assert all(p.requires_grad for p in network.backbone.control.parameters())


def test_there_is_no_decoder_and_no_output_head() -> None:
    with torch.device("meta"):
        names = dict(DPMesh.from_preset("release").named_parameters())
    assert not [name for name in names if ".decoder." in name and name.startswith("backbone.")]
    assert not [name for name in names if name.startswith(("backbone.unet.conv_out", "backbone.unet.conv_norm_out"))]


def test_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="BackboneConfig does not know wings"):
        NetworkConfig.from_mappings({"wings": 2}, {})


def test_unknown_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="'huge'; choose from release, paper, compact"):
        preset("huge")


def test_crop_that_does_not_give_the_latent_size_is_refused() -> None:
    with pytest.raises(ValueError, match="set image_px to 256"):
        BackboneConfig(image_px=128)


def test_levels_without_attention_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="must attend to the joints"):
        replace(COMPACT.backbone, unet_attention=(False, False, True, False))


def test_unknown_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt is 'poem'; choose from linear, mlp"):
        replace(RELEASE.backbone, prompt="poem")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unet_layers": 10**6}, "unet_layers is 1000000, expected a whole number from 1 to 256"),
        ({"unet_channels": [-1, 2, 3, 4]}, "unet_channels is -1"),
        ({"vae_channels": []}, "vae_channels is"),
        ({"unet_heads": 0}, "unet_heads is 0"),
        ({"context_dim": "64"}, "context_dim is 64"),
        ({"vae_frozen": 1}, "vae_frozen is '1', expected true or false"),
        ({"joint_drop": float("nan")}, "joint_drop is nan"),
        ({"timestep": 1000}, "timestep 1000"),
    ],
)
def test_a_value_of_another_type_or_range_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig.from_mappings(COMPACT.to_mappings()["backbone_config"] | changes, {})
