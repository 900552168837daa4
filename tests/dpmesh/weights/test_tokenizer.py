import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from configs.errors import WeightsError
from configs.weights import verify
from dpmesh.network.config import PAPER, RegressorConfig
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.weights.tokenizer import import_tokenizer, imported_tokenizer, read_tokenizer, translate_tokenizer


@pytest.fixture
def small() -> RegressorConfig:
    return replace(
        PAPER.regressor, token_count=12, token_classes=64, token_dim=24, token_encoder=(2, 48, 40, 56),
        token_decoder=(1, 32, 64, 64),
    )  # fmt: skip


@pytest.fixture
def golden(test_data: Path) -> dict[str, Tensor]:
    return load_file(test_data / "golden/dpmesh/vqvae_golden.safetensors")


def official(golden: dict[str, Tensor], variant: str) -> dict[str, Tensor]:
    prefix = f"{variant}/before/"
    return {name.removeprefix(prefix): t.clone() for name, t in golden.items() if name.startswith(prefix)}


@pytest.mark.parametrize("variant", ["base", "attention"])
def test_an_imported_tokenizer_is_the_published_one(
    golden: dict[str, Tensor], small: RegressorConfig, tmp_path: Path, variant: str
) -> None:
    torch.save(official(golden, variant), tmp_path / "vq.pth")
    import_tokenizer(tmp_path / "vq.pth", "tokens", config=small)
    assert verify("tokens").state == "ok"
    tokenizer = imported_tokenizer("tokens")
    poses = golden["pose_rotmat"]
    before = {name: buffer.clone() for name, buffer in tokenizer.named_buffers()}
    with torch.no_grad():
        made = tokenizer(poses)
        soft = tokenizer.decode_logits(golden[f"{variant}/logits"].unflatten(0, (len(poses), -1)))
    assert torch.equal(made.classes.flatten(), golden[f"{variant}/latent_code"])
    assert torch.allclose(made.poses, golden[f"{variant}/forward_recovered"], atol=1e-5)
    assert torch.allclose(soft, golden[f"{variant}/decode_from_softmax"], atol=1e-5)
    assert not tokenizer.training
    for name, buffer in tokenizer.named_buffers():  # the published code moves its codebook here
        assert torch.equal(buffer, before[name])


def test_every_real_name_has_its_place_and_shape(test_data: Path) -> None:
    stored = json.loads((test_data / "golden/dpmesh/vqvae_keys_real.json").read_text())["state_dict"]
    with torch.device("meta"):
        own = {name: list(t.shape) for name, t in PoseTokenizer(PAPER.regressor).state_dict().items()}
    assert {translate_tokenizer(name): shape for name, shape in stored.items()} == own


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("encoder.1.MLP_token.ff.3.bias", "lacks what this program calls encoder.1.token2.bias"),
        ("leave.weight", "holds leave.weight"),
        ("vqvae.part.0.weight", "holds vqvae.part.0.weight"),
        ("codebook", r"codebook has shape \(3,\), expected \(64, 24\)"),
    ],
)
def test_another_tokenizer_is_refused(
    golden: dict[str, Tensor], small: RegressorConfig, tmp_path: Path, name: str, words: str
) -> None:
    state = official(golden, "base")
    if words.startswith("lacks"):
        del state[name]
    else:
        state[name] = torch.ones(3)
    torch.save(state, tmp_path / "vq.pth")
    with pytest.raises(WeightsError, match=words):
        read_tokenizer(tmp_path / "vq.pth", small)
