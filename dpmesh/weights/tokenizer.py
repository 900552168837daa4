"""The pose tokenizer (VQ-VAE) under the published names: import, and the imported one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs.build_budget import BuildBudget
from configs.errors import InputError, WeightsError
from configs.json_files import read_json
from configs.network_files import CONFIG_BYTES_MAX, TensorSizes
from configs.weights import resolve
from dpmesh.network.config import PAPER, RegressorConfig
from dpmesh.network.pose_tokens import PoseTokenizer
from dpmesh.stored.cache import CONFIG_FILE, WEIGHTS_FILE, check_name, whole_folder, write_record
from dpmesh.stored.checkpoint import listing, one_line, read_checkpoint, read_safetensors
from dpmesh.stored.tensor_file import plan, write_tensors

PREFIXES = ("module.", "vqvae.")
WHOLE_NAMES = {
    "codebook": "codebook",
    "ema_cluster_size": "cluster_size",
    "ema_w": "code_sum",
    "pos_embed": "attention.position",
}
FIRST_PARTS = {
    "start_embed": "enter",
    "encoder_layer_norm": "encoder_norm",
    "token_mlp": "to_tokens",
    "feature_embed": "to_codes",
    "decoder_token_mlp": "from_tokens",
    "decoder_start": "from_codes",
    "decoder_layer_norm": "decoder_norm",
    "recover_embed": "leave",
}
MIXER_PARTS = {
    "layernorm1": "norm1",
    "layernorm2": "norm2",
    "MLP_token.ff.0": "token1",
    "MLP_token.ff.3": "token2",
    "MLP_channel.ff.0": "channel1",
    "MLP_channel.ff.3": "channel2",
}
FIELDS = tuple(name for name in asdict(PAPER.regressor) if name.startswith("token_"))
ABOUT = "a pose tokenizer is the published VQ-VAE of 23 joints as 3x3 matrices: 48 tokens, 2048 codes of 256 numbers"


def translate_tokenizer(name: str) -> str | None:
    """Return this network's name of a tensor of the published tokenizer, or None when it has no such tensor."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    if name in WHOLE_NAMES:
        return WHOLE_NAMES[name]
    first, _, rest = name.partition(".")
    if first == "mhsa":
        return f"attention.layers.{rest}"
    if first in FIRST_PARTS:
        return f"{FIRST_PARTS[first]}.{rest}"
    index, _, inner = rest.partition(".")
    part, _, last = inner.rpartition(".")
    if first in ("encoder", "decoder") and index.isdigit() and part in MIXER_PARTS:
        return f"{first}.{index}.{MIXER_PARTS[part]}.{last}"
    return None


def read_tokenizer(path: Path, config: RegressorConfig = PAPER.regressor) -> PoseTokenizer:
    """Return the tokenizer in a published file, frozen and in evaluation mode.

    Raises:
        WeightsError: a tensor is missing, unexpected or of another shape; it is named.
    """
    checkpoint = read_checkpoint(path)
    checkpoint.check_content()
    names = {name: translate_tokenizer(name) for name in checkpoint.tensors}
    attention = {ours.split(".")[2] for ours in names.values() if ours and ours.startswith("attention.layers.")}
    tensors = {
        name: tensor[0] if names[name] == "attention.position" and tensor.ndim == 3 else tensor
        for name, tensor in checkpoint.tensors.items()
    }
    return _load(tensors, names, replace(config, token_attention_layers=len(attention)), path)


def import_tokenizer(
    source: Path, name: str, *, config: RegressorConfig = PAPER.regressor, is_replaced: bool = False
) -> Path:
    """Write the tokenizer in a published file into the cache; return its folder there.

    Raises:
        WeightsError: the file holds another tokenizer.
        InputError: the name is taken.
    """
    folder = check_name(name, "tokenizer", is_replaced=is_replaced)
    tokenizer = read_tokenizer(source, config)
    layers = 0 if tokenizer.attention is None else len(tokenizer.attention.layers)
    config, state = replace(config, token_attention_layers=layers), tokenizer.state_dict()
    with whole_folder(folder) as part:
        fields = {field: value for field, value in asdict(config).items() if field in FIELDS}
        (part / CONFIG_FILE).write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        hashes = {WEIGHTS_FILE: write_tensors(part / WEIGHTS_FILE, {key: plan(t) for key, t in state.items()})}
        write_record(
            part,
            name,
            importer="tokenizer",
            role="pose-prior",
            what="pose tokenizer (VQ-VAE) for the paper configuration",
            licence="the file's own",
            source=source,
            hashes=hashes,
        )
    return folder


def imported_tokenizer(name: str) -> PoseTokenizer:
    """Return the tokenizer that was imported as `name`, or lies in that folder.

    Raises:
        WeightsError: there is none, or it is damaged.
    """
    folder = resolve(name)
    try:
        fields: dict[str, Any] = read_json(folder / CONFIG_FILE, bytes_max=CONFIG_BYTES_MAX)
        config = replace(PAPER.regressor, **fields)
    except (InputError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{folder / CONFIG_FILE}: no pose tokenizer's config ({one_line(error)}); import the tokenizer again"
        ) from error
    state = read_safetensors(folder / WEIGHTS_FILE)
    return _load(state, {key: key for key in state}, config, folder / WEIGHTS_FILE)


def _load(
    tensors: Mapping[str, Tensor], names: Mapping[str, str | None], config: RegressorConfig, path: Path
) -> PoseTokenizer:
    try:
        with BuildBudget(TensorSizes(len(tensors), sum(tensor.numel() for tensor in tensors.values()))):
            tokenizer = PoseTokenizer(config)
    except (RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: {one_line(error)}; {ABOUT}") from error
    wanted = tokenizer.state_dict()
    unknown = [name for name, ours in names.items() if ours not in wanted]
    missing = wanted.keys() - {ours for ours in names.values() if ours}
    if unknown or missing:
        problem = f"holds {listing(unknown)}" if unknown else f"lacks what this program calls {listing(missing)}"
        raise WeightsError(f"{path}: {problem}; {ABOUT}")
    state = {}
    for name, ours in names.items():
        tensor = tensors[name]
        if ours is None or tensor.shape != wanted[ours].shape:
            shape = tuple(wanted[ours].shape) if ours else ()
            raise WeightsError(f"{path}: {name} has shape {tuple(tensor.shape)}, expected {shape}; {ABOUT}")
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite; {ABOUT}")
        state[ours] = tensor.float()
    tokenizer.load_state_dict(state)
    return tokenizer.requires_grad_(False).eval()
