"""Bodies of several views become one motion, nearer to the truth than any view's."""

from dataclasses import replace

import numpy as np
import pytest

from configs.schema import RefineSettings
from configs.skeletons import MIRRORED_17
from dpmesh.body import BodyModel, load_body
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.evaluation.multiview import joints_of_sightings, measure
from pipeline.motion.posing import joint_positions
from pipeline.motion.world import WORLD_FROM_CAM
from pipeline.multiview.association import associate
from pipeline.multiview.fusion import Sightings, sightings_of, track_rows
from pipeline.multiview.views import View, pinhole_keypoints, view_of
from refine.fit.solver import refine_tracks

FRAMES, RATE_HZ, GAP_MAX_S = 24, 30.0, 0.5


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def film(
    body: BodyModel, views: int, pose_noise: float, seen: list[list[int]] | None = None
) -> tuple[Walkers, list[View]]:
    walkers = Walkers(body, 1, FRAMES)
    ids = [[1] * FRAMES for _ in range(views)] if seen is None else seen
    return walkers, [
        view_of(camera, walkers.seen_by(camera, [ids[k]], noise_px=2.0, pose_noise=pose_noise))
        for k, camera in enumerate(cameras_round(views))
    ]


def only(views: list[View]) -> Sightings:
    (person,) = associate(views, RATE_HZ)
    return sightings_of(person, views, RATE_HZ)


def error_mm(joints: np.ndarray, walkers: Walkers, rows: slice | np.ndarray = slice(None)) -> float:
    return float(1000 * np.linalg.norm(joints - walkers.joints(0)[rows], axis=-1)[:, 5:].mean())


def joints_of(body: BodyModel, pose: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    return joint_positions(body, pose, betas, trans, "coco17") @ WORLD_FROM_CAM[:3, :3].T


def test_joints_are_triangulated_and_bodies_placed_on_them(body: BodyModel) -> None:
    walkers, views = film(body, 4, pose_noise=0.0)
    seen = only(views)
    assert error_mm(seen.joints_m, walkers) < 12 and (seen.view_count[:, 5:] == 4).mean() > 0.95
    track, frames = track_rows(seen, views, body, GAP_MAX_S, 1)
    assert np.array_equal(frames, np.arange(FRAMES)) and track.is_observed.all() and len(track.views) == 4
    assert error_mm(joints_of(body, track.pose, track.betas, track.trans), walkers) < 15


def test_the_fit_meets_all_cameras_and_beats_what_was_recovered(body: BodyModel) -> None:
    walkers, views = film(body, 3, pose_noise=0.25)
    track, _ = track_rows(only(views), views, body, GAP_MAX_S, 1)
    before = error_mm(joints_of(body, track.pose, track.betas, track.trans), walkers)
    (fit,) = refine_tracks([track], body, RefineSettings(steps=80, shape_steps=30))
    after = error_mm(joints_of(body, fit.pose, fit.betas, fit.trans), walkers)
    assert fit.is_refined.all() and after < 0.7 * before and after < 40


def test_gaps_are_filled_and_views_that_do_not_see_say_nothing(body: BodyModel) -> None:
    one, other = [1] * FRAMES, [1] * FRAMES
    one[8:12] = other[8:12] = [0] * 4
    other[:4] = [0] * 4
    walkers, views = film(body, 2, pose_noise=0.0, seen=[one, other])
    seen = only(views)
    assert np.isnan(seen.joints_m[:4]).all() and np.isfinite(seen.joints_m[4:, 5:]).all(axis=(1, 2)).mean() > 0.9
    track, frames = track_rows(seen, views, body, GAP_MAX_S, 1)
    assert len(frames) == FRAMES and np.flatnonzero(~track.is_observed).tolist() == [8, 9, 10, 11]
    assert not track.views[1].keypoints[:4].any() and not track.views[0].keypoints[8:12].any()
    joints = joints_of(body, track.pose, track.betas, track.trans)
    assert error_mm(joints[8:12], walkers, slice(8, 12)) < 60
    assert error_mm(joints[:4], walkers, slice(0, 4)) < 30, "one view's own body where no joint is triangulated"


def test_a_camera_that_sees_nobody_changes_nothing(body: BodyModel) -> None:
    _, views = film(body, 2, pose_noise=0.0)
    blind = view_of(cameras_round(3)[2], views[0].rows.take(slice(0, 0)))
    with_it, without = only([*views, blind]), only(views)
    assert np.array_equal(with_it.joints_m, without.joints_m, equal_nan=True)
    track, _ = track_rows(with_it, [*views, blind], body, GAP_MAX_S, 1)
    assert not track.views[2].keypoints.any()


def test_pinhole_keypoints_lie_where_a_camera_without_distortion_sees_them(body: BodyModel) -> None:
    walkers, (view, _) = film(body, 2, pose_noise=0.0)
    rows = np.array([3, -1])
    found = pinhole_keypoints(view, rows)
    seen = view.camera.to_camera(walkers.joints(0)[3])
    wanted = view.camera.focal_px * seen[:, :2] / seen[:, 2:] + view.camera.matrix[:2, 2]
    assert np.abs(found[0, :, :2] - wanted).max() < 12 and not found[1].any()
    assert np.abs(view.rows.keypoints[3, :, :2] - wanted).max() > 1


def test_triangulated_joints_are_measured_where_all_are_known(body: BodyModel) -> None:
    walkers, views = film(body, 3, pose_noise=0.0)
    errors = measure({1: joints_of_sightings(only(views))}, walkers.joints(0)[None])
    assert errors.wanted == FRAMES and errors.found > 0.9 * FRAMES and errors.mpjpe_mm < 12


def test_a_view_that_takes_left_for_right_is_put_right(body: BodyModel) -> None:
    walkers, views = film(body, 4, pose_noise=0.0)
    wrong = views[1].rows.keypoints.copy()
    wrong[5:10] = wrong[5:10][:, list(MIRRORED_17)]
    views[1] = view_of(views[1].camera, replace(views[1].rows, keypoints=wrong))
    seen = only(views)
    assert seen.is_mirrored[5:10, 1].all() and seen.is_mirrored.sum() == 5
    assert error_mm(seen.joints_m, walkers) < 12
    track, _ = track_rows(seen, views, body, GAP_MAX_S, 1)
    apart = np.abs(
        track.views[1].keypoints[..., :2] - pinhole_keypoints(film(body, 4, 0.0)[1][1], np.arange(FRAMES))[..., :2]
    )
    assert apart[:, 5:].max() < 0.01
    two = only([views[0], views[1]])
    assert not two.is_mirrored.any(), "of two views neither can be told to be wrong"
