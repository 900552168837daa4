"""Errors of rotations and their deviations, on turns that are known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from swaying_people import write_swaying_people
from typer.testing import CliRunner

from configs.errors import InputError
from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from dpmesh.body import load_body
from pipeline.cli.app import app
from pipeline.evaluation.angles import AngleErrors, angle_errors, coverage_rows, write_scales
from pipeline.evaluation.modes import mode_settings, with_gaps, with_mode
from refine.prior.calibration import GROUPS, SIGMA_FILE
from refine.prior.network import MotionPrior


def test_an_angle_is_that_between_a_joint_and_the_truth_of_its_frame(make_track) -> None:
    track = make_track(np.arange(10) / 25)
    truth = np.repeat(track.pose[:1], 40, axis=0)
    turn = Rotation.from_rotvec([0.0, 0.3, 0.0])
    for row, frame in enumerate(track.frame_index):
        truth[frame] = track.pose[row]
        truth[frame, 5] = (Rotation.from_rotvec(track.pose[row, 5]) * turn).as_rotvec()
    found = angle_errors([track], [truth])
    np.testing.assert_allclose(found.errors_rad[:, 5], 0.3, atol=1e-5)
    assert np.delete(found.errors_rad, 5, axis=1).max() < 1e-3 and found.sigma_rad is None
    known = replace(track, joint_sigma_rad=np.full((10, 24), 0.2, np.float32))
    assert angle_errors([known], [truth]).sigma_rad is not None
    assert angle_errors([known, track], [truth, truth]).sigma_rad is None


def test_shares_are_told_of_modes_with_deviations_and_of_gaps() -> None:
    errors = np.full((4, 24), 0.5)
    errors[3] = 9.0
    is_filled = np.array([False, False, True, True])
    without = AngleErrors(errors, None, is_filled)
    told = coverage_rows({"smooth": without, "guided": AngleErrors(errors, np.full((4, 24), 0.3), is_filled)})
    assert told[1][:4] == ("guided", "all rows", "4", "75.0 %") and told[2][:4] == ("guided", "in gaps", "2", "50.0 %")
    assert len(told) == 3 and coverage_rows({"smooth": without}) == []


def test_scales_of_other_modes_stay_and_no_deviations_are_an_error(tmp_path: Path) -> None:
    is_filled = np.zeros(50, bool)
    one = AngleErrors(np.full((50, 24), 0.5), np.full((50, 24), 0.1), is_filled)
    assert write_scales(tmp_path, {"fit": one, "smooth": replace(one, sigma_rad=None)}) == ["fit"]
    assert write_scales(tmp_path, {"guided": replace(one, sigma_rad=np.full((50, 24), 0.2))}) == ["guided"]
    stored = json.loads((tmp_path / SIGMA_FILE).read_text())
    assert stored["fit"]["arms"] == pytest.approx(2 * stored["guided"]["arms"], abs=1e-3)
    with pytest.raises(InputError, match=r"--calibrate: .*--refine guided"):
        write_scales(tmp_path, {"smooth": replace(one, sigma_rad=None)})


def test_a_way_to_refine_may_name_its_prior_and_all_fill_the_same_gaps() -> None:
    settings = RunSettings()
    assert mode_settings("off") == {"mode": "off"} and mode_settings("fit:none") == {"mode": "fit", "prior": "none"}
    assert with_mode(settings, "fit:none").refine.prior == "none"
    assert longest_gap_s(with_gaps(settings, ["off", "fit"])) == 0.5
    for mode in ("off", "guided"):
        filled = with_mode(with_gaps(settings, ["off", "guided"]), mode)
        assert longest_gap_s(filled) == settings.track.lost_max_s == 2.0
    chosen = RunSettings.model_validate({"link": {"gap_max_s": 0.1}})
    assert longest_gap_s(with_gaps(chosen, ["off", "guided"])) == 0.1


def test_the_command_calibrates_a_prior_and_then_tells_how_many_rotations_lie_within(tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", load_body(None))
    prior = tmp_path / "prior"
    MotionPrior(width=16, layers=1, heads=2).save_pretrained(prior)
    quick = [f"refine.{name}" for name in ("steps=2", "shape_steps=2", "guided_steps=1", "guided_inner_steps=2")]
    words = ["evaluate", "motions", str(tmp_path), "--refine", "fit:none", "--refine", "guided"]
    words += [word for name in (*quick, f"refine.prior={prior}") for word in ("--set", name)]
    first = CliRunner().invoke(app, [*words, "--calibrate", str(prior)])
    assert first.exit_code == 0, first.output
    assert json.loads((prior / SIGMA_FILE).read_text())["guided"].keys() == GROUPS.keys()
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "fit:none" in told.output and "all rows" in told.output and "all rows" not in first.output
    assert MotionPrior.from_pretrained(prior).sigma_scales["guided"]["root"] > 0
