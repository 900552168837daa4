"""The published ScoreHMR checkpoint as this project's network.

Source: score_hmr/trainer.py of github.com/statho/ScoreHMR. Sampling uses the averaged copy of the weights, `ema_model`;
the optimiser, the other copies and counters are left alone. The schedule's tables are compared with ours, for a network
that was trained on another one would give poor poses and no error.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from configs.errors import WeightsError
from refine.prior.pretrained import check_tensors
from refine.prior.schedule import make_schedule
from refine.scorehmr.denoiser import Denoiser

PREFIX, NETWORK = "ema_model.", "model."
OTHER_COPY = "online_model."
COUNTERS = ("initted", "step")
OFFICIAL = re.compile(r"(time_mlp|init_mlp|blocks|final_mlp)(_betas)?\.(.+)")
ABOUT = "a published score model is ScoreHMR's model-100.pt, with its averaged weights under ema"
TABLE_TOLERANCE = 1e-6  # relative; NumPy and torch round the cosine differently in the last digit


def own_name(official: str) -> str:
    """Return this project's name of a tensor of the published network; a name it does not know stays."""
    found = OFFICIAL.fullmatch(official)
    return f"{'shape' if found[2] else 'pose'}.{found[1]}.{found[3]}" if found else official


def official_name(own: str) -> str:
    """Return the published name of a tensor: the inverse of `own_name`."""
    branch, _, rest = own.partition(".")
    first, _, last = rest.partition(".")
    return f"{first}{'_betas' if branch == 'shape' else ''}.{last}"


def denoiser_of(content: Any, path: Path) -> Denoiser:
    """Return the network in the unpickled content of a published checkpoint, in evaluation mode.

    Args:
        content: what the file holds, opened without running anything it asks for.
        path: that file, for messages.

    Raises:
        WeightsError: it is another kind of file, a tensor is missing, unknown or of another shape (it is named), or
            its noise schedule is another one.
    """
    averaged = content.get("ema") if isinstance(content, Mapping) else None
    if not isinstance(averaged, Mapping):
        raise WeightsError(f"{path}: holds no 'ema'; {ABOUT}")
    unknown = [name for name in averaged if not str(name).startswith((PREFIX, OTHER_COPY)) and name not in COUNTERS]
    if unknown:
        raise WeightsError(f"{path}: holds ema.{unknown[0]}, which {ABOUT.split(',')[0]} has not")
    found = {str(name).removeprefix(PREFIX): value for name, value in averaged.items() if str(name).startswith(PREFIX)}
    network = {name.removeprefix(NETWORK): value for name, value in found.items() if name.startswith(NETWORK)}
    tables = {name: value for name, value in found.items() if not name.startswith(NETWORK)}
    _check_tables(tables, path)
    built = _build(network, path)
    wanted = {official_name(name): tensor for name, tensor in built.state_dict().items()}
    check_tensors(wanted, network, path)
    built.load_state_dict({own_name(name): tensor.float() for name, tensor in network.items()})
    return built.eval()


def _build(network: Mapping[str, Any], path: Path) -> Denoiser:
    has_betas = any(name.startswith("init_mlp_betas.") for name in network)
    sizes: dict[str, int] = {}
    for branch, prefix in (("", ""), ("_betas", "beta_")) if has_betas else (("", ""),):
        first, own = f"blocks{branch}.0.block.linear_layer1.weight", f"init_mlp{branch}.weight"
        for name in (first, own):
            if not isinstance(network.get(name), Tensor) or network[name].ndim != 2:
                raise WeightsError(f"{path}: lacks ema.{PREFIX}{NETWORK}{name}; {ABOUT}")
        hidden, width = network[first].shape
        count = {name.split(".")[1] for name in network if name.startswith(f"blocks{branch}.")}
        sizes |= {f"{prefix}hidden": hidden, f"{prefix}blocks": len(count)}
        sizes[f"{prefix}condition"] = width - len(network[own])
    try:
        return Denoiser(has_betas=has_betas, **sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: no network has the sizes {sizes} ({error}); {ABOUT}") from error


def _check_tables(found: Mapping[str, Any], path: Path) -> None:
    wanted = make_schedule().tables()
    check_tensors(wanted, found, path)
    for name, table in wanted.items():
        if not torch.allclose(found[name].float(), table, rtol=TABLE_TOLERANCE, atol=1e-12):
            furthest = float((found[name].float() - table).abs().max())
            raise WeightsError(f"{path}: its schedule's {name} differs from the cosine one by up to {furthest:.2g}")
