"""People placed in one scene: feet, ground, and each other."""

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from refine.scene.collision import depths
from refine.scene.ground import FEET, find_ground, resting
from refine.scene.settle import WINDOW_FRAMES, SceneRows, settle

RATE_HZ = 30.0
UP = np.array([0.0, -np.cos(0.2), -np.sin(0.2)])  # a camera that looks down a little
CAMERA_HEIGHT_M = 1.6


@pytest.fixture(scope="module")
def standing_m(body: BodyModel) -> np.ndarray:
    """Joints (24, 3) of the open body, upright on the ground, below the camera's axis."""
    numbers = torch.zeros(1, 24, 3), torch.zeros(1, 10), torch.zeros(1, 3)
    joints = body.joints(*numbers, "smpl24")[0].numpy().astype(np.float64)
    joints[:, 1] -= joints[FEET, 1].mean() - 0.03
    flip = np.diag([1.0, -1.0, -1.0])  # y down, z forward
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(0.2), -np.sin(0.2)], [0.0, np.sin(0.2), np.cos(0.2)]])
    return joints @ (tilt @ flip).T


def on_ground(east_m: float, north_m: float) -> np.ndarray:
    """Return the point (3,) of the ground so far right of the camera and in front of it."""
    ahead = np.array([0.0, -UP[2], UP[1]]) * -1.0
    return -CAMERA_HEIGHT_M * UP + east_m * np.array([1.0, 0.0, 0.0]) + north_m * ahead


def person(joints: np.ndarray, first_frame: int = 0) -> SceneRows:
    frames = first_frame + np.arange(len(joints))
    return SceneRows(frames, frames / RATE_HZ, joints.astype(np.float32), np.ones(len(joints), bool))


def stander(standing_m: np.ndarray, east_m: float, north_m: float, rows: int = 60, error: float = 0.0) -> SceneRows:
    """Return somebody who stands still, recovered at another distance by a share of it."""
    return person(np.repeat((standing_m + on_ground(east_m, north_m))[None] * (1.0 + error), rows, axis=0))


def settings(**switches: bool) -> RefineSettings:
    return RefineSettings.model_validate(switches)


def test_nothing_moves_that_nothing_asks_to_move(standing_m: np.ndarray) -> None:
    shifts = settle([stander(standing_m, 0.0, 5.0)], settings()).shifts_m
    assert np.abs(shifts[0]).max() < 1e-4


def test_a_foot_rests_where_it_hardly_moves(standing_m: np.ndarray) -> None:
    joints = np.repeat((standing_m + on_ground(0.0, 5.0))[None], 60, axis=0)
    joints[:, FEET[1], 0] += np.arange(60) / RATE_HZ * 2.0  # the right foot swings
    rests = resting(joints, np.arange(60) / RATE_HZ, np.ones(60, bool))
    assert rests[:, 0].min() > 0.9
    assert rests[:, 1].max() < 0.1
    assert resting(joints, np.arange(60) / RATE_HZ, np.zeros(60, bool)).max() == 0.0


def test_the_ground_is_found_in_spite_of_wrong_distances(standing_m: np.ndarray) -> None:
    people = [
        stander(standing_m, -2.0, 4.0, error=0.06),
        stander(standing_m, 0.0, 6.0, error=-0.06),
        stander(standing_m, 2.0, 9.0),
        stander(standing_m, 1.0, 4.0, error=0.03),
        person(np.repeat((standing_m + on_ground(0.0, 8.0) + 0.9 * UP)[None], 60, axis=0)),  # on a table
    ]
    ground = find_ground([p.joints_m for p in people], [np.ones((60, 2))] * len(people))
    assert ground is not None
    assert np.degrees(np.arccos(ground.up @ UP)) < 2.0
    places = np.stack([on_ground(x, z) for x, z in ((-2.0, 4.0), (0.0, 6.0), (2.0, 9.0), (1.0, 4.0))])
    assert np.abs(ground.height(places)).max() < 0.08
    assert find_ground([people[0].joints_m[:10]], [np.ones((10, 2))]) is None


def test_resting_feet_stop_sliding(standing_m: np.ndarray) -> None:
    rows = 90
    wave = 0.15 * np.sin(np.arange(rows) / RATE_HZ * 2 * np.pi * 0.7)
    joints = (standing_m + on_ground(1.0, 5.0))[None] * (1.0 + wave / 5.0)[:, None, None]
    shift = settle([person(joints)], settings(is_contact_on=True)).shifts_m[0]
    before, after = (np.abs(np.diff(feet[:, FEET], axis=0)).mean() for feet in (joints, joints + shift[:, None]))
    assert after < 0.2 * before
    sight = joints[:, 0] / np.linalg.norm(joints[:, 0], axis=-1, keepdims=True)
    across = shift - (shift * sight).sum(-1, keepdims=True) * sight
    assert np.abs(across).max() < 0.03


def test_whom_several_cameras_measured_hardly_moves_and_stands_on_level_ground(body: BodyModel) -> None:
    upright = body.joints(torch.zeros(1, 24, 3), torch.zeros(1, 10), torch.zeros(1, 3), "smpl24")[0].numpy()
    upright = (upright - upright[FEET, :].mean(axis=0)) @ np.diag([1.0, -1.0, -1.0])
    wave = 0.02 * np.sin(np.arange(90) / RATE_HZ * 2 * np.pi * 0.7)
    places = np.array([(0.0, -0.05, 3.0), (1.0, -0.01, -2.0), (-2.0, -0.03, 0.0)])  # all round the rig's origin
    people = [person((upright + place) + wave[:, None, None] * [0, 0, 1]) for place in places]
    done = settle(people, settings(is_contact_on=True, is_ground_on=True), is_measured=True)
    assert done.ground is not None and done.ground.up @ [0, -1, 0] > np.cos(np.radians(0.6))
    for before, shift in zip(people, done.shifts_m, strict=True):
        feet = [joints[:, FEET] for joints in (before.joints_m, before.joints_m + shift[:, None])]
        slides = [np.abs(np.diff(each, axis=0)).mean() for each in feet]
        assert slides[1] < 0.3 * slides[0] and np.abs(shift).max() < 0.03
    heights = [done.ground.height(p.joints_m[:, FEET] + s[:, None]) for p, s in zip(people, done.shifts_m, strict=True)]
    assert np.ptp([np.mean(each) for each in heights]) < 0.015, "0.04 m before"


def test_people_come_to_stand_on_one_ground(standing_m: np.ndarray) -> None:
    people = [
        stander(standing_m, x, z, error=e) for x, z, e in ((-2, 4, 0.06), (0, 6, -0.06), (2, 9, 0.0), (1, 4, 0.03))
    ]
    done = settle(people, settings(is_ground_on=True))
    assert done.ground is not None
    heights = [done.ground.height(p.joints_m[:, FEET] + s[:, None]) for p, s in zip(people, done.shifts_m, strict=True)]
    assert np.abs(np.concatenate(heights) - 0.03).max() < 0.03
    before = [done.ground.height(p.joints_m[:, FEET]) - 0.03 for p in people]
    assert np.abs(np.concatenate(before)).max() > 0.06


def test_people_do_not_stand_inside_each_other(standing_m: np.ndarray) -> None:
    people = [stander(standing_m, x, z) for x, z in ((0.0, 5.0), (0.05, 5.1), (3.0, 5.0))]

    def deepest(shifts: list[np.ndarray]) -> float:
        first, second = (torch.from_numpy(people[i].joints_m + shifts[i][:, None]) for i in (0, 1))
        return float(depths(first, second).max())

    shifts = settle(people, settings(is_collision_on=True)).shifts_m
    assert deepest([np.zeros_like(s) for s in shifts]) > 0.08
    assert deepest(shifts) < 0.03
    assert np.abs(shifts[2]).max() < 1e-3


def test_capsules_touch_at_the_sum_of_their_radii() -> None:
    line = torch.zeros(1, 24, 3)
    line[..., 0] = torch.linspace(0.0, 1.0, 24)
    apart = line.clone()
    apart[..., 1] += 1.0
    assert depths(line, apart).max() == 0.0
    near = line.clone()
    near[..., 1] += 0.05
    assert depths(line, near).max() == pytest.approx(0.17, abs=1e-3)  # two torsos of 11 cm, 5 cm apart


def test_windows_join_without_a_step(standing_m: np.ndarray) -> None:
    rows = WINDOW_FRAMES + 200
    wave = 0.1 * np.sin(np.arange(rows) / RATE_HZ * 2 * np.pi * 0.5)
    joints = (standing_m + on_ground(1.0, 5.0))[None] * (1.0 + wave / 5.0)[:, None, None]
    shift = settle([person(joints, first_frame=7)], settings(is_contact_on=True)).shifts_m[0]
    moved = np.linalg.norm(np.diff(joints[:, 0] + shift, axis=0), axis=-1)
    assert moved.max() < 0.5 * np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1).max()
    assert np.abs(np.diff(shift, axis=0)).max() < 0.015
