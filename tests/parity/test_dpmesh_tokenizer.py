"""The pose tokenizer against what the published VQ-VAE, in two variants, made of random weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import RELEASE, RegressorConfig
from dpmesh.network.pose_tokens import PoseTokenizer

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
    ("mhsa.", "attention.layers."),
    ("pos_embed", "attention.position"),
)
VARIANTS = ("base", "attention")


def tokenizer_name(name: str) -> str:
    for official, ours in TOKENIZER_NAMES:
        if official in name:
            name = name.replace(official, ours)
            if not official.startswith(("MLP", "layernorm")):
                break
    return name


def config_of(stage: dict, attention_layers: int) -> RegressorConfig:
    """Return our configuration of a published tokenizer's STAGE_I."""
    encoder, decoder, codes = stage["ENCODER"], stage["DECODER"], stage["CODEBOOK"]
    order = ("num_blocks", "hidden_dim", "token_inter_dim", "hidden_inter_dim")
    return replace(
        RELEASE.regressor,
        token_count=codes["token_num"],
        token_classes=codes["token_class_num"],
        token_dim=codes["token_dim"],
        token_encoder=tuple(encoder[name] for name in order),
        token_decoder=tuple(decoder[name] for name in order),
        token_decay=codes["ema_decay"],
        token_attention_layers=attention_layers,
    )


@pytest.fixture(scope="module")
def tokens(tokenizer_file: Path) -> dict[str, Tensor]:
    return load_file(tokenizer_file)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer(tokens: dict[str, Tensor], tokenizer_file: Path, variant: str) -> PoseTokenizer:
    with safe_open(tokenizer_file, "pt") as stored:
        stage = json.loads(stored.metadata()["info"])["STAGE_I"]
    prefix = f"{variant}/before/"
    official = {k.removeprefix(prefix): v for k, v in tokens.items() if k.startswith(prefix)}
    layers = len({name.split(".")[1] for name in official if name.startswith("mhsa.")})
    tokenizer = PoseTokenizer(config_of(stage, layers))
    state = {tokenizer_name(k): v for k, v in official.items()}
    if layers:
        state["attention.position"] = state["attention.position"].squeeze(0)
    tokenizer.load_state_dict(state)
    return tokenizer


def test_poses_become_the_stored_matrices(tokens: dict[str, Tensor]) -> None:
    made = axis_angle_to_matrix(tokens["pose_axis_angle"].unflatten(-1, (-1, 3))).flatten(-2)
    assert torch.allclose(made, tokens["pose_rotmat"], atol=1e-6)


def test_tokenizer_encodes_and_decodes_as_published(
    tokens: dict[str, Tensor], tokenizer: PoseTokenizer, variant: str
) -> None:
    poses = tokens["pose_rotmat"]
    with torch.no_grad():
        made = tokenizer.eval()(poses)
        soft = tokenizer.decode_logits(tokens[f"{variant}/logits"].unflatten(0, (len(poses), -1)))
    assert torch.equal(made.classes.flatten(), tokens[f"{variant}/latent_code"])
    assert torch.equal(made.classes.flatten(), tokens[f"{variant}/forward_indices"])
    if variant == "base":
        assert torch.equal(tokenizer.codebook[made.classes].flatten(0, 1), tokens["base/latent_feat"])
    assert torch.allclose(soft, tokens[f"{variant}/decode_from_softmax"], atol=1e-5)
    assert torch.allclose(made.poses, tokens[f"{variant}/forward_recovered"], atol=1e-5)
    assert torch.allclose(made.commitment, tokens[f"{variant}/forward_latent_loss"], atol=1e-6)


def test_codebook_moves_as_published_while_training(
    tokens: dict[str, Tensor], tokenizer: PoseTokenizer, variant: str
) -> None:
    with torch.no_grad():
        tokenizer.train()(tokens["pose_rotmat"])
        moved = {name: buffer.clone() for name, buffer in tokenizer.named_buffers()}
        second = tokenizer(tokens["pose_rotmat"])
    assert torch.allclose(second.poses, tokens[f"{variant}/second_forward_recovered"], atol=1e-5)
    for ours, official in (("codebook", "codebook"), ("cluster_size", "ema_cluster_size"), ("code_sum", "ema_w")):
        assert torch.allclose(moved[ours], tokens[f"{variant}/after/{official}"], atol=1e-5), ours


def test_codebook_stays_in_evaluation(tokens: dict[str, Tensor], tokenizer: PoseTokenizer) -> None:
    before = {name: buffer.clone() for name, buffer in tokenizer.named_buffers()}
    with torch.no_grad():
        tokenizer.eval()(tokens["pose_rotmat"])
    assert all(torch.equal(before[name], buffer) for name, buffer in tokenizer.named_buffers())


def test_full_size_tokenizer_has_the_published_tensors(tokenizer_keys_file: Path) -> None:
    stored = json.loads(tokenizer_keys_file.read_text())
    with torch.device("meta"):
        tokenizer = PoseTokenizer(config_of(stored["config"]["STAGE_I"], 0))
    found = {name: list(tensor.shape) for name, tensor in tokenizer.state_dict().items()}
    assert found == {tokenizer_name(name): shape for name, shape in stored["state_dict"].items()}
