"""How deep two people are inside each other."""

import numpy as np
import pytest
import torch

from dpmesh.body import JOINT_SETS
from refine.scene.collision import CAPSULES, _closest, depths

NAMES = JOINT_SETS["smpl24"]
SHIN, THIGH = CAPSULES.index(("left_knee", "left_ankle", 0.045)), CAPSULES.index(("right_hip", "right_knee", 0.065))


def far_apart(offset: float) -> torch.Tensor:
    """Return joints of which no two bones meet, in a row along y."""
    joints = torch.zeros(1, 24, 3, dtype=torch.float64)
    joints[0, :, 1] = torch.arange(24) * 50.0 + offset
    return joints


def people(gap_m: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two people of whom a shin and a thigh cross at right angles, so far apart."""
    first, second = far_apart(0.0), far_apart(5000.0)
    for joints, bone, ends in (
        (first, ("left_knee", "left_ankle"), [(-0.2, 0.0, 0.0), (0.2, 0.0, 0.0)]),
        (second, ("right_hip", "right_knee"), [(0.1, -0.2, gap_m), (0.1, 0.3, gap_m)]),
    ):
        for name, place in zip(bone, ends, strict=True):
            joints[0, NAMES.index(name)] = torch.tensor(place)
    return first, second


@pytest.mark.parametrize(("gap_m", "deep_m"), [(0.02, 0.09), (0.10, 0.01), (0.12, 0.0), (0.5, 0.0)])
def test_two_bones_that_cross_are_as_deep_as_their_radii_exceed_the_gap(gap_m: float, deep_m: float) -> None:
    found = depths(*people(gap_m))
    assert found.shape == (1, len(CAPSULES), len(CAPSULES))
    assert found[0, SHIN, THIGH].item() == pytest.approx(deep_m, abs=1e-6)
    torch.testing.assert_close(depths(*reversed(people(gap_m)))[0, THIGH, SHIN].item(), deep_m, atol=1e-6, rtol=0)


def test_people_who_are_apart_are_not_deep_at_all() -> None:
    assert not depths(far_apart(0.0), far_apart(5000.0)).any()


def test_a_person_who_is_moved_away_is_less_deep_by_as_much() -> None:
    first, second = people(0.05)
    first.requires_grad_()
    depths(first, second)[0, SHIN, THIGH].backward()
    assert first.grad is not None
    assert first.grad[0].sum(0).tolist() == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)


def test_the_closest_points_of_segments_are_those_of_a_fine_search() -> None:
    rng = np.random.default_rng(0)
    p, u, q, v = (torch.from_numpy(rng.normal(size=(40, 3))) for _ in range(4))
    s, t = _closest(p, u, q, v)
    found = (p + s * u - q - t * v).norm(dim=-1)
    grid = torch.linspace(0, 1, 101, dtype=torch.float64)
    lines = p[:, None] + grid[:, None] * u[:, None], q[:, None] + grid[:, None] * v[:, None]
    searched = torch.cdist(*lines).flatten(1).amin(dim=1)
    assert (found <= searched + 1e-9).all() and (found >= searched - 0.06).all()
    assert ((s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)).all()
