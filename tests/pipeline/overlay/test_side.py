import numpy as np
import pytest

from pipeline.overlay.side import BACKGROUND, draw_ground, plan_side_view


@pytest.fixture
def view():
    pelvis = np.stack([np.linspace(-2, 2, 50), np.zeros(50), np.linspace(4, 9, 50)], axis=-1)
    return plan_side_view(pelvis, np.full(50, 0.95), 240, 240)


def projected(view, points: np.ndarray) -> np.ndarray:
    moved = view.moved(points)
    return view.focal_px * moved[..., :2] / moved[..., 2:] + view.principal_px


def test_the_side_camera_is_a_rigid_move(view) -> None:
    turn = view.side_from_cam[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_everyone_is_in_the_panel_and_upright(view) -> None:
    for x, z in [(-2, 4), (2, 9), (0, 6.5)]:
        foot, head = projected(view, np.array([[x, 0.95, z], [x, -0.8, z]]))
        assert np.all((foot > 0) & (foot < 240)) and np.all((head > 0) & (head < 240))
        assert head[1] < foot[1] - 10 and abs(head[0] - foot[0]) < 15


def test_depth_of_the_video_goes_sideways_in_the_panel(view) -> None:
    near, far = projected(view, np.array([[0, 0, 4.0], [0, 0, 9.0]]))
    assert abs(far[0] - near[0]) > 60


def test_a_few_wild_depths_do_not_shrink_everyone() -> None:
    pelvis = np.tile([0.0, 0.0, 5.0], (100, 1)) + np.random.default_rng(0).normal(0, 0.3, (100, 3))
    wild = pelvis.copy()
    wild[7] = (0, 0, 400.0)
    sizes = [plan_side_view(points, np.ones(100), 200, 200).radius_m for points in (pelvis, wild)]
    assert sizes[1] < 1.2 * sizes[0]


def test_the_ground_is_drawn_at_the_feet(view) -> None:
    panel = draw_ground(view)
    drawn = (panel != BACKGROUND).any(axis=-1)
    on_line = projected(view, np.array([[0.0, 0.95, 6.0], [0.5, 0.95, 6.0], [1.0, 0.95, 6.0]]))
    for x, y in np.round(on_line).astype(int):
        assert drawn[y - 1 : y + 2, x - 1 : x + 2].any()


def test_a_clip_without_people_still_has_a_ground() -> None:
    panel = draw_ground(plan_side_view(np.zeros((0, 3)), np.zeros(0), 100, 100))
    assert panel.shape == (100, 100, 3) and (panel != BACKGROUND).any()
