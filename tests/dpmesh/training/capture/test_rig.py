"""The dome, and its calibration as the program reads it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.errors import SettingsError
from dpmesh.training.capture.annotations import Z_UP_FROM_ROOM
from dpmesh.training.capture.rig import (
    CAMERA_COUNT,
    DOME_M,
    DomeCamera,
    calibration_of,
    choose_cameras,
    dome_cameras,
    door_bearing,
)
from pipeline.capture import Camera, read_calibration


@pytest.fixture
def dome() -> list[DomeCamera]:
    return dome_cameras(np.random.default_rng(3), (960, 540))


def read_back(folder: Path, dome: list[DomeCamera], **turned: float) -> dict[str, Camera]:
    path = folder / "calibration_seq.json"
    path.write_text(json.dumps(calibration_of(dome, {f"00_{key[1:]}": value for key, value in turned.items()})))
    return {camera.name: camera for camera in read_calibration(path).cameras}


def test_the_file_says_where_cameras_stand_and_what_they_see(dome: list[DomeCamera], tmp_path: Path) -> None:
    read = read_back(tmp_path, dome)
    points = np.random.default_rng(0).uniform((-1.0, 0.2, -1.0), (1.0, 1.8, 1.0), (50, 3))
    assert len(read) == CAMERA_COUNT
    for camera in dome:
        found = read[camera.name]
        assert found.size_px == (960, 540)
        assert np.abs(found.centre_m - Z_UP_FROM_ROOM @ camera.centre_m).max() < 1e-6
        assert np.hypot(*found.centre_m[:2]) == pytest.approx(DOME_M, abs=1e-6) and found.centre_m[2] > 0.5
        drawn = camera.view().project(torch.from_numpy(camera.to_camera(points)[None]).float())[0].numpy()
        seen = found.project(points @ Z_UP_FROM_ROOM.T) + 0.5  # the renderer's first pixel begins at 0
        assert np.abs(seen - drawn).max() < 0.01
        plain = (points @ Z_UP_FROM_ROOM.T) @ found.rotation.T + found.translation_m
        straight = plain[:, :2] / plain[:, 2:] * found.focal_px + found.matrix[:2, 2] + 0.5
        assert np.abs(straight - drawn).max() > 3.0  # the lens bends


def test_a_wrong_calibration_turns_one_camera_where_it_stands(dome: list[DomeCamera], tmp_path: Path) -> None:
    right, wrong = read_back(tmp_path, dome), read_back(tmp_path, dome, c03=np.radians(3.0))
    for name, camera in right.items():
        turn = wrong[name].rotation @ camera.rotation.T
        angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        assert angle == pytest.approx(3.0 if name == "00_03" else 0.0, abs=1e-3)
        assert np.abs(wrong[name].centre_m - camera.centre_m).max() < 1e-6


def test_nobody_who_leaves_runs_into_a_camera(dome: list[DomeCamera]) -> None:
    bearing = door_bearing(dome)
    door = DOME_M * np.array([np.sin(bearing), np.cos(bearing)])
    low = [camera.centre_m[[0, 2]] for camera in dome if camera.centre_m[1] < 2.2]
    assert min(np.linalg.norm(low - door, axis=1)) > 0.5


def test_a_camera_that_is_not_there_is_named(dome: list[DomeCamera]) -> None:
    assert [camera.name for camera in choose_cameras(dome, ["00_30", "00_02", "00_30"])] == ["00_30", "00_02"]
    with pytest.raises(SettingsError, match="camera '00_31': the dome has none of that name; choose from 00_00 to"):
        choose_cameras(dome, ["00_31"])


def test_a_camera_that_is_turned_to_the_left_stays_where_it_is_and_sees_what_is_there(dome: list[DomeCamera]) -> None:
    camera = dome[3]
    turned = camera.turned(0.2)
    np.testing.assert_array_equal(turned.centre_m, camera.centre_m)
    up = camera.camera_from_room[:, 1]
    np.testing.assert_allclose(turned.camera_from_room[:, 1], up, atol=1e-12)  # about the upright
    ahead = camera.centre_m + camera.camera_from_room[2]  # what was in the middle of the picture
    assert camera.to_camera(ahead)[0] == pytest.approx(0.0, abs=1e-9) and turned.to_camera(ahead)[0] > 0.1
