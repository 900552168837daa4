import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.motion.scene import Scene, level_scene, read_scene, write_scene
from pipeline.motion.world import WORLD_FROM_CAM

SCENE = Scene(
    WORLD_FROM_CAM,
    focal_px=700.5,
    focal_source="people",
    focal_sigma_px=30.0,
    is_ground_measured=True,
    camera_height_m=1.7,
    camera_height_sigma_m=0.1,
    tilt_deg=8.0,
    is_camera_still=True,
    camera_motion="still",
)


@pytest.mark.parametrize("scene", [SCENE, level_scene(None, "given", "nobody is there")])
def test_a_scene_is_read_as_it_was_written(tmp_path: Path, scene: Scene) -> None:
    write_scene(tmp_path / "scene.json", scene)
    found = read_scene(tmp_path / "scene.json")
    assert found is not None
    for item in fields(Scene):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(scene, item.name))


def test_a_run_without_a_scene_has_none(tmp_path: Path) -> None:
    assert read_scene(tmp_path / "scene.json") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "format_version is 2"),
        ({"focal_source": "dream"}, "'dream'"),
        ({"world_from_cam": [[1, 2], [3, 4]]}, "expected"),
        ({"world_from_cam": np.diag([1.0, 1.0, -1.0, 1.0]).tolist()}, "not a rotation"),
    ],
)
def test_a_damaged_scene_is_refused(tmp_path: Path, change: dict, said: str) -> None:
    path = tmp_path / "scene.json"
    write_scene(path, SCENE)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=said):
        read_scene(path)


def test_a_world_that_is_not_upright_is_refused() -> None:
    with pytest.raises(ValueError, match="not a rotation"):
        replace(SCENE, world_from_cam=2.0 * WORLD_FROM_CAM)
