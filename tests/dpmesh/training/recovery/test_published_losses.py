"""The losses of the released training, weighed as the paper says; what they are is in `tests/parity`."""

import pytest
import torch

from dpmesh.training.recovery import published_losses as module
from dpmesh.training.recovery.published_losses import Predicted, PublishedRecipe, Wanted


def test_a_unit_error_costs_what_equation_9_says(monkeypatch: pytest.MonkeyPatch) -> None:
    blank, ones, full = torch.zeros(2, 30, 3), torch.ones(2), torch.ones(2, 30, 1)
    found = Predicted(blank[:, :15] + 1.0, blank[..., :2] + 1.0, blank + 1.0, torch.ones(2, 72), torch.ones(2, 10))
    wanted = Wanted(
        blank,
        full,
        blank,
        full,
        blank,
        full,
        torch.zeros(2, 72),
        torch.ones(2, 72),
        blank[:, 0, :1].expand(2, 10),
        ones,
        ones,
    )
    monkeypatch.setattr(module, "read_output", lambda *_: found)
    monkeypatch.setattr(module, "read_truth", lambda *_: wanted)
    truth = type("Truth", (), {"focal_px": ones})
    paid = PublishedRecipe(is_weighed_as_paper=True)(None, truth, None)
    assert {name: float(value) for name, value in paid.items()} == {
        **{"body_joint_img_0": 5.0, "smpl_joint_img_0": 5.0, "body_joint_proj_0": 5.0, "body_joint_cam_0": 2.0},
        **{"smpl_pose_0": 1.0, "smpl_shape_0": 1.0},
    }
    assert not list(PublishedRecipe(is_weighed_as_paper=True).parameters())
