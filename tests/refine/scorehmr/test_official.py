"""Checkpoints in the published layout, made here with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from configs.errors import WeightsError
from refine.prior.schedule import make_schedule
from refine.scorehmr.denoiser import Denoiser
from refine.scorehmr.official import denoiser_of, official_name, own_name

PATH = Path("model-100.pt")
FIRST = "ema_model.model.init_mlp.weight"


def content(has_betas: bool = False) -> tuple[Denoiser, dict[str, Any]]:
    torch.manual_seed(0)
    network = Denoiser(condition=20, hidden=6, blocks=2, has_betas=has_betas, beta_condition=7, beta_hidden=5)
    state = {official_name(name): tensor.clone() for name, tensor in network.state_dict().items()}
    tables = make_schedule().tables()
    averaged = {f"ema_model.{name}": table for name, table in tables.items()}
    averaged |= {f"ema_model.model.{name}": tensor for name, tensor in state.items()}
    others = {name.replace("ema_model", "online_model"): torch.zeros_like(t) for name, t in averaged.items()}
    counters = {"initted": torch.tensor([True]), "step": torch.tensor(3)}
    return network.eval(), {"step": 3, "opt": {}, "model": {}, "ema": counters | others | averaged}


@pytest.mark.parametrize("has_betas", [False, True])
def test_the_averaged_weights_are_taken_and_the_sizes_found(has_betas: bool) -> None:
    network, stored = content(has_betas)
    found = denoiser_of(stored, PATH)
    assert found.conditions == network.conditions
    assert all(torch.equal(t, network.state_dict()[name]) for name, t in found.state_dict().items())


def test_names_go_both_ways() -> None:
    for name in content(True)[0].state_dict():
        assert own_name(official_name(name)) == name


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda averaged: averaged.__setitem__(name, value)


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda averaged: averaged.__delitem__(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop("ema_model.model.blocks.1.mlp.1.bias"), r"lacks blocks\.1\.mlp\.1\.bias"),
        (_drop("ema_model.model.blocks.0.block.linear_layer1.weight"), r"lacks .*linear_layer1\.weight"),
        (_set("ema_model.model.extra.weight", torch.zeros(2)), r"holds extra\.weight"),
        (_set("ema_model.extra", torch.zeros(2)), "holds extra"),
        (_set("other.extra", torch.zeros(2)), r"holds ema\.other\.extra"),
        (_set("ema_model.model.final_mlp.bias", torch.zeros(3)), r"final_mlp\.bias has shape \(3,\), expected \(144,"),
        (_set("ema_model.model.final_mlp.bias", torch.full((144,), torch.nan)), "not finite"),
        (_set("ema_model.model.final_mlp.bias", "text"), "has shape str"),
        (_set("ema_model.betas", torch.full((1000,), 0.01)), "schedule's betas differs"),
        (_drop("ema_model.posterior_variance"), "lacks posterior_variance"),
    ],
)
def test_what_does_not_fit_is_named(change: Callable[[dict[str, Any]], None], said: str) -> None:
    _, stored = content()
    change(stored["ema"])
    with pytest.raises(WeightsError, match=said):
        denoiser_of(stored, PATH)


@pytest.mark.parametrize("stored", [{}, {"ema": 3}, [], None])
def test_another_file_is_refused(stored: Any) -> None:
    with pytest.raises(WeightsError, match="holds no 'ema'"):
        denoiser_of(stored, PATH)
