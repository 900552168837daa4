import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.overlay.side import (
    FLOOR,
    LINE,
    LINE_OF_5,
    RADIUS_MAX_M,
    SKY,
    SidePlan,
    SideView,
    draw_ground,
    plan_side_view,
)

SIZE = 360
FOOT = np.array([0.0, 0.9, 0.0])  # from the pelvis, camera axes
HEAD = np.array([0.0, -0.8, 0.0])


def plan_of(ways: list[np.ndarray], world_from_cam: np.ndarray = WORLD_FROM_CAM, down: np.ndarray = FOOT) -> SidePlan:
    frames = [np.arange(len(way)) for way in ways]
    return plan_side_view(frames, ways, [way + down for way in ways], SIZE, SIZE, world_from_cam=world_from_cam)


def projected(view: SideView, points: np.ndarray) -> np.ndarray:
    moved = view.moved(points)
    return view.focal_px * moved[..., :2] / moved[..., 2:] + view.principal_px


def walk(start: tuple[float, float], stop: tuple[float, float], frames: int = 100) -> np.ndarray:
    ends = np.array([(start[0], 0.0, start[1]), (stop[0], 0.0, stop[1])])
    return ends[0] + np.linspace(0, 1, frames)[:, None] * (ends[1] - ends[0])


def test_the_side_camera_is_a_rigid_move() -> None:
    turn = plan_of([walk((0, 4), (3, 9))]).at(50).side_from_cam[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


@pytest.mark.parametrize("frame", [0, 30, 99])
def test_everyone_of_the_moment_is_in_the_panel_upright_and_large(frame: int) -> None:
    ways = [walk((-2, 4), (-2, 30)), walk((2, 5), (1, 33))]
    view = plan_of(ways).at(frame)
    for way in ways:
        foot, head = projected(view, way[frame] + np.stack([FOOT, HEAD]))
        assert np.all((foot > 0) & (foot < SIZE)) and np.all((head > 0) & (head < SIZE))
        assert foot[1] - head[1] > SIZE / 8 and abs(head[0] - foot[0]) < 0.2 * (foot[1] - head[1])


def test_one_person_fills_a_good_part_of_the_panel() -> None:
    way = walk((0, 20), (0, 40))
    foot, head = projected(plan_of([way]).at(50), way[50] + np.stack([FOOT, HEAD]))
    assert foot[1] - head[1] > 0.45 * SIZE


def test_depth_of_the_video_goes_sideways_in_the_panel() -> None:
    view = plan_of([walk((0, 4), (0, 4)), walk((0, 7), (0, 7))]).at(0)
    near, far = projected(view, np.array([[0, 0, 4.0], [0, 0, 7.0]]))
    assert abs(far[0] - near[0]) > SIZE / 4


def test_a_wild_depth_moves_nothing_and_people_far_apart_do_not_get_tiny() -> None:
    way = walk((0, 5), (1, 5))
    wild = way.copy()
    wild[40:43] = (0, 0, 400.0)
    still, shaken = (plan_of([each]).at(41) for each in (way, wild))
    np.testing.assert_allclose(shaken.centre_m[:2], still.centre_m[:2], atol=0.2)
    assert shaken.radius_m == pytest.approx(still.radius_m, abs=0.1)
    assert plan_of([walk((0, 5), (0, 5)), walk((0, 90), (0, 90))]).at(0).radius_m == RADIUS_MAX_M


def test_the_camera_moves_evenly_also_where_somebody_comes_or_goes() -> None:
    come = walk((3, 6), (3, 6), 40)
    plan = plan_side_view(
        [np.arange(100), np.arange(30, 70)], [walk((-3, 5), (-3, 5)), come], [FOOT[None], FOOT[None]], SIZE, SIZE
    )
    spots = np.array([projected(plan.at(frame), np.array([0.0, 0.9, 5.0])) for frame in range(100)])
    assert np.abs(np.diff(spots, axis=0)).max() < SIZE / 40


def test_a_camera_that_looks_down_sees_upright_people_upright() -> None:
    tilt = np.eye(4)
    tilt[:3, :3] = Rotation.from_euler("x", -25, degrees=True).as_matrix()
    world_from_cam = WORLD_FROM_CAM @ np.linalg.inv(tilt)
    stand = np.array([[0, 0.9, 6.0], [0, -0.8, 6.0]]) @ tilt[:3, :3].T
    view = plan_of([np.tile(stand.mean(axis=0), (10, 1))], world_from_cam, stand[0] - stand.mean(axis=0)).at(0)
    foot, head = projected(view, stand)
    assert abs(head[0] - foot[0]) < 0.05 * (foot[1] - head[1]) and foot[1] - head[1] > SIZE / 3


def test_the_floor_is_drawn_at_the_feet_lit_and_with_a_shadow() -> None:
    view = plan_of([walk((0, 5), (0, 5))]).at(0)
    empty, standing = draw_ground(view, np.zeros((0, 3))), draw_ground(view, np.array([[0.0, 0.0, 5.0]]))
    x, y = np.round(projected(view, np.array([0.0, 0.9, 5.0]))).astype(int)
    changed = (standing != empty).any(axis=-1)
    assert changed[y - 3 : y + 4, x - 6 : x + 7].mean() > 0.5 and changed.mean() < 0.02
    assert (standing[changed].mean(axis=-1) <= empty[changed].mean(axis=-1)).all()
    on_line = np.round(projected(view, np.array([[0.0, 0.9, 5.3], [0.5, 0.9, 6.0]]))).astype(int)
    for x, y in on_line:
        around = empty[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3)
        assert any(np.abs(around - colour).max(axis=1).min() < 25 for colour in (LINE, LINE_OF_5))
    counts = [(empty == colour).all(axis=-1).mean() for colour in (FLOOR, SKY)]
    assert min(counts) > 0.05


def test_a_clip_without_people_still_has_a_ground() -> None:
    panel = draw_ground(plan_of([]).at(7), np.zeros((0, 3)))
    assert panel.shape == (SIZE, SIZE, 3) and (panel == FLOOR).all(axis=-1).any()
