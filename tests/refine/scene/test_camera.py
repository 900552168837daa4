from dataclasses import replace

import numpy as np
import pytest

from refine.scene.camera import (
    FOCAL,
    FOCAL_GUESS,
    FOCAL_GUESS_ERROR,
    HEIGHT,
    ROLL,
    TILT,
    fit_camera,
    upward,
    world_over_ground,
)
from refine.scene.standing import Standing

DIAGONAL_PX = 734.3


def walkers(
    tilt_deg: float,
    roll_deg: float,
    focal_px: float,
    height_m: float,
    people: int = 5,
    seconds: float = 10.0,
    seed: int = 0,
    forward_deg: float = 4.0,
    is_to_the_right: bool = False,
) -> list[Standing]:
    """Return people of several statures who cross the view, leaning forward, with the errors of a detector."""
    rng = np.random.default_rng(seed)
    up = upward(np.radians(tilt_deg), np.radians(roll_deg))
    world = world_over_ground(up, height_m)
    time = np.arange(0.0, seconds, 0.1)
    found = []
    for _ in range(people):
        ends = rng.uniform([-2.5, 3.5], [2.5, 9.0], (2, 2))
        if is_to_the_right:
            ends = ends[np.argsort(ends[:, 0])]
        path = ends[0] + (ends[1] - ends[0]) * time[:, None] / seconds
        length = 1.3 * np.exp(rng.normal(0.0, 0.05))
        heading = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        lean = np.radians(forward_deg) * heading + rng.normal(0.0, 0.02, 2) + rng.normal(0.0, 0.03, (len(time), 2))
        ankles = np.concatenate([path, np.full((len(time), 1), 0.1)], axis=1)
        shoulders = ankles + length * np.concatenate([lean, np.ones((len(time), 1))], axis=1)
        pixels = []
        for points in (ankles, shoulders):
            seen = (points - world[:3, 3]) @ world[:3, :3]
            pixels.append(focal_px * seen[:, :2] / seen[:, 2:] + rng.normal(0.0, 1.0, (len(time), 2)))
        away = path / np.linalg.norm(path, axis=1, keepdims=True)
        facing = np.stack([away @ [-heading[1], heading[0]], away @ heading], axis=1)
        found.append(Standing(time, *pixels, np.full(len(time), 0.1), np.full(len(time), 1.3), facing))
    return found


@pytest.mark.parametrize("tilt_deg", [5.0, 15.0, 35.0])
def test_tilt_roll_and_height_are_found_within_their_errors(tilt_deg: float) -> None:
    camera = fit_camera(walkers(tilt_deg, -3.0, 600.0, 2.5), DIAGONAL_PX, 600.0, 0.02)
    assert camera is not None
    off = np.array([camera.tilt_rad - np.radians(tilt_deg), camera.roll_rad + np.radians(3.0), 0.0])
    off[2] = np.log(camera.height_m / 2.5)
    sigma = np.array([camera.sigma(TILT), camera.sigma(ROLL), camera.sigma(HEIGHT)])
    assert (np.abs(off) < 3.0 * sigma).all() and (sigma < [0.06, 0.02, 0.1]).all()


def test_five_walkers_tell_the_focal_length_to_a_tenth() -> None:
    off = []
    for seed in range(4):
        camera = fit_camera(walkers(25.0, 1.0, 500.0, 2.8, seed=seed), DIAGONAL_PX, None)
        assert camera is not None
        off.append(np.log(camera.focal_px / 500.0))
        assert abs(off[-1]) < 3.0 * camera.sigma(FOCAL)
    assert np.median(np.abs(off)) < 0.1  # the image's diagonal is off by 0.38


def test_who_leans_forward_on_the_way_does_not_roll_the_camera() -> None:
    people = walkers(15.0, 0.0, 600.0, 2.5, forward_deg=7.0, is_to_the_right=True)
    camera = fit_camera(people, DIAGONAL_PX, 600.0, 0.02)
    assert camera is not None and abs(np.degrees(camera.roll_rad)) < 1.0


def test_what_people_leave_open_is_what_cameras_usually_have() -> None:
    camera = fit_camera(walkers(0.0, 0.0, 500.0, 1.6), DIAGONAL_PX, None)
    assert camera is not None and abs(np.log(camera.focal_px / DIAGONAL_PX / FOCAL_GUESS)) < camera.sigma(FOCAL)
    assert camera.sigma(FOCAL) < FOCAL_GUESS_ERROR


def test_a_level_camera_does_not_tell_its_focal_length() -> None:
    camera = fit_camera(walkers(0.0, 0.0, 500.0, 1.6), DIAGONAL_PX, None)
    assert camera is not None and camera.sigma(FOCAL) > 0.2


def test_the_others_follow_the_error_of_a_focal_length_that_is_assumed() -> None:
    people = walkers(20.0, 0.0, 600.0, 2.5)
    sure, unsure = (fit_camera(people, DIAGONAL_PX, 734.3, error) for error in (0.0, 0.3))
    assert sure is not None and unsure is not None
    assert sure.tilt_rad == pytest.approx(unsure.tilt_rad) and unsure.sigma(TILT) > 1.5 * sure.sigma(TILT)
    assert unsure.sigma(FOCAL) == pytest.approx(0.3)


def test_scales_of_people_are_found_also_beyond_those_who_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    people = walkers(20.0, 0.0, 600.0, 2.5, people=8)
    everybody = fit_camera(people, DIAGONAL_PX, 600.0)
    monkeypatch.setattr("refine.scene.camera.PEOPLE_MAX", 5)
    five = fit_camera(people, DIAGONAL_PX, 600.0)
    assert everybody is not None and five is not None and five.sizes.keys() == set(range(8))
    off = [abs(everybody.sizes[number].log - five.sizes[number].log) for number in range(8)]
    assert max(off) < 0.06


def test_people_who_lie_about_do_not_fit() -> None:
    rng, fits = np.random.default_rng(0), walkers(15.0, 0.0, 600.0, 2.5)
    lie = [replace(p, shoulders_px=p.ankles_px + rng.normal(0.0, 60.0, p.ankles_px.shape)) for p in fits]
    standing, lying = (fit_camera(people, DIAGONAL_PX, 600.0) for people in (fits, lie))
    assert standing is not None and lying is not None and standing.misfit < 1.5 < 3.0 < lying.misfit


@pytest.mark.parametrize("people", [[], walkers(10.0, 0.0, 600.0, 2.0, people=1, seconds=0.4)])
def test_too_little_tells_nothing(people: list[Standing]) -> None:
    assert fit_camera(people, DIAGONAL_PX, 600.0) is None


@pytest.mark.parametrize("tilt_deg", [-10.0, 0.0, 40.0, 90.0])
def test_the_world_is_upright_and_the_camera_lies_over_its_origin(tilt_deg: float) -> None:
    up = upward(np.radians(tilt_deg), 0.1)
    world = world_over_ground(up, 3.0)
    np.testing.assert_allclose(world[:3, :3] @ world[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(world[:3, :3]) == pytest.approx(1.0)
    np.testing.assert_allclose(world[:3, :3] @ up, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(world @ [0, 0, 0, 1], [0, 0, 3.0, 1])
