"""The grid of samples that all people are put on, and what placement does to them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exported_run import make_run, scene_of, turning_and_lying

from configs.errors import InputError
from dpmesh.body.load import load_body, read_structure
from pipeline.export.people import Placement, floor_height, ground_height, read_people
from pipeline.export.scene import Scene
from pipeline.flow.outputs import RunFolder
from pipeline.motion.scene import level_scene, write_scene


def test_samples_of_the_run_are_taken_as_they_are(scene: Scene, wanted: dict[int, np.ndarray]) -> None:
    assert [(p.number, p.first_sample, p.count) for p in scene.people] == [(1, 0, 90), (2, 20, 70), (4, 0, 40)]
    for person in scene.people:
        assert np.linalg.norm(person.load().joints() - wanted[person.number], axis=-1).max() < 1e-5


@pytest.mark.parametrize("video_hz", [25.0, 24.0, 30000 / 1001])
def test_who_comes_between_two_samples_is_put_on_the_grid_of_the_others(tmp_path: Path, video_hz: float) -> None:
    people = [turning_and_lying(1, 0, 50, video_hz), turning_and_lying(2, 7, 40, video_hz)]
    files = make_run(tmp_path / "clip", people, load_body())
    scene = scene_of(files)
    motions = [person.load() for person in scene.people]
    for track, motion in zip(people, motions, strict=True):
        times = (motion.first_sample + np.arange(len(motion))) / 30
        assert track.time_s[0] - 2e-4 <= times[0] < track.time_s[0] + 1 / 30 + 2e-4
        assert track.time_s[-1] - 1 / 30 - 2e-4 < times[-1] <= track.time_s[-1] + 2e-4
        right, down, forward = (track.trans + motion.rest[0]).T
        between = [np.interp(times, track.time_s, values) for values in (right, forward, -down)]
        np.testing.assert_allclose(motion.pelvis, np.stack(between, axis=1), atol=1e-4)


def test_another_rate_is_sampled_from_the_frames_of_the_video(run_files: RunFolder) -> None:
    scene = scene_of(run_files, Placement(rate_hz=60.0))
    assert [(p.first_sample, p.count) for p in scene.people] == [(0, 179), (40, 139), (0, 79)]
    twice, once = scene.people[1].load(), scene_of(run_files).people[1].load()
    assert np.linalg.norm(twice.joints()[::2] - once.joints(), axis=-1).max() < 1e-4


def test_in_place_and_at_the_origin(run_files: RunFolder) -> None:
    plain = scene_of(run_files).people[1].load().pelvis
    moved = scene_of(run_files, Placement(is_at_origin=True)).people[1].load().pelvis
    np.testing.assert_allclose(moved[0], [0, 0, plain[0, 2]], atol=1e-9)
    np.testing.assert_allclose(np.diff(moved, axis=0), np.diff(plain, axis=0), atol=1e-9)
    still = scene_of(run_files, Placement(is_in_place=True)).people[1].load().pelvis
    assert (still[:, :2] == plain[0, :2]).all() and (still[:, 2] == plain[:, 2]).all()


def test_the_floor_is_where_soles_are(tmp_path: Path) -> None:
    standing = turning_and_lying(1, 0, 20, 30.0)
    pose, trans = np.zeros_like(standing.pose), np.zeros_like(standing.trans)
    pose[:, 0] = [np.pi, 0, 0]
    trans[:, 2] = 5.0
    body = load_body()
    files = make_run(
        tmp_path / "clip", [standing.each(lambda _: pose, ["pose"]).each(lambda _: trans, ["trans"])], body
    )
    scene = scene_of(files)
    motion = scene.people[0].load()
    from pipeline.export.scene import rest_shape

    vertices, _ = rest_shape(scene.body, scene.people[0].betas)
    lowest = motion.pelvis[0, 2] + vertices[:, 1].min() - motion.rest[0, 1]
    assert floor_height(scene) == pytest.approx(lowest, abs=0.002)


def test_a_ground_that_was_measured_is_the_floor(tmp_path: Path, scene: Scene) -> None:
    files = RunFolder(tmp_path)
    assert ground_height(files) is None
    write_scene(files.scene, level_scene(None, "diagonal", "nobody stands"))
    assert ground_height(files) is None
    write_scene(files.scene, replace(level_scene(None, "diagonal", ""), is_ground_measured=True))
    assert floor_height(replace(scene, ground_m=ground_height(files))) == 0.0 != floor_height(scene)


def test_somebody_who_is_not_there_is_told(run_files: RunFolder) -> None:
    with pytest.raises(InputError, match="person 3 is not in this run; there is 1, 2, 4"):
        read_people(run_files, read_structure(), 0.5, Placement(), (1, 3))
    (rate, people) = read_people(run_files, read_structure(), 0.5, Placement(), (4,))
    assert rate == 30 and [person.number for person in people] == [4]


def test_a_run_of_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no motion to export"):
        read_people(RunFolder(tmp_path), read_structure(), 0.5, Placement())
