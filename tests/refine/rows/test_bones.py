"""Directions of bones, as evidence of the fit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from dpmesh.body import BodyModel
from dpmesh.geometry.camera import ray_rotation
from refine.fit.solver import refine_tracks
from refine.rows.bones import BONES, HINT_NAMES, bone_directions, bone_residuals

FOCAL, PRINCIPAL = np.array([1000.0]), np.array([[500.0, 400.0]])


def standing() -> np.ndarray:
    """Return hints (1, 12, 4) of somebody who stands with hanging arms, a step forwards with the left leg."""
    sides, rows = {"left": 0.15, "right": -0.15}, {"shoulder": -0.5, "elbow": -0.2, "wrist": 0.05}
    rows |= {"outer_hip": 0.0, "knee": 0.45, "ankle": 0.9}
    points = [[sides[n.split("_")[0]], rows[n.partition("_")[2]], 0.0] for n in HINT_NAMES]
    points[HINT_NAMES.index("left_knee")][2] = -0.3  # towards the viewer
    return np.concatenate([np.array(points), np.ones((12, 1))], axis=1)[None]


def seen_at(x: float, y: float) -> np.ndarray:
    return np.tile(np.array([x, y, 0.9]), (1, 17, 1))


def test_directions_of_who_stands_on_the_optical_axis_are_those_of_the_hints() -> None:
    found = bone_directions(standing(), seen_at(500, 400), FOCAL, PRINCIPAL)
    place = BONES.index(("left_outer_hip", "left_knee"))
    expected = np.array([0.0, 0.45, -0.3]) / np.hypot(0.45, 0.3)
    np.testing.assert_allclose(found.directions[0, place], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=-1), 1.0, atol=1e-6)
    assert (found.weights == 1).all()


def test_directions_turn_with_the_ray_to_the_person() -> None:
    found = bone_directions(standing(), seen_at(1500, 400), FOCAL, PRINCIPAL)  # 45 degrees to the right
    across = found.directions[0, BONES.index(("right_shoulder", "left_shoulder"))]
    np.testing.assert_allclose(across, [np.sqrt(0.5), 0.0, -np.sqrt(0.5)], atol=1e-6)


@pytest.mark.parametrize("what", ["hidden", "short", "unseen"])
def test_what_is_not_known_has_no_weight(what: str) -> None:
    hints, keypoints = standing(), seen_at(500, 400)
    if what == "hidden":
        hints[0, HINT_NAMES.index("left_knee"), 3] = 0.2
    if what == "short":
        hints[0, HINT_NAMES.index("left_knee"), :3] = hints[0, HINT_NAMES.index("left_outer_hip"), :3]
    if what == "unseen":
        keypoints[..., 2] = 0.0
    weight = bone_directions(hints, keypoints, FOCAL, PRINCIPAL).weights[0]
    assert weight[BONES.index(("left_outer_hip", "left_knee"))] == 0.0
    assert (weight > 0).any() == (what != "unseen")


def test_nobody_has_no_bones() -> None:
    found = bone_directions(np.zeros((0, 12, 4)), np.zeros((0, 17, 3)), np.zeros(0), np.zeros((0, 2)))
    assert found.directions.shape == (0, 12, 3)


def test_a_body_as_the_hints_have_it_has_no_residual_and_outliers_count_little() -> None:
    hints = standing()
    directions = torch.from_numpy(bone_directions(hints, seen_at(500, 400), FOCAL, PRINCIPAL).directions)
    points = torch.from_numpy(hints[..., :3]).float()
    assert bone_residuals(points, directions, 0.5).abs().max() < 1e-6
    small, large = points.clone(), points.clone()
    ankle = HINT_NAMES.index("right_ankle")
    small[0, ankle, 0] += 0.045  # a tenth of a radian
    large[0, ankle, 1] -= 0.9  # turned round
    place = BONES.index(("right_knee", "right_ankle"))
    assert bone_residuals(small, directions, 0.5)[0, place] == pytest.approx(0.01, rel=0.1)
    assert bone_residuals(large, directions, 0.5)[0, place] < 0.25


@pytest.mark.parametrize("is_right", [True, False])
def test_a_fit_follows_bones_that_are_right_and_leaves_wild_ones(
    make_scene: Callable, body: BodyModel, is_right: bool
) -> None:
    scene = make_scene(30)
    view = scene.track.views[0]
    numbers = [torch.from_numpy(np.asarray(part, np.float32)) for part in (scene.pose, scene.trans)]
    betas = torch.from_numpy(np.tile(np.asarray(scene.betas, np.float32), (30, 1)))
    true = body.joints(numbers[0], betas, numbers[1], HINT_NAMES).numpy()
    middle = view.keypoints[..., :2].mean(axis=1)
    camera = (torch.from_numpy(np.asarray(part, np.float32)) for part in (middle, view.focal_px, view.principal_px))
    hints = (true - true[:, 6:8].mean(axis=1, keepdims=True)) @ ray_rotation(*camera).numpy()
    if not is_right:
        hints[..., 2] *= -1.0
        hints[..., :2] *= -1.0
    view = replace(view, hints=np.concatenate([hints, np.ones((30, 12, 1))], axis=-1).astype(np.float32))
    track = replace(scene.track, views=(view,))
    errors = []
    for sigma in (None, 0.1):
        settings = RefineSettings(bone_sigma_rad=sigma, steps=60, is_acceptance_test_on=False)
        (fit,) = refine_tracks([track], body, settings)
        found = body.joints(
            *(torch.from_numpy(part) for part in (fit.pose, np.tile(fit.betas, (30, 1)), fit.trans)), HINT_NAMES
        )
        errors.append(np.linalg.norm((found.numpy() - found.numpy()[:, :1]) - (true - true[:, :1]), axis=-1).mean())
    assert errors[1] < (0.9 if is_right else 1.3) * errors[0]
