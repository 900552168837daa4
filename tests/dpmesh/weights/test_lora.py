import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import PeftModel
from torch import Tensor

from configs.errors import WeightsError
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.network.unet import block_types
from dpmesh.weights.lora import adapter_tensors, add_adapter, merge_lora, read_adapter, write_adapter
from dpmesh.weights.official_names import official_name

Rows = tuple[Tensor, Tensor, Tensor, Tensor]


def pose_and_camera(network: DPMesh, rows: Rows) -> list[Tensor]:
    with torch.no_grad():
        output = network(*rows)
    return [output.pose, output.betas, output.camera_raw, output.feature]


def test_merging_changes_nothing_but_the_layers(network: DPMesh, rows: Rows) -> None:
    wanted = pose_and_camera(network, rows)
    merged = merge_lora(network)
    for found, tensor in zip(pose_and_camera(merged, rows), wanted, strict=True):
        assert float((found - tensor).abs().max()) <= 1e-5 * float(tensor.abs().max())
    assert not adapter_tensors(merged)
    assert merged.settings.backbone.lora_rank == 0


def test_lora_has_an_effect(network: DPMesh, rows: Rows) -> None:
    wanted = pose_and_camera(network, rows)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
    assert float((pose_and_camera(network, rows)[3] - wanted[3]).abs().max()) > 1e-3 * float(wanted[3].abs().max())


def test_a_merged_network_is_saved_and_read_as_such(network: DPMesh, tmp_path: Path) -> None:
    merged = merge_lora(network)
    merged.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["backbone_config"]["lora_rank"] == 0


def test_merging_a_network_without_lora_does_nothing(network: DPMesh) -> None:
    merged = merge_lora(network)
    assert merge_lora(merged) is merged


def test_the_adapter_is_one_that_peft_reads(network: DPMesh, config: NetworkConfig, tmp_path: Path) -> None:
    """A stock U-Net with the base weights and the adapter gives what the merged weights give."""
    write_adapter(tmp_path / "lora", adapter_tensors(network), config)
    assert {path.name for path in (tmp_path / "lora").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    unet = network.backbone.unet.state_dict()
    base = {n.replace(".base_layer.", "."): t.clone() for n, t in unet.items() if "lora_" not in n}
    merged = {n: t for n, t in merge_lora(network).backbone.unet.state_dict().items()}
    outputs = []
    for weights in (base, merged):
        backbone = config.backbone
        stock = UNet2DConditionModel(
            block_out_channels=backbone.unet_channels, norm_num_groups=4, cross_attention_dim=8, attention_head_dim=2,
            down_block_types=block_types(backbone.unet_attention, "Down"),
            up_block_types=block_types(backbone.unet_attention[::-1], "Up"),
        ).eval()  # fmt: skip
        torch.manual_seed(3)
        for name in ("conv_norm_out.weight", "conv_norm_out.bias", "conv_out.weight", "conv_out.bias"):
            weights[name] = torch.randn_like(stock.state_dict()[name])
        stock.load_state_dict(weights)
        model = PeftModel.from_pretrained(stock, str(tmp_path / "lora")) if weights is base else stock
        generator = torch.Generator().manual_seed(5)
        sample, context = torch.randn(1, 4, 32, 32, generator=generator), torch.randn(1, 30, 8, generator=generator)
        with torch.no_grad():
            outputs.append(model(sample, torch.tensor(1), context).sample)
    assert float((outputs[0] - outputs[1]).abs().max()) <= 1e-5 * float(outputs[1].abs().max())


def test_an_adapter_comes_back_whole(network: DPMesh, config: NetworkConfig, rows: Rows, tmp_path: Path) -> None:
    wanted = pose_and_camera(network, rows)
    tensors = {name: tensor.clone() for name, tensor in adapter_tensors(network).items()}
    write_adapter(tmp_path / "lora", tensors, config)
    read = read_adapter(tmp_path / "lora", network.settings)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    bare = {name: t for name, t in network.state_dict().items() if "lora_" not in name}
    plain = DPMesh(**replace(config, backbone=replace(config.backbone, lora_rank=0)).to_mappings()).eval()
    plain.load_state_dict({name.replace(".base_layer.", "."): tensor for name, tensor in bare.items()})
    grown = add_adapter(plain, tmp_path / "lora")
    trained = {name for name, parameter in grown.backbone.unet.named_parameters() if parameter.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    for found, tensor in zip(pose_and_camera(grown, rows), wanted, strict=True):
        assert torch.allclose(found, tensor, atol=1e-6)
    with pytest.raises(WeightsError, match="has LoRA layers already"):
        add_adapter(grown, tmp_path / "lora")


def test_official_names_of_lora_tensors(network: DPMesh, config: NetworkConfig) -> None:
    names = {official_name(name, config).rpartition(".lora_")[2] for name in adapter_tensors(network)}
    assert names == {"down.weight", "up.weight"}


def test_an_adapter_of_another_network_is_refused(network: DPMesh, config: NetworkConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no adapter_config.json"):
        read_adapter(tmp_path, config)
    write_adapter(tmp_path / "lora", adapter_tensors(network), config)
    wider = replace(config, backbone=replace(config.backbone, unet_channels=(16, 32, 32, 32)))
    with pytest.raises(WeightsError, match=r"has shape .*; the adapter is of another network"):
        read_adapter(tmp_path / "lora", wider)
    settings = json.loads((tmp_path / "lora/adapter_config.json").read_text())
    (tmp_path / "lora/adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 8}))
    with pytest.raises(WeightsError, match="is no plain LoRA adapter of scale 1"):
        read_adapter(tmp_path / "lora", config)
    (tmp_path / "lora/adapter_config.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot be read as a peft adapter"):
        read_adapter(tmp_path / "lora", config)
