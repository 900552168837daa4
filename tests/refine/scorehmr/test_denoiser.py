"""The published score model's network, with random weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from configs.errors import WeightsError
from refine.scorehmr.denoiser import Denoiser


def small(has_betas: bool = False, seed: int = 0) -> Denoiser:
    torch.manual_seed(seed)
    built = Denoiser(condition=40, hidden=12, has_betas=has_betas, beta_condition=9, beta_hidden=8).eval()
    return built.requires_grad_(False)


def inputs(denoiser: Denoiser, rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((rows, denoiser.numbers), generator=generator)
    return x, 3.0 + 2.0 * torch.randn((rows, denoiser.conditions), generator=generator)


@pytest.mark.parametrize("has_betas", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_the_prepared_network_gives_the_numbers_of_the_plain_one(has_betas: bool, rows: int) -> None:
    denoiser = small(has_betas)
    x, condition = inputs(denoiser, rows)
    prepared = denoiser.prepare(condition)
    for time in (0, 7, 999):
        wanted = denoiser(x, torch.full((rows,), time), condition)
        torch.testing.assert_close(prepared(x, time), wanted, atol=2e-5, rtol=1e-5)


def test_rows_do_not_see_each_other() -> None:
    denoiser = small()
    x, condition = inputs(denoiser, 4)
    together = denoiser.prepare(condition)(x, 20)
    alone = [denoiser.prepare(condition[row : row + 1])(x[row : row + 1], 20) for row in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-6, rtol=1e-5)


def test_the_released_sizes_have_the_released_number_of_parameters() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in Denoiser(has_betas=has).parameters()) for has in (False, True)]
    assert counts == [11_307_024, 14_510_000]


def test_a_written_network_is_read_back(tmp_path: Path) -> None:
    denoiser = small(has_betas=True)
    denoiser.save_pretrained(tmp_path)
    again = Denoiser.from_pretrained(tmp_path)
    x, condition = inputs(denoiser, 2)
    time = torch.tensor([3, 4])
    assert not again.training and torch.equal(again(x, time, condition), denoiser(x, time, condition))


def test_a_folder_without_a_network_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no score model .* weights import scorehmr"):
        Denoiser.from_pretrained(tmp_path)


def test_wrong_shapes_are_named() -> None:
    denoiser = small()
    x, condition = inputs(denoiser, 2)
    with pytest.raises(ValueError, match="condition: got shape"):
        denoiser(x, torch.zeros(2, dtype=torch.long), condition[:, 1:])
