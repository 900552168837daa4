import numpy as np
import pytest

from configs.skeletons import SMPL24
from refine.scene.camera import CameraFit, Size
from refine.scene.placement import Placement, place

TIME = np.arange(300) / 30.0
CAMERA = CameraFit(0.3, 0.0, 600.0, 2.5, np.diag([1e-4, 1e-4, 1e-4, 4e-4]), {})
SIZE, UNSURE = (Size(np.zeros(4), 0.0, error, error) for error in (0.03, 0.05))
SURE = np.full((len(TIME), 2), 0.9)


def person(path: np.ndarray, size: np.ndarray | float = 1.0, stride_m: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (T, 24, 3) in camera axes of somebody who stands at places (T, 2), and where the pelvis truly is.

    Args:
        size: (T,) by how much the distance is wrong. The person looks as large as before, since the body is, too.
    """
    world = CAMERA.world_from_cam
    joints = np.zeros((len(path), 24, 3))
    joints[..., :2] = path[:, None]
    joints[..., 2] = np.linspace(1.0, 1.5, 24)
    joints[:, 0, 2] = 0.95
    for side, (name, phase) in enumerate((("left", 0.0), ("right", 0.5))):
        cycle = (TIME[: len(path)] + phase) % 1.0
        swing = stride_m * (np.where(cycle < 0.5, 2 * cycle, 2 - 2 * cycle) - 0.5)
        for part, height in (("ankle", 0.09), ("foot", 0.03)):
            place_of = SMPL24.index(f"{name}_{part}")
            joints[:, place_of, 2] = height + (stride_m > 0) * 0.1 * (cycle < 0.5)
            joints[:, place_of, 1] += swing
            joints[:, place_of, 0] += 0.1 - 0.2 * side
    seen = (joints - world[:3, 3]) @ world[:3, :3]
    true = joints[:, 0, :2].copy()
    pelvis = seen[:, :1]
    far = pelvis * (np.reshape(size, (-1, 1, 1)) - 1.0)
    return seen + far, true


def placed_world(joints: np.ndarray, placed: Placement) -> np.ndarray:
    world = CAMERA.world_from_cam
    return ((joints[:, 0] + placed.shift_m) @ world[:3, :3].T + world[:3, 3])[:, :2]


def momentary(placed: Placement) -> np.ndarray:
    lasting = placed.ground_systematic_m
    return placed.ground_cov_m2 - lasting @ lasting.transpose(0, 2, 1)


def slow_noise(seed: int, error: float) -> np.ndarray:
    """Return factors (T,) whose logarithm wanders by `error`, anew every second or so."""
    rng = np.random.default_rng(seed)
    return np.exp(error * np.interp(TIME, np.arange(11.0), rng.normal(0.0, 1.0, 11)))


def test_somebody_who_stands_still_stays_where_the_feet_are() -> None:
    joints, true = person(np.tile([0.5, 6.0], (len(TIME), 1)), slow_noise(0, 0.05))
    placed = place(joints, TIME, np.ones(len(TIME), bool), SURE, CAMERA, SIZE)
    found = placed_world(joints, placed)
    assert np.ptp(found, axis=0).max() < 0.1  # before: about a metre
    assert np.linalg.norm(found - true, axis=1).mean() < 0.2


def test_somebody_who_stands_still_with_feet_out_of_sight_does_not_drift_either() -> None:
    joints, _ = person(np.tile([0.5, 6.0], (len(TIME), 1)), slow_noise(0, 0.05))
    placed = place(joints, TIME, np.ones(len(TIME), bool), np.zeros_like(SURE), CAMERA, SIZE)
    assert np.ptp(placed_world(joints, placed), axis=0).max() < 0.1


@pytest.mark.parametrize("direction", [(0.0, -0.8), (0.6, 0.0)])
def test_a_walker_is_not_held_back(direction: tuple[float, float]) -> None:
    path = np.array([0.0, 9.0]) + TIME[:, None] * np.array(direction) * 0.6
    joints, true = person(path, slow_noise(1, 0.05), stride_m=0.6)
    placed = place(joints, TIME, np.ones(len(TIME), bool), SURE, CAMERA, SIZE)
    off = placed_world(joints, placed) - true
    assert np.abs(off - off.mean(axis=0)).max() < 0.4 and np.linalg.norm(off, axis=1).mean() < 0.35


def test_nine_in_ten_places_lie_within_their_intervals() -> None:
    inside = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        path = rng.uniform([-1.5, 4.0], [1.5, 9.0]) + TIME[:60, None] * rng.uniform(-0.5, 0.5, 2)
        size = np.exp(rng.normal(0.0, 0.03)) * slow_noise(seed, 0.05)[:60]
        joints, true = person(path, size, stride_m=0.5)
        joints[:, 10:12, 2] += rng.normal(0.0, 0.02)
        placed = place(joints, TIME[:60], np.ones(60, bool), SURE[:60], CAMERA, SIZE)
        off = placed_world(joints, placed) - true
        inside.append(np.einsum("ti,tij,tj->t", off, np.linalg.inv(placed.ground_cov_m2), off) < 4.605)
    assert np.mean(inside) > 0.8


def test_places_are_less_sure_along_the_line_of_sight_and_without_feet() -> None:
    joints, _ = person(np.tile([0.0, 6.0], (len(TIME), 1)))
    seen = np.ones(len(TIME), bool)
    with_feet, without = (place(joints, TIME, seen, feet, CAMERA, UNSURE) for feet in (SURE, 0 * SURE))
    cov = with_feet.ground_cov_m2[150]
    assert cov[1, 1] > 2.0 * cov[0, 0]
    assert momentary(without)[150, 1, 1] > 1.5 * momentary(with_feet)[150, 1, 1]
    assert (np.linalg.eigvalsh(momentary(without)) > 0).all()


def test_errors_of_the_camera_move_who_is_placed_by_the_feet_and_those_of_the_size_who_is_not() -> None:
    joints, _ = person(np.tile([0.0, 6.0], (len(TIME), 1)))
    seen = np.ones(len(TIME), bool)
    with_feet, without = (
        place(joints, TIME, seen, feet, CAMERA, UNSURE).ground_systematic_m[150, 1] for feet in (SURE, 0 * SURE)
    )
    assert abs(with_feet[4]) < 0.02 and abs(without[4]) == pytest.approx(0.05 * 6.0, rel=0.05)
    below = CAMERA.height_m - 0.95
    assert abs(with_feet[0]) == pytest.approx(0.01 * (6.0**2 + below**2) / below, rel=0.05)  # a tilt of 0.01 rad
    assert abs(without[0]) < 0.02


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_frames_are_placed_too(rows: int) -> None:
    joints, _ = person(np.tile([0.0, 6.0], (rows, 1)), 1.1)
    placed = place(joints, TIME[:rows], np.ones(rows, bool), SURE[:rows], CAMERA, UNSURE)
    assert placed.ground_cov_m2.shape == (rows, 2, 2) and np.isfinite(placed.shift_m).all()
