"""Pictures of the dome's cameras show people where the calibration puts them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from walking_bank import walking_bank

from dpmesh.body.model import BodyModel
from dpmesh.training.capture.annotations import Z_UP_FROM_ROOM
from dpmesh.training.capture.film import film, vertices_at
from dpmesh.training.capture.plot import Actor, stage_people
from dpmesh.training.capture.rig import WALL_M, DomeCamera, calibration_of, dome_cameras
from dpmesh.training.commands.make_demo_clip import daylight
from dpmesh.training.people.population import Studio
from dpmesh.training.render.clothing import Outfits
from pipeline.capture import read_calibration

SIZE = (320, 180)


@pytest.fixture(scope="module")
def actors(body: BodyModel) -> list[Actor]:
    return stage_people(np.random.default_rng(0), body, walking_bank(), 2, (0.0, 1.2), 0.0, is_open=False)


def pictures(
    body: BodyModel, studio: Studio, actors: list[Actor], camera: DomeCamera, time_s: list[float]
) -> list[np.ndarray]:
    vertices = len(studio.renderer.surface.region)
    look = Outfits(torch.full((len(actors), vertices, 3), 0.9), torch.zeros(len(actors), vertices))
    light, black = daylight(), np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    return list(
        film(body, studio.renderer, actors, look, light, camera, black, np.array(time_s), noise=0.0)
    )  # fmt: skip


def test_people_are_where_the_calibration_says_in_every_view(
    body: BodyModel, studio: Studio, actors: list[Actor], tmp_path: Path
) -> None:
    dome = dome_cameras(np.random.default_rng(0), SIZE)
    (tmp_path / "calibration.json").write_text(json.dumps(calibration_of(dome, {})))
    read = {camera.name: camera for camera in read_calibration(tmp_path / "calibration.json").cameras}
    world = vertices_at(body, actors, np.array([1.0]))[0].numpy() @ Z_UP_FROM_ROOM.T
    for camera in dome[::10]:
        (image,) = pictures(body, studio, actors, camera, [1.0])
        rows, columns = np.nonzero(image.max(axis=2) > 60)
        pixels = read[camera.name].project(world).reshape(-1, 2)
        low, high = pixels.min(axis=0), np.minimum(pixels.max(axis=0), np.array(SIZE) - 1)
        assert [columns.min(), rows.min()] == pytest.approx(np.maximum(low, 0), abs=1.5)
        assert [columns.max(), rows.max()] == pytest.approx(high, abs=1.5)


def test_a_late_camera_films_what_others_filmed_before(body: BodyModel, studio: Studio, actors: list[Actor]) -> None:
    camera = dome_cameras(np.random.default_rng(0), SIZE)[3]
    on_time = pictures(body, studio, actors, camera, [0.4, 0.5, 0.6])
    late = pictures(body, studio, actors, camera, [0.5, 0.55])
    assert np.array_equal(late[0], on_time[1]) and not np.array_equal(late[1], on_time[1])


def test_nobody_is_seen_through_the_wall(body: BodyModel, studio: Studio, actors: list[Actor]) -> None:
    camera = dome_cameras(np.random.default_rng(0), SIZE)[3]
    middle = camera.camera_from_room[2][[0, 2]]
    outside = WALL_M * 1.3 * middle / np.linalg.norm(middle)  # opposite of the camera
    moved = actors[0].pelvis_m.copy()
    moved[:, [0, 2]] = outside
    gone = Actor(actors[0].pose, moved, actors[0].betas, actors[0].start_s, actors[0].rate_hz)
    (image,) = pictures(body, studio, [gone], camera, [1.0])
    assert image.max() == 0
    moved[:, [0, 2]] *= 0.5
    assert pictures(body, studio, [gone], camera, [1.0])[0].max() > 60
