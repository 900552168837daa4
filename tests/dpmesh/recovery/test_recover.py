"""Crops to bodies."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR

from configs.schema import RecoverSettings
from configs.skeletons import MIRRORED_17
from dpmesh.body import load_body
from dpmesh.geometry.rotations import axis_angle_to_matrix, nearest_rotation
from dpmesh.network.config import LATENT_PX, NetworkConfig
from dpmesh.network.hints import mirrored_hints, rotated_hints
from dpmesh.network.model import DPMesh
from dpmesh.recovery.crop_inputs import crop_inputs
from dpmesh.recovery.quarter_turns import quarter_turns, turn_matrices
from dpmesh.recovery.recover import BodyRecovery, PeopleInImages, mirrored_joints, mirrored_rotations

WIDTH = 120


def random_network(hint_lift: int = 0) -> DPMesh:
    torch.manual_seed(0)
    regressor = replace(TINY_REGRESSOR, hint_lift=hint_lift)
    network = DPMesh(**NetworkConfig(TINY_BACKBONE, regressor).to_mappings()).eval()
    with torch.no_grad():
        network.joint_lift.body.weight.mul_(50.0)  # so that bodies differ
        if network.joint_lift.hints is not None:
            network.joint_lift.hints.change.weight.normal_(0.0, 0.05)
    return network


def person(rng: np.random.Generator) -> PeopleInImages:
    keypoints = np.concatenate([rng.uniform(30, 90, (1, 17, 2)), np.ones((1, 17, 1))], axis=-1).astype(np.float32)
    box = np.array([[25, 25, 95, 95]], np.float32)
    principal = np.array([[WIDTH / 2, WIDTH / 2]], np.float32)
    return PeopleInImages(np.zeros(1, np.int64), box, keypoints, np.array([200.0], np.float32), principal)


def with_hints(people: PeopleInImages, rng: np.random.Generator) -> PeopleInImages:
    hints = np.concatenate([rng.normal(0, 0.4, (1, 12, 3)), rng.uniform(0.2, 1, (1, 12, 1))], axis=-1)
    return replace(people, hints=hints.astype(np.float32))


def in_mirror(people: PeopleInImages) -> PeopleInImages:
    keypoints = people.keypoints[:, list(MIRRORED_17)].copy()
    keypoints[..., 0] = WIDTH - keypoints[..., 0]
    boxes = people.boxes_xyxy[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [WIDTH, 0, WIDTH, 0]
    hints = None if people.hints is None else mirrored_hints(torch.from_numpy(people.hints)).numpy()
    return replace(people, keypoints=keypoints, boxes_xyxy=boxes.astype(np.float32), hints=hints)


@pytest.mark.parametrize("is_told", [False, True])
def test_seen_in_a_mirror_as_well_a_body_and_its_mirror_image_are_recovered_alike(is_told: bool) -> None:
    rng = np.random.default_rng(0)
    image, people = rng.integers(0, 255, (WIDTH, WIDTH, 3), dtype=np.uint8), person(rng)
    people = with_hints(people, rng) if is_told else people
    body, apart = load_body(None), {}
    for is_flip_test_on in (False, True):
        settings = RecoverSettings(is_flip_test_on=is_flip_test_on)
        recovery = BodyRecovery(random_network(16 * is_told), body, settings, device="cpu")
        straight = recovery.recover([image], people).params
        mirrored = recovery.recover([np.ascontiguousarray(image[:, ::-1])], in_mirror(people)).params
        wanted = mirrored_rotations(axis_angle_to_matrix(torch.from_numpy(straight.pose)))
        found = axis_angle_to_matrix(torch.from_numpy(mirrored.pose))
        apart[is_flip_test_on] = float((found - wanted).abs().max())
        assert np.isfinite(straight.pose).all() and straight.pose.shape == (1, 24, 3)
    assert apart[False] > 0.05
    assert apart[True] < 0.02


@pytest.mark.parametrize("side", [64.0, 128.0, 200.0])
def test_a_drawn_spot_and_its_joint_are_mirrored_about_one_axis(side: float) -> None:
    """Other scales shift the picture a little, as crops know no half pixel; in a mirror they do so the other way."""
    image, crop_px = np.zeros((300, 300, 3), np.uint8), 128
    image[144:152, 156:164] = 255
    joints, square = np.tile([160.0, 148.0], (1, 30, 1)), np.array([[150.0, 150.0, side]])
    given = crop_inputs([image], np.zeros(1, np.int64), joints, np.ones((1, 30), bool), square, crop_px)
    place = torch.arange(crop_px) + 0.5

    def apart(crop: torch.Tensor, grid: torch.Tensor) -> list[float]:
        light = crop[..., 0].float() / crop[..., 0].sum()
        x, y = (light.sum(0) * place).sum(), (light.sum(1) * place).sum()
        return (grid[0, 0] * crop_px / LATENT_PX - torch.stack([x, y])).tolist()

    crop, grid = torch.from_numpy(given.image[0]), torch.from_numpy(given.joints)
    straight, other = apart(crop, grid), apart(crop.flip(1), mirrored_joints(grid))
    assert straight == pytest.approx([0.5 * (crop_px / side - 1)] * 2, abs=0.1)
    assert other == pytest.approx([-straight[0], straight[1]], abs=1e-3)


def turned(people: PeopleInImages, quarters: int) -> PeopleInImages:
    """Return people as they lie in a picture that was turned by quarters, clockwise."""
    keypoints, boxes = people.keypoints.copy(), people.boxes_xyxy
    for _ in range(quarters):
        keypoints[..., :2] = np.stack([WIDTH - keypoints[..., 1], keypoints[..., 0]], axis=-1)
        boxes = np.stack([WIDTH - boxes[:, 3], boxes[:, 0], WIDTH - boxes[:, 1], boxes[:, 2]], axis=1)
    hints = None
    if people.hints is not None:
        hints = rotated_hints(torch.from_numpy(people.hints), turn_matrices(np.array([quarters]))).numpy()
    return replace(people, keypoints=keypoints, boxes_xyxy=boxes, hints=hints)


def standing(rng: np.random.Generator) -> PeopleInImages:
    people = person(rng)
    people.keypoints[0, [5, 6], 1], people.keypoints[0, [11, 12], 1] = 40.0, 70.0
    people.keypoints[0, [5, 11], 0], people.keypoints[0, [6, 12], 0] = 65.0, 55.0
    return people


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_gives_the_same_body_turned(quarters: int, is_told: bool) -> None:
    rng = np.random.default_rng(1)
    image, people = rng.integers(0, 255, (WIDTH, WIDTH, 3), dtype=np.uint8), standing(rng)
    people = with_hints(people, rng) if is_told else people
    network, settings = random_network(16 * is_told), RecoverSettings(is_camera_fitted=False)
    recovery = BodyRecovery(network, load_body(None), settings, device="cpu")
    straight = recovery.recover([image], people).params
    found = recovery.recover([np.ascontiguousarray(np.rot90(image, -quarters))], turned(people, quarters)).params
    np.testing.assert_allclose(found.pose[:, 1:], straight.pose[:, 1:], atol=0.03)
    turn = turn_matrices(np.array([quarters]))[0]
    roots = [axis_angle_to_matrix(torch.from_numpy(params.pose[0, 0])) for params in (straight, found)]
    torch.testing.assert_close(roots[1], turn @ roots[0], atol=0.03, rtol=0)
    pelvis = [load_body(None).joints(*(torch.from_numpy(a) for a in (p.pose, p.betas, p.trans)), "smpl24")[0, 0]
              for p in (straight, found)]  # fmt: skip
    torch.testing.assert_close(pelvis[1], turn @ pelvis[0], atol=0.02, rtol=0)


def test_only_a_spine_that_is_told_and_far_from_upright_turns_a_crop() -> None:
    joints, sure = np.zeros((1, 30, 2), np.float32), np.ones((1, 30), bool)

    def turns(x: float, y: float) -> int:
        joints[0, 12] = x, y
        return int(quarter_turns(joints, sure, np.array([100.0]))[0])

    assert [turns(0, -30), turns(20, -30), turns(30, 0), turns(0, 30), turns(-30, 5)] == [0, 0, 1, 2, 3]
    assert turns(0, 5) == 0  # foreshortened
    sure[0, 0] = False
    assert turns(0, 30) == 0


def test_a_leg_in_front_and_the_same_leg_behind_do_not_become_a_leg_at_rest() -> None:
    body = load_body(None)
    recovery = BodyRecovery(random_network(), body, RecoverSettings(is_flip_test_on=True), device="cpu")
    poses = torch.zeros(2, 3, 24, 3)
    poses[:, :, 0, 0] = np.pi
    poses[0, :, 1, 0], poses[1, :, 1, 0] = -0.7, 0.7
    poses[1, 2] = poses[0, 2] + 0.1  # the third person's two bodies are alike
    poses[:, :, 0, 1] = 1.2  # seen from the side, so that the joints tell which is right
    rotations, betas = axis_angle_to_matrix(poses), torch.stack([torch.full((3, 10), 0.4), torch.full((3, 10), -0.2)])
    joints = [
        body.joints(pose, shape, torch.zeros(3, 3), "dpmesh30")[..., :2]
        for pose, shape in zip(poses, betas, strict=True)
    ]
    given = 10.0 * torch.stack([joints[0][0], joints[1][1], joints[0][2]]) + 16.0
    confidence = torch.ones(3, 30)
    given[0, 20:] += 40.0
    confidence[0, 20:] = 0.0  # what is not given does not count, wherever it stands
    found, shape = recovery._merge_flipped((rotations[0], betas[0]), (rotations[1], betas[1]), given, confidence)
    torch.testing.assert_close(found[0], rotations[0, 0])
    torch.testing.assert_close(found[1], rotations[1, 1])
    torch.testing.assert_close(found[2], nearest_rotation(rotations[0, 2] + rotations[1, 2]))
    torch.testing.assert_close(shape, torch.tensor([0.4, -0.2, 0.1])[:, None].expand(3, 10))
    alone, shape = recovery._merge_flipped(
        (rotations[0, 2:], betas[0, 2:]), (rotations[1, 2:], betas[1, 2:]), given[2:], confidence
    )
    torch.testing.assert_close(alone[0], found[2])
    torch.testing.assert_close(shape, torch.full((1, 10), 0.1))


@pytest.mark.parametrize(("apart_rad", "is_mean"), [(0.89, True), (0.91, False)])
def test_two_estimates_are_alike_up_to_the_largest_difference_of_any_joint(apart_rad: float, is_mean: bool) -> None:
    recovery = BodyRecovery(random_network(), load_body(None), RecoverSettings(is_flip_test_on=True), device="cpu")
    poses = torch.zeros(2, 1, 24, 3)
    poses[1, 0, 4, 0] = apart_rad
    rotations, betas = axis_angle_to_matrix(poses), torch.zeros(1, 10)
    given = 10.0 * load_body(None).joints(poses[1], betas, torch.zeros(1, 3), "dpmesh30")[..., :2]
    found, _ = recovery._merge_flipped((rotations[0], betas), (rotations[1], betas), given, torch.ones(1, 30))
    wanted = nearest_rotation(rotations[0] + rotations[1]) if is_mean else rotations[1]
    torch.testing.assert_close(found, wanted)


def test_hints_count_for_the_rows_that_have_some() -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (WIDTH, WIDTH, 3), dtype=np.uint8)
    one = person(rng)
    fields = (one.image_row, one.boxes_xyxy, one.keypoints, one.focal_px, one.principal_px)
    two = PeopleInImages(*(np.concatenate([value, value]) for value in fields))
    hints = np.concatenate([with_hints(one, rng).hints, np.zeros((1, 12, 4), np.float32)])
    recovery = BodyRecovery(random_network(16), load_body(None), RecoverSettings(), device="cpu")
    plain, told = recovery.recover([image], two).params, recovery.recover([image], replace(two, hints=hints)).params
    np.testing.assert_allclose(told.pose[1], plain.pose[1], atol=1e-5)
    assert np.abs(told.pose[0] - plain.pose[0]).max() > 0.05
