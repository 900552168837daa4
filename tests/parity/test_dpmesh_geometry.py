"""Rotations, alignment, errors, cameras, joint sets, boxes and crops against the published implementation's numbers."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from configs.skeletons import COCO_OF_30
from dpmesh.geometry.align import Similarity, find_similarity
from dpmesh.geometry.boxes import joint_bounds, squares_of_boxes
from dpmesh.geometry.camera import project, translation_from_crop
from dpmesh.geometry.crop import crop_matrices, invert_affine
from dpmesh.geometry.rotations import (
    axis_angle_to_matrix,
    interleaved_six_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_six,
    nearest_rotation,
    quaternion_to_axis_angle,
)
from dpmesh.keypoints import to_dpmesh30
from dpmesh.network.heads import orthonormal, published_translation, rot6d_to_matrix
from pipeline.evaluation.alignment import procrustes_errors

CROP_PX = 256
ROTATION = 1e-6  # absolute; stored numbers are float32
ERROR_MM = 1e-3  # the published metrics are computed in float32, ours in float64
PIXEL = 1e-3

Arrays = dict[str, np.ndarray]


def tensor(metrics: Arrays, name: str) -> Tensor:
    return torch.from_numpy(metrics[name])


def assert_near(found: Any, wanted: Any, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=0, atol=tolerance)


def xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1).astype(np.float64)


def test_similarity_equals_the_published_alignment(metrics: Arrays) -> None:
    found = find_similarity(metrics["rigid_align/A"], metrics["rigid_align/B"])
    for name, value in (("c", found.scale), ("R", found.rotation), ("t", found.shift)):
        assert_near(value, metrics[f"rigid_align/{name}"], 1e-12)
    assert_near(found.apply(metrics["rigid_align/A"]), metrics["rigid_align/aligned"], 1e-12)


def test_errors_of_a_run_use_the_same_alignment(metrics: Arrays) -> None:
    left = np.linalg.norm(metrics["rigid_align/aligned"] - metrics["rigid_align/B"], axis=-1)
    assert_near(procrustes_errors(metrics["rigid_align/A"], metrics["rigid_align/B"]), left, 1e-12)


def test_six_numbers_give_the_published_rotations(metrics: Arrays) -> None:
    six, wanted = (tensor(metrics, f"rot6d_to_axis_angle/{name}") for name in ("x", "rotmat"))
    assert_near(rot6d_to_matrix(six), wanted, ROTATION)
    is_rotation = (wanted @ wanted.mT - torch.eye(3)).abs().amax((1, 2)) < 1e-5  # zeros and parallel columns are none
    assert is_rotation.sum() >= len(six) - 2
    angles = tensor(metrics, "rot6d_to_axis_angle/axis_angle")
    # A half turn's axis has a free sign: the matrices say it all.
    assert_near(axis_angle_to_matrix(matrix_to_axis_angle(wanted))[is_rotation], wanted[is_rotation], ROTATION)
    assert_near(axis_angle_to_matrix(angles)[is_rotation], wanted[is_rotation], ROTATION)


def test_a_batch_of_three_is_turned_like_any_other(metrics: Arrays) -> None:
    six, wanted, defect = (
        tensor(metrics, f"rot6d_batch3_quirk/{name}") for name in ("x", "correct_axis_angle", "axis_angle")
    )
    found = matrix_to_axis_angle(interleaved_six_to_matrix(six))
    assert_near(found, wanted, ROTATION)
    assert (found - defect).abs().amax() > 0.1


def test_rotations_change_form_as_published(metrics: Arrays) -> None:
    assert_near(matrix_to_six(tensor(metrics, "rotmat_to_rot6d/rotmat")), metrics["rotmat_to_rot6d/rot6d"], 0.0)
    assert_near(
        axis_angle_to_matrix(tensor(metrics, "batch_rodrigues/aa")), metrics["batch_rodrigues/rotmat"], ROTATION
    )
    assert_near(
        axis_angle_to_matrix(tensor(metrics, "batch_convert_to_rotmat_aa/aa").unflatten(-1, (-1, 3))).flatten(1),
        metrics["batch_convert_to_rotmat_aa/rotmat"],
        ROTATION,
    )
    matrices = tensor(metrics, "rotation_matrix_to_angle_axis/rotmat")
    assert_near(matrix_to_axis_angle(matrices), metrics["rotation_matrix_to_angle_axis/aa"], ROTATION)
    found, wanted = matrix_to_quaternion(matrices), tensor(metrics, "rotation_matrix_to_angle_axis/quat")
    same_sign = torch.where((found * wanted).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    assert_near(found * same_sign, wanted, ROTATION)
    assert_near(
        quaternion_to_axis_angle(tensor(metrics, "quaternion_to_angle_axis/quat")),
        metrics["quaternion_to_angle_axis/aa"],
        ROTATION,
    )


def test_nine_numbers_give_the_published_rotations(metrics: Arrays) -> None:
    nine = tensor(metrics, "rot9d_to_rotmat/x").unflatten(-1, (3, 3))
    wanted = metrics["rot9d_to_rotmat/rotmat"].reshape(-1, 3, 3)
    assert_near(nearest_rotation(nine), wanted, 2e-6)
    assert_near(orthonormal(nine), wanted, 2e-6)


def test_camera_numbers_give_the_published_translation(camera_case: Any) -> None:
    cam = torch.from_numpy(camera_case["cam"])
    focal = torch.full((len(cam),), float(camera_case["focal"]))
    found = published_translation(cam, focal, CROP_PX)
    np.testing.assert_allclose(found, camera_case["trans"], rtol=1e-5, atol=1e-6)


def test_depth_in_the_full_image_is_the_published_one_for_rendering(camera_case: Any) -> None:
    trans = torch.from_numpy(camera_case["trans"])
    focal = torch.full((len(trans),), float(camera_case["focal"]))
    side = torch.from_numpy(camera_case["bbox"][:, 2:].prod(axis=1)).sqrt()
    zero = torch.zeros(len(trans), 2)  # the published renderer draws the crop alone
    scale = 2.0 * focal / (CROP_PX * trans[:, 2])
    found = translation_from_crop(scale, trans[:, :2], zero, side, focal, zero)
    np.testing.assert_allclose(found, camera_case["trans_render"], rtol=1e-5, atol=1e-6)


def test_the_pinhole_is_the_published_one(metrics: Arrays) -> None:
    cam, pixel = tensor(metrics, "cam2pixel/cam")[None], tensor(metrics, "cam2pixel/pixel")[None]
    focal, middle = tensor(metrics, "cam2pixel/focal"), tensor(metrics, "cam2pixel/princpt")[None]
    for axis in (0, 1):  # ours has one focal length for both axes
        assert_near(project(cam, focal[axis, None], middle)[..., axis], pixel[..., axis], PIXEL)


def test_rigid_moves_are_the_published_ones(metrics: Arrays) -> None:
    cam = metrics["cam2pixel/cam"][None].astype(np.float64)
    turn, shift = metrics["cam2pixel/R"][None], metrics["cam2pixel/t"][None]
    one = np.ones(1)
    assert_near(Similarity(one, turn, shift).apply(cam)[0], metrics["cam2pixel/world2cam"], 1e-9)
    back = Similarity(one, turn.transpose(0, 2, 1), -(shift[:, None] @ turn)[:, 0])
    assert_near(back.apply(cam)[0], metrics["cam2pixel/cam2world"], 1e-9)


def test_pelvis_and_neck_of_coco_are_added_as_published(metrics: Arrays) -> None:
    source, wanted = metrics["add_pelvis_neck_coco/src"], metrics["add_pelvis_neck_coco/dst"]
    joints, confidence = to_dpmesh30(source[None])
    thirty = np.zeros((1, 30, 3))
    thirty[:, (*COCO_OF_30, 0, 12)] = wanted
    assert_near(np.concatenate([joints, confidence[..., None]], axis=-1), thirty, 1e-6)


def test_bounds_of_joints_are_the_published_ones(metrics: Arrays) -> None:
    found = joint_bounds(metrics["get_bbox/joints"][..., :2], metrics["get_bbox/valid"] > 0)
    assert_near(found, xyxy(metrics["get_bbox/bbox"]), PIXEL)


def assert_squares(found: np.ndarray, wanted_xywh: np.ndarray) -> None:
    assert_near(wanted_xywh[:, 2], wanted_xywh[:, 3], 0.0)
    assert_near(found[:, 2], wanted_xywh[:, 2], PIXEL)
    assert_near(found[:, :2] - 0.5 * found[:, 2:], wanted_xywh[:, :2], PIXEL)


def test_squares_of_the_evaluation_are_the_published_ones(metrics: Arrays) -> None:
    sizes = np.tile((640, 480), (len(metrics["process_bbox_test/bbox"]), 1))
    found = squares_of_boxes(xyxy(metrics["process_bbox_test/bbox"]), sizes)
    assert_squares(found, metrics["process_bbox_test/out"])


def test_squares_of_the_training_are_the_published_ones(box_seed_case: Any) -> None:
    boxes = xyxy(box_seed_case["bbox"])
    seed = int(box_seed_case.name.rpartition("seed")[2])
    growth = 1.0 + 0.2 * np.random.RandomState(seed).random_sample(len(boxes))
    found = squares_of_boxes(boxes, np.tile((640, 480), (len(boxes), 1)), growth)
    assert_squares(found, box_seed_case["out"])


def test_crops_are_cut_by_the_published_affine(metrics: Arrays) -> None:
    params = metrics["gen_trans/params"]
    sizes = params[:, 2:4] * params[:, 4:5]
    found = crop_matrices(params[:, :2], sizes, CROP_PX, np.deg2rad(params[:, 5]))
    np.testing.assert_allclose(found, metrics["gen_trans/fwd"], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(invert_affine(found), metrics["gen_trans/inv"], rtol=1e-6, atol=1e-4)
