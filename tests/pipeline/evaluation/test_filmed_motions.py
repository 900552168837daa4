"""People whose keypoints were simulated in several cameras, measured without any alignment."""

from pathlib import Path

import numpy as np
import pytest
from swaying_people import CLIPS, FRAMES, write_swaying_people
from typer.testing import CliRunner

from configs.errors import InputError
from configs.schema import RunSettings
from dpmesh.body import BodyModel, load_body
from pipeline.cli.app import app
from pipeline.evaluation.filmed_motions import TRIANGULATED, _filled, filmed_people, measure_filmed_motions


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def test_exact_keypoints_have_no_error_and_turned_bodies_are_fitted(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body, cameras=2)
    found = measure_filmed_motions(tmp_path, 3, RunSettings(), ["off", "smooth", "fit:none"])
    assert list(found) == [TRIANGULATED, "off", "smooth", "fit:none"]
    assert found[TRIANGULATED].wanted >= 2 * FRAMES and found[TRIANGULATED].mpjpe_mm < 15
    assert found["off"].mpjpe_mm > 30 and found["fit:none"].mpjpe_mm < 0.6 * found["off"].mpjpe_mm


def test_people_have_all_their_cameras(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body, cameras=3)
    people = list(filmed_people(tmp_path, body, 100))
    assert len(people) == CLIPS and {len(person.views) for person in people} == {3}
    seen = people[1].views[2]
    pixels = seen.camera.project(people[1].joints_m)
    assert np.abs(pixels - seen.rows.keypoints[..., :2]).max() < 0.1
    assert len(list(filmed_people(tmp_path, body, 2))) == 2


def test_people_of_one_camera_are_refused_with_what_to_do(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body)
    with pytest.raises(InputError, match=r"seen by one camera; make people with `data motion --cameras 2`"):
        list(filmed_people(tmp_path, body, 1))


def test_the_command_prints_a_line_per_way(body: BodyModel, tmp_path: Path) -> None:
    write_swaying_people(tmp_path / "motion_0000000.npz", body, cameras=2)
    told = CliRunner().invoke(app, ["evaluate", "multiview-motions", str(tmp_path), "--limit", "2", "--refine", "off"])
    assert told.exit_code == 0, told.output
    assert "triangulation, smoothed" in told.output and "off" in told.output


def test_unknown_places_are_filled_between_known_ones_only() -> None:
    time = np.arange(12) / 10.0
    joints = np.full((12, 17, 3), np.nan)
    joints[2:10, 0] = time[2:10, None]
    joints[5, 0] = np.nan
    found = _filled(time, joints, time, 6.0)
    assert np.isnan(found[:2, 0]).all() and np.isnan(found[10:, 0]).all() and np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[2:10, 0], time[2:10, None].repeat(3, 1), atol=0.01)
