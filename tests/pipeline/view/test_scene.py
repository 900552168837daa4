"""A scene has the joints of the run, and gets thinner with its length."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bench.report import RATE_HZ, make_run
from pipeline.view.floor import find_floor
from pipeline.view.scene import plan_thinning, scene_of_run


def test_joints_of_the_scene_are_those_of_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 2, 1)
    scene = scene_of_run(run)
    for person in scene.people:
        np.testing.assert_allclose(person.joints(), run.joints(person.id), atol=1e-5)
        vertices = run.vertices(person.id)[:1]
        bones, places = person.bones(slice(0, 1))
        moved = np.einsum("jab,vjb->vja", bones.as_matrix(), person.rest_vertices[:, None] - person.rest_joints)
        skinned = np.einsum("vj,vja->va", scene.weights, moved + places)
        np.testing.assert_allclose(skinned, vertices[0], atol=1e-4)


def test_a_camera_sees_what_its_matrix_says(tmp_path: Path) -> None:
    (camera,) = scene_of_run(make_run(tmp_path / "run", 1, 1)).cameras
    assert camera.half_extent == pytest.approx((640 / 1100, 360 / 1100))
    np.testing.assert_allclose(camera.world_from_cam[:3, 3], (0, 0, 1.6))


def test_many_people_get_the_coarse_mesh(tmp_path: Path) -> None:
    few, many = (scene_of_run(make_run(tmp_path / str(count), count, 0.5)) for count in (4, 5))
    assert len(few.faces) > 5 * len(many.faces) and len(many.weights) == len(many.people[0].rest_vertices)
    assert many.faces.max() == len(many.weights) - 1


def test_nobody_makes_an_empty_scene(tmp_path: Path) -> None:
    scene = scene_of_run(make_run(tmp_path / "run", 0, 1))
    assert scene.people == () and scene.cameras == () and scene.span_s == (0.0, 0.0)


def test_long_motions_lose_samples_and_longer_ones_their_end(tmp_path: Path) -> None:
    times = [np.arange(3000) / 30.0] * 2
    assert plan_thinning(times, 6000).stride == 1 and plan_thinning(times, 5999).stride == 2
    cut = plan_thinning(times, 500)
    assert cut.stride == 6 and 48 < cut.end_s < 52
    scene = scene_of_run(make_run(tmp_path / "run", 2, 20), samples_max=100)
    person = scene.people[0]
    assert len(person.time_s) == 100 and 45 < len(person.pose) < 55
    assert person.time_s[1] == pytest.approx(6 / RATE_HZ) and person.joints().shape == (len(person.pose), 24, 3)


@pytest.mark.parametrize(("height", "floor"), [(0.05, 0.0), (0.3, 0.0), (-0.9, -0.95)])
def test_the_floor_is_at_zero_unless_the_feet_are_far_from_there(height: float, floor: float) -> None:
    found = find_floor([np.full(10, height), np.append(np.full(9, height), -40.0)])
    assert found.z_m == pytest.approx(floor) and found.is_guessed == (floor != 0)
