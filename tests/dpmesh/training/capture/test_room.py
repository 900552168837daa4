"""The empty room."""

import numpy as np
import pytest
import torch

from dpmesh.training.capture.rig import WALL_M, choose_cameras, dome_cameras
from dpmesh.training.capture.room import paint_room


def test_a_spot_of_the_floor_or_the_wall_has_one_colour_in_all_views() -> None:
    size = (160, 90)
    ramp = np.zeros((240, 400, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 400)
    ramp[..., 1] = np.linspace(0, 255, 240)[:, None]
    dome = dome_cameras(np.random.default_rng(0), size)
    wall = np.array([WALL_M * np.sin(1.0), 1.4, WALL_M * np.cos(1.0)])
    for spot in (np.array([0.4, 0.0, 0.3]), wall):
        colours = []
        for camera in choose_cameras(dome, [f"00_{k:02d}" for k in range(0, 31, 5)]):
            place = camera.to_camera(spot)
            pixel = camera.view().project(torch.from_numpy(place[None]).float())[0].numpy() - 0.5
            if place[2] > 0.1 and (pixel > 3).all() and (pixel < np.array(size) - 4).all():
                column, row = np.rint(pixel).astype(int)
                colours.append(paint_room(camera, ramp)[row, column, :2])
        assert len(colours) >= 3
        assert np.ptp(np.array(colours, float), axis=0).max() == pytest.approx(0.0, abs=16)
