"""Stable Diffusion and a ControlNet, as the diffusers classes make and save them, in a network's U-Net, control branch
and encoder. Tiny widths, random weights."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn

from configs.errors import WeightsError
from dpmesh.network.config import PRESETS, BackboneConfig, NetworkConfig, RegressorConfig
from dpmesh.network.model import DPMesh
from dpmesh.network.unet import block_types
from dpmesh.training.commands.train_recovery import main as train_recovery
from dpmesh.training.recovery.start_points import start_from_stable_diffusion
from dpmesh.weights.official_names import official_name, official_shape

CONFIG = NetworkConfig(
    BackboneConfig(
        vae_channels=(8, 8, 8, 8), vae_groups=4, unet_channels=(16, 16, 16, 16), unet_groups=4, unet_heads=2,
        control_channels=(16, 16, 16, 16), context_dim=8, lora_rank=4, fused_channels=32,
    ),
    RegressorConfig(width=32, heads=2, ffn=16, refine_ffn=16, refine_heads=2),
)  # fmt: skip
CORNER = {"block_out_channels": (16,) * 4, "norm_num_groups": 4, "cross_attention_dim": 8, "attention_head_dim": 2}
DOWN = block_types(CONFIG.backbone.unet_attention, "Down")


def shaken(module: Any) -> Any:
    """Return a module in which no weight is zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


@pytest.fixture
def parts() -> dict[str, Any]:
    torch.manual_seed(0)
    up = block_types(CONFIG.backbone.unet_attention[::-1], "Up")
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4, layers_per_block=2, norm_num_groups=4, latent_channels=4,
    )  # fmt: skip
    return {
        "unet": shaken(UNet2DConditionModel(down_block_types=DOWN, up_block_types=up, **CORNER)),
        "vae": shaken(vae),
        "control": shaken(
            ControlNetModel(down_block_types=DOWN, conditioning_embedding_out_channels=(4, 4, 4, 4), **CORNER)
        ),
    }


def save(parts: dict[str, Any], folder: Path, *, is_safe: bool = True) -> tuple[Path, Path]:
    for name, inner in (("unet", "sd/unet"), ("vae", "sd/vae"), ("control", "openpose")):
        parts[name].save_pretrained(folder / inner, safe_serialization=is_safe)
    return folder / "sd", folder / "openpose"


def network(lora_rank: int = 4) -> DPMesh:
    torch.manual_seed(1)
    config = replace(CONFIG, backbone=replace(CONFIG.backbone, lora_rank=lora_rank))
    return DPMesh(**config.to_mappings()).eval()


@pytest.mark.parametrize("is_safe", [True, False])
@pytest.mark.parametrize("lora_rank", [0, 4])
def test_parts_compute_what_the_pretrained_ones_do(
    parts: dict[str, Any], tmp_path: Path, is_safe: bool, lora_rank: int
) -> None:
    made = network(lora_rank)
    report = start_from_stable_diffusion(made, *save(parts, tmp_path, is_safe=is_safe))
    assert report.new_input_channels == 30
    image, joints, context = torch.rand(1, 3, 256, 256), 32 * torch.rand(1, 30, 2), torch.randn(1, 30, 8)
    conditioning = torch.zeros(1, 3, 256, 256)
    nn.init.zeros_(parts["control"].controlnet_cond_embedding.conv_out.weight)
    nn.init.zeros_(parts["control"].controlnet_cond_embedding.conv_out.bias)
    with torch.no_grad():
        inside = made.backbone(image, joints, torch.ones(1, 30, 1))
        assert torch.allclose(inside.latents, parts["vae"].encode(image).latent_dist.mean, atol=1e-5)
        found = made.backbone.control(inside.latents, inside.heatmaps, context)
        down, middle = parts["control"](inside.latents, torch.tensor(1), context, conditioning, return_dict=False)
        for mine, theirs in zip(found, [*down, middle], strict=True):
            assert torch.allclose(mine, theirs, atol=1e-4, rtol=1e-4)
    state = {n.replace(".base_layer.", "."): t for n, t in made.backbone.unet.state_dict().items() if "lora_" not in n}
    assert all(torch.equal(tensor, parts["unet"].state_dict()[name]) for name, tensor in state.items())


def test_heat_maps_start_without_effect_and_get_gradients(parts: dict[str, Any], tmp_path: Path) -> None:
    made = network()
    start_from_stable_diffusion(made, *save(parts, tmp_path))
    weight = made.backbone.control.net.conv_in.weight
    assert weight.shape[1] == 34 and not weight[:, 4:].any()
    assert torch.equal(weight[:, :4], parts["control"].conv_in.weight)
    latents, context = torch.randn(1, 4, 32, 32), torch.randn(1, 30, 8)
    outputs = made.backbone.control(latents, torch.rand(1, 30, 32, 32), context)
    sum(output.square().mean() for output in outputs).backward()  # type: ignore[union-attr]
    assert weight.grad is not None and bool(weight.grad[:, 4:].any())


def test_layers_of_the_vae_are_found_under_their_old_names(parts: dict[str, Any], tmp_path: Path) -> None:
    diffusion, control = save(parts, tmp_path, is_safe=False)
    path = diffusion / "vae/diffusion_pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    renamed = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in state.items():
        for new, previous in renamed.items():
            if ".attentions.0." in name:
                name = name.replace(f".{new}.", f".{previous}.")
        old[name] = tensor
    assert old.keys() != state.keys()
    torch.save(old, path)
    made = network()
    start_from_stable_diffusion(made, diffusion, control)
    layer = made.backbone.latents.encoder.mid_block.attentions[0].to_q.weight
    assert torch.equal(layer, parts["vae"].encoder.mid_block.attentions[0].to_q.weight)


def single_file(source: DPMesh) -> dict[str, Tensor]:
    """Return the state of `source` under the names of `control_sd15_openpose.pth`, with four input channels."""
    state = {}
    for ours, tensor in source.state_dict().items():
        if ours.startswith(("backbone.unet.", "backbone.control.", "backbone.latents.")) and "lora_" not in ours:
            official = official_name(ours.replace(".base_layer.", "."), CONFIG).removeprefix("backbone.sd_model.")
            state[official] = tensor.reshape(official_shape(ours, tuple(tensor.shape)))
    name = "control_model.input_blocks.0.0.weight"
    state[name] = state[name][:, :4].clone()
    extra = [
        *("betas", "cond_stage_model.transformer.x", "first_stage_model.decoder.conv_in.weight", "logvar"),
        *("control_model.input_hint_block.0.weight", "model.diffusion_model.out.0.bias", "model_ema.num_updates"),
    ]
    return state | {name: torch.ones(3) for name in extra}


@pytest.mark.parametrize(
    ("wrapper", "is_split"),
    [
        ("state_dict", True),
        pytest.param(None, False, marks=pytest.mark.slow),
        pytest.param(None, True, marks=pytest.mark.slow),
        pytest.param("state_dict", False, marks=pytest.mark.slow),
    ],
)
def test_the_original_single_files_fill_the_same_parts(tmp_path: Path, is_split: bool, wrapper: str | None) -> None:
    source = shaken(network())
    state = single_file(source)
    control = {name: tensor for name, tensor in state.items() if name.startswith("control_model.")}
    rest = {name: tensor for name, tensor in state.items() if name not in control} if is_split else state
    torch.save(rest if wrapper is None else {wrapper: rest}, tmp_path / "sd.pth")
    torch.save(control, tmp_path / "control.pth")
    made = network()
    if is_split:
        with pytest.raises(WeightsError, match="holds no control branch; give a ControlNet"):
            start_from_stable_diffusion(made, tmp_path / "sd.pth")
    report = start_from_stable_diffusion(made, tmp_path / "sd.pth", tmp_path / "control.pth" if is_split else None)
    assert report.new_input_channels == 30
    for name, tensor in made.state_dict().items():
        if name.startswith(("backbone.unet.", "backbone.control.", "backbone.latents.")) and "lora_" not in name:
            wanted = source.state_dict()[name]
            if name.endswith("control.net.conv_in.weight"):
                tensor, wanted = tensor[:, :4], wanted[:, :4]
            assert torch.equal(tensor, wanted), name


def test_what_does_not_fit_is_named_and_the_network_stays(parts: dict[str, Any], tmp_path: Path) -> None:
    made = network()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    state = single_file(network())
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({"model.diffusion_model.more.weight": torch.ones(2)}, r"holds model\.diffusion_model\.more\.weight"),
        ({"model.diffusion_model.time_embed.0.bias": torch.ones(2)}, r"linear_1\.bias .*has shape \(2,\)"),
    ]
    for change, words in cases:
        torch.save(state | change, tmp_path / "sd.pth")
        with pytest.raises(WeightsError, match=words):
            start_from_stable_diffusion(made, tmp_path / "sd.pth")
    del state["first_stage_model.quant_conv.bias"]
    torch.save(state, tmp_path / "sd.pth")
    with pytest.raises(WeightsError, match=r"lacks backbone\.latents\.quant_conv\.bias"):
        start_from_stable_diffusion(made, tmp_path / "sd.pth")
    with pytest.raises(WeightsError, match=r"has no diffusion_pytorch_model.safetensors or"):
        start_from_stable_diffusion(made, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def test_the_command_starts_from_stable_diffusion_and_says_what_it_took(
    parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", CONFIG)
    diffusion, control = save(parts, tmp_path)

    def run(*more: str) -> int:
        words = ["--config", "tiny", "--output", str(tmp_path / "run"), "--stable-diffusion", str(diffusion)]
        monkeypatch.setattr(sys, "argv", ["recovery", *words, "--export", str(tmp_path / "out"), *more])
        return train_recovery()

    assert run() == 1
    assert "give a ControlNet (sd-controlnet-openpose) as well" in capsys.readouterr().err
    assert run("--controlnet", str(control), "--losses", "published") == 0
    assert "of the encoder's tensors taken over" in capsys.readouterr().out
    (written,) = (tmp_path / "out").glob("*.safetensors")
    wanted = parts["unet"].state_dict()["conv_in.weight"].half()
    assert torch.equal(load_file(written)["backbone.unet.conv_in.weight"], wanted)
