"""A network of the release's layout and tiny widths, and checkpoints of it in the authors' file layout."""

import copy
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dpmesh.network.config import BackboneConfig, NetworkConfig, RegressorConfig
from dpmesh.network.model import DPMesh
from dpmesh.weights.official_names import ALIASES, official_name, official_shape


def tiny_release() -> NetworkConfig:
    """Return the release's configuration with every width as small as it can be."""
    return NetworkConfig(
        BackboneConfig(
            vae_channels=(8, 8, 8, 8), vae_groups=4, unet_channels=(16, 16, 16, 16), unet_groups=4, unet_heads=2,
            control_channels=(16, 16, 16, 16), context_dim=8, lora_rank=4, fused_channels=32,
        ),
        RegressorConfig(width=32, heads=2, ffn=16, refine_ffn=16, refine_heads=2),
    )  # fmt: skip


@pytest.fixture
def config() -> NetworkConfig:
    return tiny_release()


@pytest.fixture(scope="session")
def built() -> DPMesh:
    torch.manual_seed(0)
    network = DPMesh(**tiny_release().to_mappings()).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture
def network(built: DPMesh) -> DPMesh:
    """Return a network in which everything, LoRA and zero convolutions included, has an effect."""
    return copy.deepcopy(built)


@pytest.fixture
def official(built: DPMesh, config: NetworkConfig) -> "OrderedDict[str, Tensor]":
    """Return the state dict that the authors' code would save of `network`, with all that belongs to it."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for ours, tensor in built.state_dict().items():
        state[official_name(ours, config)] = tensor.reshape(official_shape(ours, tuple(tensor.shape))).clone()
    sd_model = "backbone.sd_model."
    state[sd_model + "betas"] = torch.linspace(0, 1, 1000)
    state[sd_model + "cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    state[sd_model + "model.diffusion_model.out.2.weight"] = torch.randn(4, 16, 3, 3)
    state[sd_model + "first_stage_model.post_quant_conv.bias"] = torch.randn(4)
    state["vposer.vposer.bodyprior_enc_bn1.num_batches_tracked"] = torch.tensor(3)
    state["human_model_layer.th_v_template"] = torch.randn(1, 6890, 3)
    state["pos_embed_1d.pos_table"] = torch.randn(512, 32)
    for alias, prefix in ALIASES.items():
        for name in [name for name in state if name.startswith(prefix)]:
            state[alias + name.removeprefix(prefix)] = state[name]
    return OrderedDict((f"module.{name}", tensor) for name, tensor in state.items())


@pytest.fixture
def checkpoint(official: "OrderedDict[str, Tensor]", tmp_path: Path) -> Path:
    path = tmp_path / "3dpw_best_ckpt.pth.tar"
    torch.save(official, path)
    return path


@pytest.fixture
def rows() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a crop, its joints, their mask and the focal length."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 3, 256, 256, generator=generator)
    return image, 32 * torch.rand(1, 30, 2, generator=generator), torch.ones(1, 30, 1), torch.full((1,), 500.0)
