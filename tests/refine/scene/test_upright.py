import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.skeletons import COCO17
from refine.scene.camera import upward
from refine.scene.upright import lean_away, scaled_shape, turned

TIME = np.arange(90) / 30.0
UP = upward(np.radians(25.0), 0.0)


def bodies(lean_fraction: float, height: float = 1.3) -> np.ndarray:
    """Return joints (T, 17, 3) of somebody who walks away and leans by a fraction of the angle seen from above."""
    world_up = UP
    along = np.array([0.0, 0.0, 1.0]) - UP[2] * UP
    along /= np.linalg.norm(along)
    ankles = -2.5 * UP + np.linspace(3.0, 6.0, len(TIME))[:, None] * along
    middle = ankles + 0.6 * UP
    angle = np.arcsin(-(middle / np.linalg.norm(middle, axis=1, keepdims=True)) @ UP)
    axis = np.cos(lean_fraction * angle)[:, None] * world_up + np.sin(lean_fraction * angle)[:, None] * along
    heights = np.full(17, 0.6)
    heights[[COCO17.index("left_shoulder"), COCO17.index("right_shoulder")]] = height
    heights[[COCO17.index("left_ankle"), COCO17.index("right_ankle")]] = 0.0
    return ankles[:, None] + heights[:, None] * axis[:, None]


@pytest.mark.parametrize("fraction", [0.0, 0.6, 0.9])
def test_who_leans_away_from_the_camera_stands_up(fraction: float) -> None:
    joints = bodies(fraction)
    turn = Rotation.from_rotvec(lean_away(joints, TIME, np.ones(len(TIME), bool), UP))
    shoulders = joints[:, COCO17.index("left_shoulder")] - joints[:, COCO17.index("left_ankle")]
    axis = turn.apply(shoulders / np.linalg.norm(shoulders, axis=1, keepdims=True))
    assert np.degrees(np.arccos(np.clip(axis @ UP, -1.0, 1.0))).max() < 3.0


def test_who_sways_more_than_people_do_sways_less_afterwards() -> None:
    still, sway = bodies(0.0), np.radians(8.0) * np.sin(2.0 * np.pi * TIME)
    away = np.cross([1.0, 0.0, 0.0], UP)
    joints = Rotation.from_rotvec(np.outer(sway, np.cross(UP, away))).as_matrix()
    middle = still[:, :1] * [1.0, 1.0, 1.0]
    swaying = np.einsum("tij,tkj->tki", joints, still - middle) + middle
    turn = Rotation.from_rotvec(lean_away(swaying, TIME, np.ones(len(TIME), bool), UP)).as_matrix()
    axis = turn @ joints @ UP
    left = np.degrees(np.arccos(np.clip(axis @ UP, -1.0, 1.0)))
    assert np.sqrt(np.mean(left**2)) < 0.6 * np.degrees(np.sqrt(np.mean(sway**2)))


def test_who_leans_forward_as_people_do_stays_so() -> None:
    usual = np.radians(4.0) / np.arcsin(2.5 / 5.0)  # of the angle of view, halfway; they face away: hips right of left
    joints = bodies(usual)
    for side, name in ((-0.1, "left"), (0.1, "right")):
        for part in ("shoulder", "outer_hip"):
            joints[:, COCO17.index(f"{name}_{part}"), 0] += side
    turn = lean_away(joints, TIME, np.ones(len(TIME), bool), UP)
    assert np.degrees(np.linalg.norm(turn, axis=1)).max() < 2.0


def test_who_never_stands_is_turned_by_the_guess() -> None:
    joints = bodies(0.6, height=0.7)
    turn = lean_away(joints, TIME, np.ones(len(TIME), bool), UP)
    of_nobody_seen = lean_away(joints, TIME, np.zeros(len(TIME), bool), UP)
    np.testing.assert_allclose(turn, of_nobody_seen)


def test_turns_are_applied_after_the_rotation() -> None:
    first, second = np.array([[0.3, 0.0, 0.0]]), np.array([[0.0, 0.5, 0.0]])
    wanted = Rotation.from_rotvec(second[0]) * Rotation.from_rotvec(first[0])
    np.testing.assert_allclose(turned(first, second)[0], wanted.as_rotvec(), atol=1e-6)


def test_the_shape_of_a_larger_person_is_the_nearest_one_of_that_stature() -> None:
    slope = np.linspace(0.05, 0.0, 10)

    def stature(shapes: np.ndarray) -> np.ndarray:
        return 1.5 + shapes @ slope

    betas = np.full(10, 0.2, np.float32)
    found = scaled_shape(betas, 0.04, stature)
    assert stature(found[None])[0] / stature(betas[None])[0] == pytest.approx(np.exp(0.04), rel=1e-4)
    assert np.argmax(np.abs(found - betas)) == 0 and scaled_shape(betas, 0.0, stature) == pytest.approx(betas)
