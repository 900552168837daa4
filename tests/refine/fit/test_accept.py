"""Whether refinement is taken where it pays and left where it does not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from configs.schema import RefineSettings
from configs.weights import resolve
from refine.fit.accept import MotionScore, count_accepted, is_accepted
from refine.fit.evidence import HELD_OUT_JOINTS, HELD_OUT_S, Piece, gather, held_out
from refine.fit.solver import refine_tracks
from refine.prior.network import MotionPrior
from refine.rows.smooth import smooth_track
from refine.rows.types import Rows, TrackRows

SETTINGS = RefineSettings(steps=50, shape_steps=20)
FREE = SETTINGS.model_copy(update={"is_acceptance_test_on": False})
CPU = torch.device("cpu")


def slow_noise(rng: np.random.Generator, shape: tuple[int, ...], memory_rows: float = 9.0) -> np.ndarray:
    """Return noise of spread 1 that fades from row to row."""
    keep = np.exp(-1.0 / memory_rows)
    noise = rng.normal(size=shape)
    for row in range(1, shape[0]):
        noise[row] = keep * noise[row - 1] + np.sqrt(1.0 - keep**2) * noise[row]
    return noise


def badly_detected(track: TrackRows, share: float, seed: int) -> TrackRows:
    """Return the track with keypoints as wrong as a detector's: by a share of the body's height, for a while."""
    rng, view = np.random.default_rng(seed), track.views[0]
    keypoints = view.keypoints.copy()
    shape, height = keypoints[..., :2].shape, np.ptp(keypoints[..., 1], axis=1).mean()
    error = np.sqrt(0.7) * slow_noise(rng, shape) + np.sqrt(0.3) * rng.normal(size=shape)
    is_outlier = slow_noise(rng, shape[:2], 3.0) > 2.0
    error += np.where(is_outlier[..., None], 6.0 * slow_noise(rng, shape, 6.0), 0.0)
    keypoints[..., :2] += share * height * error
    keypoints[slow_noise(rng, shape[:2], 4.0) > 1.7, 2] = 0.0
    return replace(track, views=(replace(view, keypoints=keypoints),))


def moved_mm(
    make_scene: Callable,
    share: float,
    seed: int,
    settings: RefineSettings,
    prior: MotionPrior | None = None,
    rate_hz: float = 30.0,
) -> float:
    """Return how far true poses move when keypoints are wrong by a share of the height."""
    scene = make_scene(96, seed=seed, rate_hz=rate_hz)
    true = replace(
        scene.track,
        pose=scene.pose.astype(np.float32),
        betas=scene.betas.astype(np.float32),
        trans=scene.trans.astype(np.float32),
    )
    (found,) = refine_tracks([badly_detected(true, share, seed)], scene.body, settings, prior=prior)
    return 1000.0 * float(scene.error_m(found.pose, found.trans, found.betas).mean())


@pytest.mark.parametrize(("share", "seed"), [(0.01, 0), (0.02, 1), (0.03, 2)])
def test_true_poses_stay_although_the_keypoints_are_wrong(make_scene: Callable, share: float, seed: int) -> None:
    assert moved_mm(make_scene, share, seed, SETTINGS) < 2.0
    assert moved_mm(make_scene, share, seed, FREE) > 6.0


def test_at_few_frames_a_second_true_poses_stay_and_those_that_shake_are_smoothed(
    make_scene: Callable, watched: Callable
) -> None:
    assert moved_mm(make_scene, 0.02, 1, SETTINGS, rate_hz=20.0) < 2.0
    scene, rng = make_scene(96, seed=1, rate_hz=20.0), np.random.default_rng(1)
    shaken = scene.pose + rng.normal(0.0, 0.03, scene.pose.shape)
    view = watched(scene.body, shaken, scene.betas, scene.trans, rng)  # keypoints that the shaken poses follow
    track = replace(scene.track, pose=shaken.astype(np.float32), trans=scene.trans.astype(np.float32), views=(view,))
    (found,) = refine_tracks([track], scene.body, SETTINGS)
    assert found.is_refined.all()


def test_wrong_poses_are_refined_nearly_as_well_as_without_the_gate(make_scene: Callable) -> None:
    scene = make_scene(96, seed=3)
    bias = 0.12 * slow_noise(np.random.default_rng(3), scene.pose.shape, 30.0)
    track = badly_detected(replace(scene.track, pose=(scene.track.pose + bias).astype(np.float32)), 0.015, 3)
    found, free = (refine_tracks([track], scene.body, settings)[0] for settings in (SETTINGS, FREE))
    errors = [scene.error_m(each.pose, each.trans, each.betas).mean() for each in (found, free, track)]
    assert found.is_refined.all()
    assert errors[0] < 1.1 * errors[1] < 0.65 * errors[2]


def test_refused_rows_are_as_they_were_and_the_seam_to_the_others_does_not_show(make_scene: Callable) -> None:
    scene = make_scene(140, seed=4)
    settings = SETTINGS.model_copy(update={"window_frames": 60, "overlap_frames": 20})
    pose, trans = scene.pose.astype(np.float32), scene.trans.astype(np.float32)
    pose[80:], trans[80:] = scene.track.pose[80:], scene.track.trans[80:]
    mixed = replace(scene.track, pose=pose, trans=trans, betas=scene.betas.astype(np.float32))
    (found,) = refine_tracks([badly_detected(mixed, 0.015, 4)], scene.body, settings)
    changed = np.flatnonzero(found.is_refined)
    assert changed.tolist() == list(range(changed[0], 140)) and 20 < changed[0] <= 80
    kept = slice(0, changed[0])
    assert np.abs(scene.error_m(found.pose, found.trans, found.betas)[kept]).max() < 0.01
    np.testing.assert_array_equal(found.pose[kept], pose[kept])
    joints = scene.joints(found.pose, found.trans, found.betas)
    bend = np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean(-1)
    true = np.linalg.norm(np.diff(scene.joints(scene.pose, scene.trans), 2, axis=0), axis=-1).mean(-1)
    assert bend[: 80 - 2].max() < 3.0 * true.max()


def test_what_is_held_out_does_not_guide_and_without_the_gate_every_row_is_refined(make_scene: Callable) -> None:
    scene = make_scene(30)
    piece = Piece(scene.track, smooth_track(scene.track, np.zeros(3), 5.0), np.arange(30))
    guiding, judging, every = (
        gather([piece], SETTINGS, CPU, keypoints).views[0].weights for keypoints in ("guiding", "held out", "all")
    )
    out = torch.from_numpy(held_out(scene.track.time_s, 17, 0))
    assert out.any() and torch.equal(guiding == 0, out) and torch.equal(judging == 0, ~out)
    assert (every > 0).all()
    assert refine_tracks([scene.track], scene.body, FREE)[0].is_refined.all()


@pytest.mark.parametrize("count", [17, 25])
def test_a_few_limbs_are_held_out_at_any_time_and_each_in_its_turn(count: int) -> None:
    times = np.arange(600) / 30.0
    out = held_out(times, count, 0)
    assert (out.sum(1) == HELD_OUT_JOINTS).all()
    assert (out.any(0).sum() == 12) and np.ptp(out.sum(0)[out.any(0)]) < 2 * 30 * HELD_OUT_S
    np.testing.assert_array_equal(held_out(times[200:300], count, 0), out[200:300])
    assert (held_out(times, count, 1) != out).any()


@pytest.mark.parametrize("views", [2, 3, 5])
def test_every_limb_is_held_out_in_one_of_several_cameras_at_a_time(views: int) -> None:
    times = np.arange(600) / 30.0
    out = np.stack([held_out(times, 17, view, views) for view in range(views)])
    assert set(out.sum(0).sum(1).tolist()) == {12} and out.sum(0).max() == 1
    assert (out.any(axis=1).sum(axis=1) == 12).all(), "each in its turn"
    np.testing.assert_array_equal(held_out(times[200:300], 17, 1, views), out[1, 200:300])


def test_with_several_cameras_a_solution_that_nothing_speaks_against_is_taken(
    make_scene: Callable, watched: Callable
) -> None:
    """The recovered poses, which jitter little, would else be kept: their prior energy is the lowest there is."""
    scene = make_scene(40)
    still = Rows(scene.pose.astype(np.float32), scene.trans.astype(np.float32), scene.betas.astype(np.float32))
    one = replace(scene.track, pose=still.pose, trans=still.trans)
    two = replace(one, views=(one.views[0], one.views[0]))
    moved = replace(still, pose=still.pose + np.float32(0.004) * np.sin(np.arange(40))[:, None, None])
    verdicts = []
    for track in (one, two):
        piece = Piece(track, smooth_track(track, np.zeros(3), 5.0), np.arange(40))
        verdicts.append(count_accepted(piece, [still, moved], scene.body, SETTINGS, CPU))
    far = replace(still, trans=still.trans + np.float32(0.3))
    assert verdicts == [0, 1]
    assert count_accepted(piece, [still, far], scene.body, SETTINGS, CPU) == 0


def test_keypoints_decide_where_they_tell_and_the_prior_where_they_do_not() -> None:
    def verdict(gains: list[float], prior: float) -> bool:
        return is_accepted(MotionScore(np.array(gains), 100.0), MotionScore(np.zeros(len(gains)), prior), 0.5)

    gain, unclear = [3.0, 4.0, 5.0, 4.0, 3.0], [3.0, -4.0, 5.0, -4.0, 1.0]
    assert verdict(gain, 1000.0) and not verdict([-each for each in gain], 0.0)
    for few in (unclear, gain[:2], []):  # nothing told, or too little of it
        assert verdict(few, 40.0) and not verdict(few, 60.0)


def test_a_stretch_that_nobody_saw_goes_by_the_prior_unless_the_track_shakes(make_scene: Callable) -> None:
    scene = make_scene(40)
    scene.track.views[0].keypoints[..., 2] = 0.0
    pose = scene.pose + np.random.default_rng(0).normal(0.0, 0.01, scene.pose.shape)
    track = replace(scene.track, pose=pose.astype(np.float32), trans=scene.trans.astype(np.float32))
    start = smooth_track(track, np.zeros(3), 5.0)
    piece = Piece(track, start, np.arange(40))
    steps = [Rows(each.pose, each.trans, track.betas) for each in (track, start)]
    assert count_accepted(piece, steps, scene.body, SETTINGS, CPU) == 1
    assert count_accepted(piece, steps[::-1], scene.body, SETTINGS, CPU) == 0
    assert count_accepted(piece, steps[::-1], scene.body, SETTINGS, CPU, is_jitter_high=True) == 1


def test_a_track_of_few_rows_passes_the_gate(make_scene: Callable) -> None:
    for rows in (1, 2, 5):
        scene = make_scene(rows)
        (found,) = refine_tracks([scene.track], scene.body, SETTINGS)
        assert np.isfinite(found.pose).all() and found.is_refined.shape == (rows,)


def test_true_poses_stay_also_where_a_prior_would_move_them(make_scene: Callable) -> None:
    prior = MotionPrior.from_pretrained(resolve("motion-prior"))
    assert moved_mm(make_scene, 0.02, 5, SETTINGS, prior) < 2.0 < moved_mm(make_scene, 0.02, 5, FREE, prior)
