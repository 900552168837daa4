"""Crops tell the truth about the body they show."""

from dataclasses import fields

import pytest
import torch

from dpmesh.training.engine.rng import Rng
from dpmesh.training.people.crops import NEIGHBOURS, Crops, make_crops
from dpmesh.training.people.population import SEEN_OF_30, Studio

COUNT, SIDE = 12, 64


@pytest.fixture(scope="module")
def crops(studio: Studio) -> Crops:
    return make_crops(studio, Rng((3, 0)), COUNT, SIDE)


def assert_same(found: Crops, wanted: Crops) -> None:
    for field in fields(Crops):
        torch.testing.assert_close(
            getattr(found, field.name), getattr(wanted, field.name), rtol=0, atol=0, equal_nan=True, msg=field.name
        )


def test_equal_chances_give_equal_crops_and_other_chances_others(studio: Studio) -> None:
    first, again, other = (make_crops(studio, Rng((7, k)), 2, 32) for k in (0, 0, 1))
    assert_same(again, first)
    assert not torch.equal(other.image, first.image)
    assert not torch.equal(other.pose, first.pose)


def test_parts_of_the_crops_join_to_the_whole(crops: Crops) -> None:
    assert_same(Crops.join([crops[:5], crops[torch.arange(5, COUNT)]]), crops)
    assert len(crops[:5].to("cpu")) == 5


def test_crops_that_do_not_fit_together_are_refused(crops: Crops) -> None:
    columns = {field.name: getattr(crops, field.name) for field in fields(Crops)}
    with pytest.raises(ValueError, match=r"betas: got shape \(3, 10\)"):
        Crops(**columns | {"betas": crops.betas[:3]})


def test_joints_follow_from_pose_shape_and_translation(studio: Studio, crops: Crops) -> None:
    joints = studio.body.joints(crops.pose, crops.betas, crops.trans, joint_set="dpmesh30")
    torch.testing.assert_close(joints, crops.joints30_cam, rtol=0, atol=2e-4)


def test_crop_pixels_follow_from_camera_and_box(crops: Crops) -> None:
    full = crops.joints30_cam[..., :2] / crops.joints30_cam[..., 2:] * crops.focal_px[:, None, None]
    corner = crops.box_centre_px - crops.box_px[:, None] / 2
    expected = (full + (crops.principal_px - corner)[:, None]) * (SIDE / crops.box_px)[:, None, None]
    torch.testing.assert_close(crops.joints30_px, expected, rtol=1e-3, atol=0.05)


def test_the_middle_of_the_crop_lies_on_the_crop_frame_axis(crops: Crops) -> None:
    slope = (crops.box_centre_px - crops.principal_px) / crops.focal_px[:, None]
    ray = torch.cat([slope, torch.ones(COUNT, 1)], 1)
    seen_from_crop = (crops.camera_from_crop.mT @ ray[..., None])[..., 0]
    assert seen_from_crop[:, :2].abs().max() < 1e-4
    assert (seen_from_crop[:, 2] > 0).all()


def test_people_stand_upright_in_front_of_the_camera(crops: Crops) -> None:
    head, pelvis = crops.joints30_cam[:, 15], crops.joints30_cam[:, 0]
    assert (head[:, 1] < pelvis[:, 1] - 0.3).all()
    assert (crops.joints30_cam[..., 2] > 0).all()


def test_a_joint_outside_of_the_crop_or_the_image_is_marked_outside(crops: Crops) -> None:
    in_crop = ((crops.joints30_px >= 0) & (crops.joints30_px < SIDE)).all(-1)
    full = (crops.joints30_px - SIDE / 2) * (crops.box_px / SIDE)[:, None, None] + crops.box_centre_px[:, None]
    slack = 0.1
    beyond = ((full < -slack) | (full >= crops.image_size[:, None] + slack)).any(-1)
    assert (~in_crop).any() and (beyond & in_crop).any()
    assert (crops.visible30[~in_crop | beyond] == 0).all()
    assert (crops.visible30 == 2).float().mean() > 0.3
    assert (crops.visible30 == 1).any()


def test_the_box_holds_most_of_the_joints_that_a_detector_sees(crops: Crops) -> None:
    px = crops.joints30_px[:, list(SEEN_OF_30)]
    inside = ((px >= 0) & (px < SIDE)).all(-1).float().mean(1)
    assert (inside > 0.25).all()
    assert inside.mean() > 0.7


def test_outside_of_the_image_the_crop_is_black(crops: Crops) -> None:
    corner = crops.box_centre_px - crops.box_px[:, None] / 2
    cut = 0
    for k in range(COUNT):
        column = corner[k, 0] + (torch.arange(SIDE) + 0.5) * crops.box_px[k] / SIDE
        off = (column < 0) | (column >= crops.image_size[k, 0])
        assert (crops.image[k][:, :, off] == 0).all()
        assert crops.image[k][:, :, ~off].any()
        cut += bool(off.any())
    assert cut > 0


def test_neighbours_are_other_people_the_nearest_first(crops: Crops) -> None:
    others = crops.neighbour_joints17_px
    assert others.shape == (COUNT, NEIGHBOURS, 17, 2)
    own = crops.joints30_px[:, list(SEEN_OF_30[2:])].nanmean(1)
    apart = (others.nanmean(2) - own[:, None]).norm(dim=-1).nan_to_num(torch.inf)
    assert (apart[:, 1:] + 1.0 >= apart[:, :-1]).all()  # hips are marked farther out than their joints: up to a pixel
    assert apart.isfinite().any() and apart.isinf().any()
    assert (apart > 0.1).all()


def test_somebody_is_left_of_every_person(crops: Crops) -> None:
    assert (crops.hidden_share >= 0).all()
    assert (crops.hidden_share < 0.9).all()
    assert (crops.hidden_share > 0.02).any()
