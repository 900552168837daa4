"""Staging, clothing, light, visibility and sequences."""

import numpy as np
import pytest
import torch

from dpmesh.body import load_body
from dpmesh.body.model import BodyModel
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.light import Light, ground_shadow, sample_light
from dpmesh.training.render.people import PeopleRenderer
from dpmesh.training.render.sequence import Actor, render_sequence
from dpmesh.training.render.staging import (
    Stance,
    View,
    place_first,
    sample_view,
    spot_below,
    spot_near,
    stand_at,
    tilted_camera,
)
from dpmesh.training.render.surface import ARM, FOOT, HAND, HEAD, LEG, TORSO
from dpmesh.training.render.visibility import HIDDEN, OUTSIDE, VISIBLE, joint_visibility
from dpmesh.training.troupe import renderer_of


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(device="cpu")


@pytest.fixture(scope="module")
def renderer(body: BodyModel) -> PeopleRenderer:
    return renderer_of(body, "cpu")


def test_a_tilted_camera_is_a_rotation_that_looks_down() -> None:
    turned = tilted_camera(0.3, 0.1)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turned) == pytest.approx(1)
    ahead_on_the_ground = turned @ np.array([0.0, -1.5, -5.0])
    level = tilted_camera(0.0, 0.0) @ np.array([0.0, -1.5, -5.0])
    assert level.tolist() == [0.0, 1.5, 5.0]
    assert ahead_on_the_ground[1] < level[1]


def _stance() -> Stance:
    return Stance(np.array([0.0, 0.1, 0.0]), np.array([-0.3, -0.8, -0.2]), np.array([0.3, 0.95, 0.2]), -0.95)


def test_a_placed_body_touches_the_floor_where_it_was_put() -> None:
    rng = np.random.default_rng(0)
    up = sample_view(rng).up
    spot = np.array([0.4, 1.2, 5.0])
    trans = stand_at(_stance(), spot, up)
    assert _stance().sole + trans @ up == pytest.approx(spot @ up)
    np.testing.assert_allclose(spot_below(_stance(), trans, up), spot, atol=1e-9)


def test_people_near_each_other_share_the_floor_and_keep_apart() -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(30):
        view = sample_view(rng)
        trans = place_first(rng, view, _stance(), (0.2, 0.8), 0.0)
        foot = spot_below(_stance(), trans, view.up)
        other = spot_near(rng, view, foot, [foot])
        if other is not None:
            found += 1
            assert other @ view.up == pytest.approx(foot @ view.up)
            assert np.linalg.norm(other - foot) > 0.38
            assert other[2] > 1.0
    assert found > 20


def test_every_region_of_the_body_is_named_and_limbs_run_from_shoulder_to_wrist(renderer: PeopleRenderer) -> None:
    surface = renderer.surface
    assert set(np.unique(surface.region).tolist()) == {TORSO, ARM, HAND, LEG, FOOT, HEAD}
    arm = surface.region == ARM
    reach = np.abs(surface.rest[arm, 0])
    assert np.corrcoef(reach, surface.along[arm])[0, 1] > 0.95
    leg = surface.region == LEG
    assert np.corrcoef(surface.rest[leg, 1], surface.along[leg])[0, 1] < -0.95
    assert surface.rest[surface.region == FOOT, 1].max() < surface.rest[surface.region == TORSO, 1].min()


def test_the_same_generator_dresses_alike_and_colours_stay_in_range(renderer: PeopleRenderer) -> None:
    first, again, other = (dress(np.random.default_rng(seed), renderer.surface) for seed in (5, 5, 6))
    assert np.array_equal(first.albedo, again.albedo)
    assert np.array_equal(first.thickness, again.thickness)
    assert not np.array_equal(first.albedo, other.albedo)
    for seed in range(20):
        outfit = dress(np.random.default_rng(seed), renderer.surface)
        assert outfit.albedo.min() > 0
        assert outfit.albedo.max() <= 0.95
        assert 0 <= outfit.thickness.min() <= outfit.thickness.max() < 0.1


def test_a_shadow_falls_away_from_the_lamp() -> None:
    up = np.array([0.0, -1.0, 0.0])
    post = np.stack([np.zeros(400), np.linspace(1.5, -0.2, 400), np.full(400, 6.0)], 1)
    lamp_on_the_left = np.array([-0.7, -0.7, 0.0]) / np.hypot(0.7, 0.7)
    dark = ground_shadow(post, np.array([0.0, 1.5, 6.0]), up, lamp_on_the_left, 100.0, np.array([64.0, 64.0]), 128, 128)
    column = (dark.sum(0) * np.arange(128)).sum() / dark.sum()
    assert dark.shape == (128, 128)
    assert dark.max() > 0.3
    assert column > 70


def test_a_joint_is_hidden_by_another_person_by_a_cover_and_by_the_own_body() -> None:
    rows = np.full((8, 8), -1, np.int32)
    depth = np.full((8, 8), np.inf, np.float32)
    own = np.full((8, 8), np.inf, np.float32)
    own[:, :4], rows[:, :4], depth[:, :4] = 3.0, 0, 3.0
    rows[:2, :2], depth[:2, :2] = 1, 2.0
    cover = np.zeros((4, 4), np.float32)
    cover[3, 0] = 1.0
    pixels = np.array([[0.5, 0.5], [0.5, 3.5], [1.5, 2.0], [1.5, 2.0], [9.0, 1.0], [np.nan, np.nan]])
    depths = np.array([3.05, 3.05, 3.05, 3.4, 3.0, 3.0])
    marks, by_other = joint_visibility(pixels, depths, np.full(6, 0.1), 0, rows, depth, own, cover, 2)
    assert marks.tolist() == [HIDDEN, HIDDEN, VISIBLE, HIDDEN, OUTSIDE, OUTSIDE]
    assert by_other.tolist() == [True, True, False, False, False, False]


def _standing(body: BodyModel, x: float, depth: float, frames: int, renderer: PeopleRenderer, seed: int) -> Actor:
    pose = np.zeros((frames, 24, 3), np.float32)
    pose[:, 0] = [np.pi, 0.0, 0.0]  # the template's up is the camera's up, facing the camera
    place = np.tile(np.float32([x, 0.0, depth]), (frames, 1))
    outfit = dress(np.random.default_rng(seed), renderer.surface)
    rest = body.rest_joints(torch.zeros(1, 10))[0, 0].numpy()
    return Actor(pose, place - rest, np.zeros(10, np.float32), outfit)


def test_a_sequence_says_who_is_hidden_and_keeps_their_looks(body: BodyModel, renderer: PeopleRenderer) -> None:
    view = View(96, 96, 100.0, np.array([48.0, 48.0]), tilted_camera(0.0, 0.0))
    light = sample_light(np.random.default_rng(0))
    light = Light(light.sky, light.ground, light.lamp_directions, light.lamp_colours, 0.0)
    back = np.full((96, 96, 3), 128, np.uint8)
    actors = [
        _standing(body, 0.0, 3.0, 2, renderer, 0),
        _standing(body, 0.0, 4.5, 2, renderer, 1),
        _standing(body, 50.0, 4.5, 2, renderer, 2),
    ]
    frames = list(render_sequence(body, renderer, actors, view, light, back, np.array([0, 1.0, 3.0]), noise=0.0))
    assert len(frames) == 2
    assert np.array_equal(frames[0].image, frames[1].image)
    shares = frames[0].visible_share
    assert shares[0] == 1.0
    assert shares[1] < 0.25
    assert shares[2] == 0.0
    assert np.isnan(frames[0].boxes_xyxy[2]).all()
    assert np.isfinite(frames[0].boxes_xyxy[:2]).all()
    assert frames[0].visible30[0].max() == VISIBLE
    assert (frames[0].visible30[1] == HIDDEN).sum() > 15
    head_y, foot_y = frames[0].joints30_px[0, 15, 1], frames[0].joints30_px[0, 7, 1]
    assert head_y < foot_y
    with pytest.raises(ValueError, match="same number"):
        short = _standing(body, 0.0, 3.0, 1, renderer, 0)
        next(render_sequence(body, renderer, [actors[0], short], view, light, back, np.zeros(3)))
