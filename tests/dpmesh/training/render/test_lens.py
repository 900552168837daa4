"""Distortion, against OpenCV's."""

import cv2
import numpy as np
import torch

from dpmesh.training.render.lens import SLOPE_MAX, distort, undistort

LENS = np.array([-0.28, 0.18, 0.001, -0.0007, -0.04])


def slopes(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).uniform((-0.9, -0.55), (0.9, 0.55), (count, 2))


def test_points_within_the_picture_are_bent_as_opencv_bends_them() -> None:
    points = np.column_stack([slopes(), np.ones(200)])
    wanted = cv2.projectPoints(points[:, None], np.zeros(3), np.zeros(3), np.eye(3), LENS)[0][:, 0]
    found = distort(torch.from_numpy(points[None, :, :2]), torch.from_numpy(LENS[None]))[0].numpy()
    assert np.abs(found - wanted).max() < 1e-12
    assert np.abs(found - points[:, :2]).max() > 0.05


def test_undistortion_is_the_inverse() -> None:
    bent = distort(torch.from_numpy(slopes()[None]), torch.from_numpy(LENS[None]))[0].numpy()
    assert np.abs(undistort(bent, LENS) - slopes()).max() < 1e-6


def test_what_is_far_beside_the_picture_does_not_come_back_into_it() -> None:
    wide = torch.linspace(0.1, 20.0, 500)[None, :, None] * torch.tensor([0.8, 0.6])
    reach = distort(wide, torch.from_numpy(LENS[None]).float())[0].norm(dim=-1)
    inside = wide[0].norm(dim=-1) <= SLOPE_MAX
    assert (reach[~inside] >= reach[inside].max() - 0.01).all()
