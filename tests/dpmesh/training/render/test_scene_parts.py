"""Staging, clothing, light, visibility and sequences."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from dpmesh.body.model import BodyModel
from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.population import Studio
from dpmesh.training.render.clothing import dress
from dpmesh.training.render.layout import (
    Stances,
    Views,
    first_good,
    measure_stances,
    place_first,
    sample_views,
    spot_below,
    spots_near,
    stand_at,
    tilted_cameras,
    turns,
)
from dpmesh.training.render.light import Lights, ground_shadows, sample_lights, shade
from dpmesh.training.render.occluders import Covers
from dpmesh.training.render.people import PeopleRenderer
from dpmesh.training.render.sequence import Actor, render_sequence
from dpmesh.training.render.surface import ARM, FOOT, HAND, HEAD, LEG, TORSO
from dpmesh.training.render.visibility import HIDDEN, OUTSIDE, VISIBLE, joint_visibility


@pytest.fixture(scope="module")
def renderer(studio: Studio) -> PeopleRenderer:
    return studio.renderer


def level_views(count: int, side: float, focal: float) -> Views:
    """Return cameras that look straight ahead, y of the world up."""
    level = tilted_cameras(torch.zeros(count), torch.zeros(count))
    return Views(torch.full((count, 2), side), torch.full((count,), focal), torch.full((count, 2), side / 2), level)


def test_a_tilted_camera_is_a_rotation_that_looks_down() -> None:
    turned = tilted_cameras(torch.tensor([0.3, 0.0]), torch.tensor([0.1, 0.0]))
    assert torch.allclose(turned @ turned.mT, torch.eye(3).expand(2, 3, 3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(turned), torch.ones(2))
    ahead_on_the_ground, level = turned @ torch.tensor([0.0, -1.5, -5.0])
    assert level.tolist() == [0.0, 1.5, 5.0]
    assert ahead_on_the_ground[1] < level[1]


def test_a_turn_keeps_what_is_upright_and_turns_left_to_the_front() -> None:
    angle = torch.tensor([0.4, -math.pi / 2])
    found = turns(angle)
    assert torch.allclose(found @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]).expand(2, 3))
    assert torch.allclose(found[1] @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert torch.allclose(torch.linalg.det(found), torch.ones(2))


def test_a_view_shows_what_is_ahead_and_names_what_is_behind_nan() -> None:
    views = level_views(2, 100.0, 50.0)
    points = torch.tensor([[0.0, 0.0, 2.0], [1.0, -0.5, 2.0], [0.0, 0.0, -2.0], [9.0, 0.0, 2.0]])
    pixels = views.project(points.expand(2, 4, 3))
    assert pixels[0, :2].tolist() == [[50.0, 50.0], [75.0, 37.5]]
    assert pixels[:, 2].isnan().all()
    assert views.contains(pixels).tolist() == 2 * [[True, True, False, False]]
    assert torch.equal(views.project_rows(points[None, :2], torch.tensor([1])), pixels[1:, :2])
    assert torch.equal(views.repeat(3).up, views.up.repeat(3, 1))


def test_sampled_views_look_at_an_upright_world_from_common_focal_lengths() -> None:
    views = sample_views(Rng((0, 0)), 200)
    assert (views.up[:, 1] < -0.8).all()
    share = views.focal_px / views.size.norm(dim=-1)
    assert share.min() >= 0.5 and share.max() <= 2.0
    assert torch.equal(views.principal_px, views.size / 2)
    assert len(views.size.unique(dim=0)) > 4


def stances_of(count: int) -> Stances:
    root, low, high = ([0.0, 0.1, 0.0], [-0.3, -0.8, -0.2], [0.3, 0.95, 0.2])
    places = (torch.tensor(point).expand(count, 1, 3) for point in (root, low, high))
    return Stances(*places, torch.full((count, 1), -0.95))


def test_a_stance_says_how_far_the_body_reaches_and_lies_at_its_place() -> None:
    vertices = torch.randn(3, 50, 3)
    up = torch.tensor([[0.0, -1.0, 0.0], [0.0, -0.8, -0.6]])
    image_index, place = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 2])
    found = measure_stances(vertices, vertices[:, 0], up, image_index, place, 4)
    assert found.root.shape == (2, 4, 3)
    assert torch.equal(found.low[1, 2], vertices[2].amin(0)) and torch.equal(found.high[1, 0], vertices[1].amax(0))
    assert torch.allclose(found.sole[1, 2], (vertices[2] @ up[1]).min())
    assert not found.root[0, 1:].any() and not found.sole[1, [1, 3]].any()


def test_a_placed_body_touches_the_floor_where_it_was_put() -> None:
    up = sample_views(Rng((0, 1)), 5).up
    spot = torch.tensor([0.4, 1.2, 5.0]).expand(5, 3)
    trans = stand_at(stances_of(5), 0, spot, up)
    assert torch.allclose(-0.95 + (trans * up).sum(-1), (spot * up).sum(-1), atol=1e-5)
    assert torch.allclose(spot_below(stances_of(5), trans, up), spot, atol=1e-5)


def test_the_first_person_fits_the_picture_and_the_fault_tells_a_wrong_camera_height() -> None:
    views, stances = sample_views(Rng((0, 2)), 40), stances_of(40)
    trans, fault = place_first(Rng((0, 3)), views, stances, (0.2, 0.8), 0.0, 6)
    assert trans.shape == (40, 6, 3) and fault.shape == (40, 6)
    middle = (stances.low + stances.high) / 2 + trans
    assert views.contains(views.project(middle)).all()
    share = views.focal_px[:, None] * 1.75 / middle[..., 2] / views.size[:, 1:]
    assert share.min() > 0.19 and share.max() < 0.81
    above = -(stances.sole + (trans * views.up[:, None]).sum(-1))
    assert torch.equal(fault == 0, (above >= 0.1) & (above <= 6.0))
    assert (fault == 0).float().mean() > 0.3


def test_of_several_candidates_the_first_good_one_is_taken() -> None:
    candidates = torch.arange(12.0).view(3, 4, 1)
    good = torch.tensor([[False, True, True, False], [False] * 4, [True] * 4])
    assert first_good(candidates, good)[:, 0].tolist() == [1.0, 4.0, 8.0]


def test_people_share_the_floor_and_keep_apart() -> None:
    views = sample_views(Rng((1, 0)), 60)
    trans, fault = place_first(Rng((1, 1)), views, stances_of(60), (0.2, 0.8), 0.0, 12)
    foot = spot_below(stances_of(60), first_good(trans, fault == 0), views.up)
    taken = torch.stack([foot, foot + 9.0], 1)
    counted = torch.tensor([True, False]).expand(60, 2)
    spot, free = spots_near(Rng((1, 2)), views, foot, taken, counted)
    assert free.sum() > 40
    height = ((spot - foot) * views.up).sum(-1)
    assert height[free].abs().max() < 1e-3
    apart = (spot - foot).norm(dim=-1)[free]
    assert apart.min() > 0.38 and apart.max() < 6.0
    assert (spot[free, 2] > 1.0).all()


def test_every_region_of_the_body_is_named_and_limbs_run_from_shoulder_to_wrist(renderer: PeopleRenderer) -> None:
    surface = renderer.surface
    assert set(surface.region.unique().tolist()) == {TORSO, ARM, HAND, LEG, FOOT, HEAD}
    arm, leg = surface.region == ARM, surface.region == LEG
    assert torch.corrcoef(torch.stack([surface.rest[arm, 0].abs(), surface.along[arm]]))[0, 1] > 0.95
    assert torch.corrcoef(torch.stack([surface.rest[leg, 1], surface.along[leg]]))[0, 1] < -0.95
    assert surface.rest[surface.region == FOOT, 1].max() < surface.rest[surface.region == TORSO, 1].min()


def test_equal_chances_dress_alike_and_colours_stay_in_range(renderer: PeopleRenderer) -> None:
    first, again, other = (dress(Rng((5, k)), renderer.surface, 2) for k in (0, 0, 1))
    assert torch.equal(first.albedo, again.albedo)
    assert torch.equal(first.thickness, again.thickness)
    assert not torch.equal(first.albedo, other.albedo)
    outfits = dress(Rng((5, 2)), renderer.surface, 20)
    assert outfits.albedo.min() > 0
    assert outfits.albedo.max() <= 0.95
    assert 0 <= outfits.thickness.min() <= outfits.thickness.max() < 0.1


def test_everybody_wears_something_else_and_hands_are_thin(renderer: PeopleRenderer) -> None:
    outfits = dress(Rng((6, 0)), renderer.surface, 12)
    region = renderer.surface.region
    assert not outfits.thickness[:, region == HAND].any()
    assert (outfits.thickness[:, region == TORSO].amax(1) > 0).sum() >= 10
    looks = outfits.albedo[:, region == TORSO].mean(1)
    assert (looks[:, None] - looks[None] + torch.eye(12)[..., None]).norm(dim=-1).min() > 1e-3
    twice = outfits.repeat(2)
    assert torch.equal(twice.albedo[12:], outfits.albedo) and torch.equal(twice.thickness[:12], outfits.thickness)


def lights_of(lamps: list[list[float]], shadow: float) -> Lights:
    """Return grey skies with one lamp each, in world axes."""
    count = len(lamps)
    towards = torch.nn.functional.normalize(torch.tensor(lamps), dim=-1)
    both = torch.stack([towards, torch.tensor([0.0, 1.0, 0.0]).expand(count, 3)], 1)
    colours = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]).expand(count, 2, 3)
    grey = torch.full((count, 3), 0.4)
    return Lights(grey, grey / 2, both, colours, torch.full((count,), shadow))


def test_the_side_towards_the_lamp_is_bright_and_the_side_towards_the_floor_dark() -> None:
    lights = lights_of([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], 0.0)
    level = tilted_cameras(torch.zeros(2), torch.zeros(2))
    right, left, upward, down = [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]
    normals = torch.tensor([right, left, upward, down]).expand(3, 4, 3)
    image_index = torch.tensor([0, 1, 1])
    found = shade(torch.full((3, 4, 3), 0.5), normals, level, lights, image_index)[..., 0]
    assert torch.allclose(found[0], 0.5 * torch.tensor([1.3, 0.3, 0.4, 0.2]))
    assert torch.allclose(found[1], 0.5 * torch.tensor([0.3, 1.3, 0.4, 0.2]))
    assert torch.equal(found[1], found[2])


def test_sampled_lamps_stand_above_the_floor_and_some_throw_no_shadow() -> None:
    lights = sample_lights(Rng((0, 4)), 100)
    assert (lights.lamp_directions[..., 1] > 0).all()
    assert torch.allclose(lights.lamp_directions.norm(dim=-1), torch.ones(100, 2))
    assert min(lights.sky.min(), lights.ground.min()) > 0 and lights.lamp_colours.min() >= 0
    assert 5 < (lights.shadow == 0).sum() < 50 and lights.shadow.max() <= 0.75
    assert torch.equal(lights.repeat(2).lamp_colours[100:], lights.lamp_colours)


def post_at(x: float) -> Tensor:
    """Return points of a post 1.5 m high, 6 m ahead."""
    return torch.stack([torch.full((400,), x), torch.linspace(1.5, 0.0, 400), torch.full((400,), 6.0)], 1)


def test_a_shadow_falls_away_from_the_lamp_in_its_own_picture() -> None:
    lights = lights_of([[-1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]], 0.5)
    foot = torch.tensor([0.0, 1.5, 6.0]).expand(3, 3)
    bodies = torch.stack([post_at(0.0), post_at(0.0), post_at(2.0)])
    dark = ground_shadows(bodies, torch.tensor([0, 1, -1]), foot, level_views(3, 128.0, 100.0), lights, 128, 128)
    assert dark.shape == (3, 1, 128, 128)
    column = (dark.sum((1, 2)) * torch.arange(128)).sum(-1) / dark.sum((1, 2, 3))
    assert 70 < column[0] < 90
    assert 38 < column[1] < 58
    assert not dark[2].any()  # who is in no picture throws no shadow
    line = (dark[0, 0].sum(1) * torch.arange(128)).sum() / dark[0].sum()
    assert abs(line - 89) < 2  # on the floor, 64 + 100 * 1.5 / 6
    assert 0.15 < dark.max() <= 0.5


def test_a_joint_is_hidden_by_another_person_by_a_cover_and_by_the_own_body() -> None:
    rows = torch.full((2, 8, 8), -1, dtype=torch.int32)
    depth, own = torch.full((2, 8, 8), torch.inf), torch.full((1, 8, 8), torch.inf)
    own[:, :, :4], rows[1, :, :4], depth[1, :, :4] = 3.0, 0, 3.0
    rows[1, :2, :2], depth[1, :2, :2] = 1, 2.0
    cover = torch.zeros(2, 4, 4)
    cover[1, 3, 0] = 1.0
    pixels = torch.tensor([[[0.5, 0.5], [0.5, 3.5], [1.5, 2.0], [1.5, 2.0], [9.0, 1.0], [torch.nan, torch.nan]]])
    depths = torch.tensor([[3.05, 3.05, 3.05, 3.4, 3.0, 3.0]])
    row, image_index = torch.tensor([0]), torch.tensor([1])
    marks = joint_visibility(pixels, depths, torch.full((6,), 0.1), row, image_index, rows, depth, own, cover, 2)
    assert marks.tolist() == [[HIDDEN, HIDDEN, VISIBLE, HIDDEN, OUTSIDE, OUTSIDE]]
    bare = joint_visibility(pixels, depths, torch.full((6,), 0.1), row, image_index, rows, depth, own, None, 2)
    assert bare.tolist() == [[HIDDEN, VISIBLE, VISIBLE, HIDDEN, OUTSIDE, OUTSIDE]]


def _standing(body: BodyModel, x: float, depth: float, frames: int) -> Actor:
    pose = np.zeros((frames, 24, 3), np.float32)
    pose[:, 0] = [np.pi, 0.0, 0.0]  # the template's up is the camera's up, facing the camera
    place = np.tile(np.float32([x, 0.0, depth]), (frames, 1))
    rest = body.rest_joints(torch.zeros(1, 10))[0, 0].numpy()
    return Actor(pose, place - rest, np.zeros(10, np.float32))


def test_a_sequence_says_who_is_hidden_and_keeps_their_looks(body: BodyModel, renderer: PeopleRenderer) -> None:
    view = level_views(1, 96.0, 100.0)
    light = replace(sample_lights(Rng((0, 5)), 1), shadow=torch.zeros(1))
    back = np.full((96, 96, 3), 128, np.uint8)
    outfits = dress(Rng((0, 6)), renderer.surface, 3)
    actors = [_standing(body, 0.0, 3.0, 6), _standing(body, 0.0, 4.5, 6), _standing(body, 50.0, 4.5, 6)]
    floor = np.array([0, 1.0, 3.0])
    frames = list(render_sequence(body, renderer, actors, outfits, view, light, back, floor, noise=0.0))
    assert len(frames) == 6
    assert all(np.array_equal(frames[0].image, frame.image) for frame in frames)
    assert (frames[0].image[:, :10] == 128).all() and not (frames[0].image[30:60, 48] == 128).all()
    shares = frames[0].visible_share
    assert shares[0] == 1.0
    assert shares[1] < 0.25
    assert shares[2] == 0.0
    assert np.isnan(frames[0].boxes_xyxy[2]).all()
    assert np.isfinite(frames[0].boxes_xyxy[:2]).all()
    assert frames[0].area_px[0] > frames[0].area_px[1] > frames[0].area_px[2] == 0
    assert frames[0].visible30[0].max() == VISIBLE
    assert (frames[0].visible30[1] == HIDDEN).sum() > 15
    head_y, foot_y = frames[0].joints30_px[0, 15, 1], frames[0].joints30_px[0, 7, 1]
    assert head_y < foot_y


def test_what_stands_before_somebody_hides_them_and_their_joints(body: BodyModel, renderer: PeopleRenderer) -> None:
    view = level_views(1, 96.0, 100.0)
    light, outfits = sample_lights(Rng((0, 5)), 1), dress(Rng((0, 6)), renderer.surface, 1)
    back, floor = np.full((96, 96, 3), 128, np.uint8), np.array([0, 1.0, 3.0])
    asked = []

    def lower_half(first: int, stop: int) -> Covers:
        asked.append((first, stop))
        alpha = torch.zeros(stop - first, 96, 96)
        alpha[:, 48:] = torch.arange(first, stop)[:, None, None] >= 1
        return Covers(alpha, torch.full((stop - first, 96, 96, 3), 7.0))

    actors = [_standing(body, 0.0, 3.0, 7)]
    frames = list(
        render_sequence(body, renderer, actors, outfits, view, light, back, floor, covers=lower_half, noise=0.0)
    )
    assert asked == [(0, 5), (5, 7)]
    assert (frames[1].image[50:] == 7).all() and not (frames[0].image[50:] == 7).any()
    assert frames[0].visible_share[0] == 1.0 and 0.3 < frames[1].visible_share[0] < 0.7
    lower = frames[1].joints30_px[0, :, 1] > 49
    assert (frames[1].visible30[0, lower] == HIDDEN).all() and (frames[1].visible30[0, ~lower] == VISIBLE).any()
    assert frames[1].area_px[0] == frames[0].area_px[0]


def test_actors_of_unequal_length_are_refused(body: BodyModel, renderer: PeopleRenderer) -> None:
    actors = [_standing(body, 0.0, 3.0, frames) for frames in (2, 1)]
    outfits, light = dress(Rng((0, 6)), renderer.surface, 2), sample_lights(Rng((0, 5)), 1)
    back = np.zeros((96, 96, 3), np.uint8)
    with pytest.raises(ValueError, match="same number"):
        next(render_sequence(body, renderer, actors, outfits, level_views(1, 96.0, 100.0), light, back, np.zeros(3)))
