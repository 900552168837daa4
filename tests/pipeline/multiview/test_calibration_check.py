"""A calibration that does not fit what its cameras see is named, and one that fits is not."""

import numpy as np
import pytest

from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.capture import Camera
from pipeline.multiview.calibration_check import RigFit, check_calibration
from pipeline.multiview.timing import time_cameras
from pipeline.multiview.views import View, view_of
from pipeline.types import no_observations

FRAMES, RATE_HZ = 60, 30.0
AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def film(body: BodyModel, cameras: int, people: int = 3, late: tuple[int, float] | None = None) -> list[View]:
    views = []
    for number, camera in enumerate(cameras_round(cameras)):
        walkers = Walkers(body, people, FRAMES, later_frames=late[1] if late and late[0] == number else 0.0)
        views.append(
            view_of(camera, walkers.seen_by(camera, [[who + 1] * FRAMES for who in range(people)], noise_px=2.0))
        )
    return views


def turned(view: View, degrees: float, axis: str = "y") -> View:
    """Return the view as a wrong calibration has it: the camera turned where it stands."""
    from scipy.spatial.transform import Rotation

    camera = view.camera
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array(AXES[axis])).as_matrix() @ camera.rotation
    wrong = Camera(camera.name, camera.matrix, turn, -turn @ camera.centre_m, camera.distortion, camera.size_px)
    return view_of(wrong, view.rows)


def named(fit: RigFit) -> list[str]:
    return [each.camera for each in fit.cameras if each.problem]


@pytest.mark.parametrize("cameras", [2, 3, 5])
def test_a_calibration_that_fits_names_nobody(body: BodyModel, cameras: int) -> None:
    fit = check_calibration(film(body, cameras))
    assert not fit.problems
    assert all(each.error_px < 2.5 for each in fit.pairs) and all(each.turned_deg < 0.3 for each in fit.cameras)


@pytest.mark.parametrize("axis", AXES)
def test_a_camera_that_is_turned_by_three_degrees_is_named_with_the_angle(body: BodyModel, axis: str) -> None:
    views = film(body, 5, people=5)
    views[2] = turned(views[2], 3.0, axis)
    fit = check_calibration(views)
    assert named(fit) == ["cam2"] and not fit.problem
    assert fit.cameras[2].turned_deg == pytest.approx(3.0, abs=0.1)
    assert "camera cam2 does not fit: " in fit.problems[0] and "by about 3.0 degrees" in fit.problems[0]
    with_it = [pair.error_px for pair in fit.pairs if "cam2" in pair.cameras]
    assert min(with_it) > 2 * max(pair.error_px for pair in fit.pairs if "cam2" not in pair.cameras)


def test_two_cameras_that_are_turned_are_both_named_and_of_two_neither_is(body: BodyModel) -> None:
    views = film(body, 5)
    assert named(check_calibration([*views[:3], turned(views[3], 4.0), turned(views[4], -2.0)])) == ["cam3", "cam4"]
    fit = check_calibration([turned(views[0], 4.0, "x"), views[1]])
    assert not named(fit) and "cam0 and cam1 do not fit each other" in fit.problem


def test_a_camera_that_is_late_is_not_taken_for_one_that_is_turned(body: BodyModel) -> None:
    late = film(body, 4, late=(1, -6.0))
    assert check_calibration(late).cameras[1].turned_deg > 1.0
    timing = time_cameras(late, [RATE_HZ] * 4, "auto")
    fit = check_calibration(timing.place(late))
    assert not fit.problems and fit.cameras[1].turned_deg < 0.3


def test_cameras_that_see_nobody_in_common_are_told_so(body: BodyModel) -> None:
    views = film(body, 3)
    blind = view_of(views[2].camera, no_observations())
    fit = check_calibration([views[0], views[1], blind])
    assert not fit.problems and np.isnan(fit.cameras[2].error_px)
    assert "fewer than two cameras see anybody" in check_calibration([views[0], blind]).problem
    shown = [turned(view, 60.0 * number) for number, view in enumerate(views)]
    assert "see the same person" in check_calibration(shown).problem or "do not fit" in check_calibration(shown).problem
