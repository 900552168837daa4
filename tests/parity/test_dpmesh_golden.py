"""The network at release wiring against tensors that the published implementation produced from random weights."""

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from dpmesh.geometry.rotations import matrix_to_axis_angle
from dpmesh.network.attention_layers import sine_table
from dpmesh.network.config import RELEASE, NetworkConfig
from dpmesh.network.heads import rot6d_to_matrix
from dpmesh.network.model import DPMesh
from dpmesh.network.official_keys import canonical_name, convert, translate
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.network.unet import time_embedding

TOLERANCE = 2e-4
"""Of an output's standard deviation, as the golden data's README suggests; the reference itself spreads by 6e-5."""

BATCH_AXIS = {"dense/refine_3d_tokens": 1, "transformer/encoder_memory": 1, "transformer/hs": 2}


@dataclass(frozen=True)
class Golden:
    """Stored inputs and outputs, and what this network made of the same inputs and weights."""

    wanted: dict[str, Tensor]
    found: dict[str, Tensor]


def small_release() -> NetworkConfig:
    return NetworkConfig(
        replace(
            RELEASE.backbone,
            vae_channels=(32, 64, 64, 64),
            unet_channels=(32, 64, 64, 64),
            control_channels=(32, 64, 64, 64),
            context_dim=64,
            lora_rank=8,
            fused_channels=128,
        ),
        replace(RELEASE.regressor, ffn=128, refine_ffn=64),
    )


@pytest.fixture(scope="module")
def golden(test_data: Path) -> Golden:
    stored = load_file(test_data / "golden/dpmesh/dpmesh_small_seed0.safetensors")
    prefix = "state_dict/"
    official = {name.removeprefix(prefix): t.float() for name, t in stored.items() if name.startswith(prefix)}
    wanted = {name.removeprefix("out/"): t for name, t in stored.items() if name.startswith("out/")}
    config = small_release()
    model = DPMesh(**config.to_mappings()).eval()
    loaded = model.load_state_dict(convert(official, config), strict=False)
    assert not loaded.unexpected_keys
    assert all(name.startswith("pose_prior.") for name in loaded.missing_keys), loaded.missing_keys
    image, joints, mask = (stored[f"input/{name}"].float() for name in ("img", "joints", "joints_mask"))
    with torch.no_grad():
        found = run(model, image, joints[..., :2], mask, stored["input/focal"].expand(len(image)))
    return Golden(wanted, found)


def run(model: DPMesh, image: Tensor, joints: Tensor, mask: Tensor, focal: Tensor) -> dict[str, Tensor]:
    """Return what the network computes on the way, under the names of the stored tensors."""
    decoder_outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, output: decoder_outputs.append(output))
        for layer in model.transformer.decoder
    ]
    inside = model.backbone(image, joints, mask)
    fused = inside.features.fused
    volume = model.volume(fused)
    cascade = model.transformer(fused, model.volume, volume)
    for hook in hooks:
        hook.remove()
    output = model(image, joints, mask, focal)
    assert output.trans_m is not None
    found = {
        "heatmap_masked": inside.heatmaps,
        "context": inside.context,
        "latents": inside.latents,
        "unet/timesteps": torch.full((len(image),), model.settings.backbone.timestep),
        "unet/time_embed": time_embedding(model.backbone.unet, 1).expand(len(image), -1),
        "unet/middle_block_before_control": inside.down.middle,
        "attn/avg_8x8": inside.maps_8,
        "attn/avg_16x16": inside.maps_16,
        "outmodule_0": inside.features.fine,
        "outmodule_1": inside.features.middle,
        "outmodule_2": fused,
        "dense/refine_3d_tokens": volume.flatten(2).permute(2, 0, 1),
        "img_tokens_2d": output.feature_2d,
        "transformer/encoder_memory": cascade.memory.transpose(0, 1),
        "transformer/hs": cascade.body_tokens.transpose(1, 2),
        "transformer/joint_img": output.joint_img,
        "head/root_pose_6d": output.root_rot6d,
        "head/pose_code": output.pose_raw,
        "head/shape": output.betas,
        "head/cam": output.camera_raw,
        "head/root_axis_angle": matrix_to_axis_angle(rot6d_to_matrix(output.root_rot6d)),
        "head/cam_trans": output.trans_m,
    }
    found |= {f"control/residual_{i:02d}": t for i, t in enumerate(inside.control)}
    found |= {f"unet/input_block_{i:02d}": t for i, t in enumerate(inside.down.skips)}
    found |= {f"unet/out_block_{i:02d}": t for i, t in zip((1, 4, 7, 11), inside.up.taps, strict=True)}
    down = inside.down.maps[1] + inside.down.maps[2]
    up = inside.up.maps[2] + inside.up.maps[1]
    found |= {f"attn/down_cross_{i}": t for i, t in enumerate(down)}
    found |= {f"attn/up_cross_{i}": t for i, t in enumerate(up)}
    for i, t in enumerate(decoder_outputs):
        found[f"transformer/decoder_layer_{i}_before_norm"] = t.transpose(0, 1)
    return found


def golden_names() -> Iterator[str]:
    yield from ("heatmap_masked", "context", "latents")
    yield from (f"control/residual_{i:02d}" for i in range(13))
    yield from ("unet/timesteps", "unet/time_embed", "unet/middle_block_before_control")
    yield from (f"unet/input_block_{i:02d}" for i in range(12))
    yield from (f"unet/out_block_{i:02d}" for i in (1, 4, 7, 11))
    yield from (f"attn/down_cross_{i}" for i in range(4))
    yield from (f"attn/up_cross_{i}" for i in range(6))
    yield from ("attn/avg_8x8", "attn/avg_16x16", "outmodule_0", "outmodule_1", "outmodule_2")
    yield from ("dense/refine_3d_tokens", "img_tokens_2d", "transformer/encoder_memory")
    yield from (f"transformer/decoder_layer_{i}_before_norm" for i in range(4))
    yield from ("transformer/hs", "transformer/joint_img")
    yield from ("head/root_pose_6d", "head/pose_code", "head/shape", "head/cam")
    yield from ("head/root_axis_angle", "head/cam_trans")


def error(golden: Golden, name: str) -> float:
    """Return the largest difference of an output over the standard deviation of the published one."""
    wanted, found = golden.wanted[name].float(), golden.found[name].float()
    axis = next((axis for start, axis in BATCH_AXIS.items() if name.startswith(start)), 0)
    axis = 1 if name.startswith("transformer/decoder_layer") else axis
    found = found.narrow(axis, 0, wanted.shape[axis])  # some were stored for the first sample only
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.std().clamp_min(1e-6))


@pytest.mark.parametrize("name", golden_names())
def test_output_equals_the_published_one(golden: Golden, name: str) -> None:
    assert error(golden, name) <= TOLERANCE


def test_no_stored_output_of_the_network_is_left_out(golden: Golden) -> None:
    own = {name for name in golden.wanted if not name.startswith("standin/")}
    assert own == set(golden_names())


def recipe(name: str, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Return the weight that the golden data's README prescribes for an official name."""
    count = math.prod(shape)
    draw = np.random.RandomState(zlib.crc32(f"{seed}:{name}".encode())).random_sample(count).reshape(shape) * 2 - 1
    last = name.rpartition(".")[2]
    if name == "exponent":
        made = np.full(shape, 2.3125)
    elif name in ("spose_shape_cam_param", "query.weight", "transformer.smpl_tgt", "transformer.kp_tgt"):
        made = draw
    elif last in ("bias", "in_proj_bias"):
        made = draw * (0.25 if "joint_img_regress" in name else 0.1)
    elif len(shape) == 1:
        made = 1 + 0.25 * draw
    else:
        gain = next((gain for is_match, gain in GAINS if is_match(name)), 1.0)
        made = gain * math.sqrt(3 / math.prod(shape[1:])) * draw
    return torch.from_numpy(made.astype(np.float32))


GAINS = (
    (lambda name: name.startswith("kp_lifting"), 1.5),
    (lambda name: ".attn2.to_q.linear" in name or ".attn2.to_q.weight" in name, 2.0),
    (lambda name: "lora_up" in name, 0.75),
    (lambda name: "joint_img_regress" in name, 0.75),
    (lambda name: "cascade_cam_out" in name, 0.25),
    (lambda name: "zero_convs" in name or "middle_block_out" in name, 0.75),
)


@pytest.mark.slow
def test_full_size_network_equals_the_published_one(test_data: Path) -> None:
    """Needs 7 GB of memory and some minutes."""
    stored = load_file(test_data / "golden/dpmesh/dpmesh_realsize_recipe_seed0.safetensors")
    keys = json.loads((test_data / "golden/dpmesh/checkpoint_keys_real.json").read_text())["keys"]
    for name in (name for name in stored if name.startswith("weight_probe/")):
        entry = next(e for e in keys if e["key"] == "module." + name.removeprefix("weight_probe/"))
        made = recipe(name.removeprefix("weight_probe/"), tuple(entry["shape"])).flatten()[:16]
        assert torch.equal(made, stored[name])
    with torch.device("meta"):
        model = DPMesh.from_preset("release")
    empty = DPMesh(**small_release().to_mappings())
    model.to_empty(device="cpu")
    for part in ("volume", "transformer"):  # their tables are not stored and do not depend on the widths
        getattr(model, part).positions.copy_(getattr(empty, part).positions)
    own = model.state_dict()
    for entry in keys:
        name = canonical_name(entry["key"])
        ours = None if "alias_of" in entry or name.startswith("vposer.") else translate(name, RELEASE)
        if ours is not None:
            own[ours].copy_(recipe(name, tuple(entry["shape"])).reshape(own[ours].shape))
    model.pose_prior.load_state_dict({k: torch.zeros_like(v) for k, v in model.pose_prior.state_dict().items()})
    image, joints, mask = (stored[f"input/{name}"].float() for name in ("img", "joints", "joints_mask"))
    with torch.no_grad():
        found = run(model.eval(), image, joints[..., :2], mask, stored["input/focal"])
    wanted = {name.removeprefix("out/"): t for name, t in stored.items() if name.startswith("out/")}
    golden = Golden(wanted, found)
    errors = {name: error(golden, name) for name in wanted}
    assert len(errors) > 20
    assert {name: e for name, e in errors.items() if e > TOLERANCE} == {}


def test_position_table_equals_the_stored_buffer(test_data: Path) -> None:
    with safe_open(test_data / "golden/dpmesh/dpmesh_small_seed0.safetensors", "pt") as stored:
        table = stored.get_tensor("state_dict/pos_embed_1d.pos_table")
    assert torch.allclose(sine_table(512, 256), table.reshape(512, 256), atol=1e-6)


TOKENIZER_NAMES = (
    ("start_embed.", "enter."),
    ("encoder_layer_norm.", "encoder_norm."),
    ("decoder_layer_norm.", "decoder_norm."),
    ("decoder_token_mlp.", "from_tokens."),
    ("token_mlp.", "to_tokens."),
    ("feature_embed.", "to_codes."),
    ("decoder_start.", "from_codes."),
    ("recover_embed.", "leave."),
    ("layernorm", "norm"),
    ("MLP_token.ff.0.", "token1."),
    ("MLP_token.ff.3.", "token2."),
    ("MLP_channel.ff.0.", "channel1."),
    ("MLP_channel.ff.3.", "channel2."),
    ("ema_cluster_size", "cluster_size"),
    ("ema_w", "code_sum"),
)


def tokenizer_name(name: str) -> str:
    for official, ours in TOKENIZER_NAMES:
        if official in name:
            name = name.replace(official, ours)
            if not official.startswith(("MLP", "layernorm")):
                break
    return name


@pytest.fixture(scope="module")
def tokens(test_data: Path) -> dict[str, Tensor]:
    return load_file(test_data / "golden/dpmesh/vqvae_golden.safetensors")


@pytest.fixture
def tokenizer(tokens: dict[str, Tensor]) -> PoseTokenizer:
    config = replace(
        RELEASE.regressor,
        token_count=12,
        token_classes=64,
        token_dim=24,
        token_encoder=(2, 48, 40, 56),
        token_decoder=(1, 32, 64, 64),
    )
    prefix = "base/before/"
    state = {tokenizer_name(k.removeprefix(prefix)): v for k, v in tokens.items() if k.startswith(prefix)}
    tokenizer = PoseTokenizer(config)
    tokenizer.load_state_dict(state)
    return tokenizer


def test_tokenizer_encodes_and_decodes_as_published(tokens: dict[str, Tensor], tokenizer: PoseTokenizer) -> None:
    poses = tokens["pose_rotmat"]
    with torch.no_grad():
        made = tokenizer.eval()(poses)
        soft = tokenizer.decode_logits(tokens["base/logits"].unflatten(0, (len(poses), -1)))
    assert torch.equal(made.classes.flatten(), tokens["base/latent_code"])
    assert torch.equal(tokenizer.codebook[made.classes].flatten(0, 1), tokens["base/latent_feat"])
    assert torch.allclose(soft, tokens["base/decode_from_softmax"], atol=1e-5)
    assert torch.allclose(made.poses, tokens["base/forward_recovered"], atol=1e-5)
    assert torch.allclose(made.commitment, tokens["base/forward_latent_loss"], atol=1e-6)


def test_codebook_moves_as_published(tokens: dict[str, Tensor], tokenizer: PoseTokenizer) -> None:
    with torch.no_grad():
        tokenizer.train()(tokens["pose_rotmat"])
        moved = {name: buffer.clone() for name, buffer in tokenizer.named_buffers()}
        second = tokenizer(tokens["pose_rotmat"])
    assert torch.allclose(second.poses, tokens["base/second_forward_recovered"], atol=1e-5)
    for ours, official in (("codebook", "codebook"), ("cluster_size", "ema_cluster_size"), ("code_sum", "ema_w")):
        assert torch.allclose(moved[ours], tokens[f"base/after/{official}"], atol=1e-5), ours


def test_every_key_of_a_real_checkpoint_has_its_place_and_shape(test_data: Path) -> None:
    stored = json.loads((test_data / "golden/dpmesh/checkpoint_keys_real.json").read_text())["keys"]
    with torch.device("meta"):
        official = {entry["key"]: torch.empty(entry["shape"]) for entry in stored}
        model = DPMesh.from_preset("release")
    found = {name: tuple(tensor.shape) for name, tensor in convert(official, RELEASE).items()}
    assert found == {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
