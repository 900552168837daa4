"""Steps that neighbouring rows take together."""

import math

import torch

from refine.fit.sobolev import NEAR_S, NEAR_WEIGHT, SobolevPreconditioner

TIME = torch.tensor([0.0, 0.03, 0.06, 0.09, 5.0, 0.0, 0.03])
WINDOW = torch.tensor([2, 2, 2, 2, 2, 7, 7])


def test_what_all_rows_want_grows_and_what_one_wants_is_shared_with_those_near_it_in_its_window() -> None:
    neighbours = SobolevPreconditioner(TIME, WINDOW)
    alike = torch.ones(7, 2)
    assert torch.allclose(neighbours.apply(alike), (1.0 + NEAR_WEIGHT) * alike)
    single = torch.zeros(7, 1)
    single[1] = 1.0
    shared = neighbours.apply(single)[:, 0]
    near = [math.exp(-0.5 * ((float(TIME[row]) - 0.03) / NEAR_S) ** 2) for row in range(4)]
    for row in (0, 2, 3):
        weights = [math.exp(-0.5 * (float(TIME[row] - TIME[other]) / NEAR_S) ** 2) for other in range(4)]
        assert math.isclose(float(shared[row]), NEAR_WEIGHT * near[row] / sum(weights), rel_tol=1e-4)
    assert shared[4] < 1e-6 and (shared[5:] == 0).all()


def test_windows_of_one_row_are_alone() -> None:
    gradient = torch.randn(5, 3)
    apply = SobolevPreconditioner(torch.zeros(5), torch.arange(5)).apply(gradient)
    assert torch.allclose(apply, (1.0 + NEAR_WEIGHT) * gradient)
