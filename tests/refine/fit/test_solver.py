"""Tracks made into motion, on scenes whose truth is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from refine.fit.energy import MotionEnergy
from refine.fit.evidence import Piece
from refine.fit.solver import Solver, refine_tracks
from refine.rows.smooth import smooth_track

SETTINGS = RefineSettings(steps=60)


@pytest.mark.parametrize("names", ["coco17", "openpose25"])
def test_a_noisy_track_comes_nearer_and_shakes_less(make_scene: Callable, names: str) -> None:
    scene = make_scene(45, names=names)
    (found,) = refine_tracks([scene.track], scene.body, SETTINGS)
    track = scene.track
    before = scene.error_m(track.pose, track.trans, track.betas).mean()
    assert scene.error_m(found.pose, found.trans, found.betas).mean() < 0.6 * before
    shake = [np.abs(np.diff(scene.joints(m.pose, m.trans), 2, axis=0)).mean() for m in (found, track)]
    assert shake[0] < 0.15 * shake[1]


def test_a_track_does_not_depend_on_the_tracks_beside_it_nor_on_the_batches(make_scene: Callable) -> None:
    scenes = [make_scene(40, seed=1), make_scene(70, seed=2, gap=slice(30, 36)), make_scene(1, seed=3)]
    settings = SETTINGS.model_copy(update={"steps": 12, "window_frames": 32, "overlap_frames": 8})
    body, tracks = scenes[0].body, [scene.track for scene in scenes]
    together = refine_tracks(tracks, body, settings)
    alone = [refine_tracks([track], body, settings.model_copy(update={"batch_rows": 64}))[0] for track in tracks]
    for one, other in zip(together, alone, strict=True):
        for name in ("pose", "trans", "betas"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-3)


def test_the_number_of_threads_changes_no_bit(make_scene: Callable) -> None:
    scenes = [make_scene(40, seed=1), make_scene(45, seed=2)]
    settings = SETTINGS.model_copy(
        update={"steps": 6, "shape_steps": 3, "window_frames": 32, "overlap_frames": 8, "batch_rows": 64}
    )
    runs = [refine_tracks([s.track for s in scenes], scenes[0].body, settings, threads=count) for count in (1, 3)]
    for one, other in zip(*runs, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("pose", "trans", "is_refined"))


def test_windows_leave_no_seam(make_scene: Callable) -> None:
    scene = make_scene(120)
    whole, pieces = (
        refine_tracks([scene.track], scene.body, SETTINGS.model_copy(update={"window_frames": frames}))[0]
        for frames in (120, 48)
    )
    joints = [scene.joints(fit.pose, fit.trans) for fit in (whole, pieces)]
    bends = [np.linalg.norm(np.diff(j, 2, axis=0), axis=-1).max() for j in joints]
    assert bends[1] < 1.5 * bends[0]


def test_rows_that_nobody_saw_are_flagged_and_smooth(make_scene: Callable) -> None:
    scene = make_scene(60, gap=slice(25, 33))
    (found,) = refine_tracks([scene.track], scene.body, SETTINGS)
    assert np.flatnonzero(found.is_filled).tolist() == list(range(25, 33))
    assert np.isfinite(found.pose).all() and np.isfinite(found.trans).all()
    error = scene.error_m(found.pose, found.trans, found.betas)
    assert error[found.is_filled].mean() < 4 * error[~found.is_filled].mean()


def test_the_solver_lowers_the_energy(make_scene: Callable) -> None:
    scene = make_scene(30)
    start = smooth_track(scene.track, np.zeros(3), 5.0)
    piece = Piece(scene.track, start, np.arange(30))
    solver = Solver([piece], scene.body, SETTINGS, torch.device("cpu"), is_shape_free=True)
    energy = MotionEnergy(solver.evidence, scene.body, SETTINGS)
    before = energy(solver.x, solver.trans, solver.betas)
    solver.run(60)
    assert energy(solver.x, solver.trans, solver.betas) < 0.8 * before


def test_the_true_distance_follows_from_a_second_camera(make_scene: Callable, watched: Callable) -> None:
    scene = make_scene(30)
    turn = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)  # looks along x
    shift = -turn @ np.array([-4.0, 0.0, 4.0], np.float32)
    side = watched(scene.body, scene.pose, scene.betas, scene.trans, np.random.default_rng(9), turn, shift)
    assert (scene.trans @ turn.T + shift)[:, 2].min() > 1.0
    (one,) = refine_tracks([scene.track], scene.body, SETTINGS)
    (two,) = refine_tracks([replace(scene.track, views=(*scene.track.views, side))], scene.body, SETTINGS)
    away = [np.linalg.norm(scene.joints(f.pose, f.trans, f.betas)[:, 0] - scene.joints(scene.pose, scene.trans)[:, 0],
                           axis=-1).mean() for f in (one, two)]  # fmt: skip
    assert away[1] < 0.5 * away[0] and away[1] < 0.03


def test_speed_is_held_back_in_metres_per_second(make_scene: Callable) -> None:
    scene = make_scene(20)
    leap = scene.track.trans.copy()
    leap[10:] += [0.0, 0.0, 3.0]
    track = replace(scene.track, trans=leap)
    track.views[0].keypoints[..., 2] = 0.0
    (found,) = refine_tracks([track], scene.body, SETTINGS.model_copy(update={"steps": 200}))
    speed = np.linalg.norm(np.diff(found.trans, axis=0), axis=-1) * 30.0
    assert speed.max() < 0.5 * 90.0


def test_nobody_gives_nothing_and_inputs_stay(make_scene: Callable) -> None:
    scene = make_scene(8)
    assert refine_tracks([], scene.body, SETTINGS) == []
    kept = [scene.track.pose.copy(), scene.track.trans.copy(), scene.track.views[0].keypoints.copy()]
    (first,) = refine_tracks([scene.track], scene.body, SETTINGS)
    (second,) = refine_tracks([scene.track], scene.body, SETTINGS)
    assert np.array_equal(first.pose, second.pose) and np.array_equal(first.trans, second.trans)
    now = [scene.track.pose, scene.track.trans, scene.track.views[0].keypoints]
    assert all(map(np.array_equal, kept, now))


def test_a_track_needs_a_camera_and_increasing_times(make_scene: Callable) -> None:
    track = make_scene(4).track
    with pytest.raises(ValueError, match="at least one camera"):
        replace(track, views=())
    with pytest.raises(ValueError, match="must increase"):
        replace(track, time_s=np.zeros(4))
