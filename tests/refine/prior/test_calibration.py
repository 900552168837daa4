"""Scales of standard deviations, on errors whose distribution is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from configs.errors import WeightsError
from refine.prior.calibration import (
    ANGLE_90,
    GROUPS,
    SIGMA_FILE,
    coverage,
    fit_scales,
    read_scales,
    scale_per_joint,
)


def drawn(rows: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles of errors whose deviation is `factor` times the predicted one, and the predicted ones."""
    rng = np.random.default_rng(rows)
    sigma = rng.uniform(0.05, 0.3, (rows, 24))
    return np.linalg.norm(rng.normal(0.0, factor * sigma[..., None], (rows, 24, 3)), axis=-1), sigma


def test_every_joint_is_in_one_group() -> None:
    assert sorted(joint for joints in GROUPS.values() for joint in joints) == list(range(24))


def test_nine_in_ten_normal_errors_lie_within_the_interval() -> None:
    errors, sigma = drawn(4000, 1.0)
    for share in coverage(errors, sigma).values():
        assert share == pytest.approx(0.9, abs=0.01)
    assert max(coverage(errors, 0.5 * sigma).values()) < 0.6 and min(coverage(errors, 2 * sigma).values()) > 0.99


def test_scales_fitted_to_some_people_hold_for_others() -> None:
    scales = fit_scales(*drawn(2000, 1.7))
    errors, sigma = drawn(3000, 1.7)
    assert max(coverage(errors, sigma).values()) < 0.75
    for name, share in coverage(errors, sigma * scale_per_joint(scales)).items():
        assert scales[name] == pytest.approx(1.7, rel=0.03) and share == pytest.approx(0.9, abs=0.01)


def test_only_the_joints_of_a_group_change_its_scale() -> None:
    errors = np.ones((10, 24))
    errors[:, list(GROUPS["arms"])] = 3.0
    scales = fit_scales(errors, np.ones((10, 24)))
    assert scales["arms"] == pytest.approx(3.0 / ANGLE_90, abs=1e-4)
    assert {scales[name] for name in GROUPS if name != "arms"} == {round(1.0 / ANGLE_90, 4)}


def test_no_rows_have_no_scale() -> None:
    with pytest.raises(ValueError, match="no rows"):
        fit_scales(np.zeros((0, 24)), np.zeros((0, 24)))
    assert all(np.isnan(share) for share in coverage(np.zeros((0, 24)), np.zeros((0, 24))).values())


def test_scales_come_back_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    assert read_scales(tmp_path) == {}
    stored = {"guided": dict.fromkeys(GROUPS, 1.25)}
    (tmp_path / SIGMA_FILE).write_text(json.dumps(stored))
    assert read_scales(tmp_path) == stored
    for wrong in ({"guided": {"root": 1.0}}, {"guided": dict.fromkeys(GROUPS, -1.0)}, [1]):
        (tmp_path / SIGMA_FILE).write_text(json.dumps(wrong))
        with pytest.raises(WeightsError, match=r"sigma.json: holds no scales .*--calibrate"):
            read_scales(tmp_path)
