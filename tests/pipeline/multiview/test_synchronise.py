"""Offsets of cameras' clocks, from the people they see."""

from pathlib import Path

import numpy as np
import pytest

from configs.npz_files import read_npz
from dpmesh.body import BodyModel, load_body
from dpmesh.keypoints import smpl24_confidence
from pipeline.bench.filmed_people import Walkers, cameras_round
from pipeline.capture import read_calibration
from pipeline.multiview.clock import on_common_clock
from pipeline.multiview.synchronise import find_lags
from pipeline.multiview.views import View, view_of
from pipeline.types import Observations, no_observations

FRAMES, RATE_HZ = 60, 30.0
TAKE_RATE_HZ = 60.0


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body(None)


def film(body: BodyModel, people: int, late_frames: list[float], noise_px: float = 2.0) -> list[View]:
    """Return the views of cameras that started so many frames late; each numbers people as it likes."""
    views = []
    for number, (camera, late) in enumerate(zip(cameras_round(len(late_frames)), late_frames, strict=True)):
        ids = [[10 * number + (who + number) % people + 1] * FRAMES for who in range(people)]
        rows = Walkers(body, people, FRAMES, later_frames=late).seen_by(camera, ids, noise_px=noise_px)
        views.append(view_of(camera, rows))
    return views


def offsets(views: list[View], rate_hz: float = RATE_HZ) -> np.ndarray:
    return rate_hz * np.array([lag.offset_s for lag in find_lags(views)])


def test_offsets_of_frames_and_parts_of_frames_are_found_together(body: BodyModel) -> None:
    lags = find_lags(film(body, 5, [0.0, -7.0, 0.0, 0.4, 0.0]))
    found = RATE_HZ * np.array([lag.offset_s for lag in lags])
    np.testing.assert_allclose(found, [0.0, 7.0, 0.0, -0.4, 0.0], atol=0.1)
    assert all(RATE_HZ * lag.sigma_s < 0.1 and not lag.why for lag in lags)


def test_a_camera_that_is_turned_does_not_look_late(body: BodyModel) -> None:
    views = film(body, 3, [0.0, -7.0, 0.0, 0.0], noise_px=1.0)
    camera = views[2].camera
    angle = np.deg2rad(3.0)
    turn = (
        np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]) @ camera.rotation
    )
    wrong = type(camera)(camera.name, camera.matrix, turn, -turn @ camera.centre_m, camera.distortion, camera.size_px)
    views[2] = view_of(wrong, views[2].rows)
    np.testing.assert_allclose(offsets(views), [0.0, 7.0, 0.0, 0.0], atol=0.15)


def test_where_nobody_moves_nothing_is_told(body: BodyModel) -> None:
    walkers = Walkers(body, 2, FRAMES)
    walkers.pose[:], walkers.trans[:] = walkers.pose[:, 20:21], walkers.trans[:, 20:21]
    views = [view_of(camera, walkers.seen_by(camera, [[1] * FRAMES, [2] * FRAMES])) for camera in cameras_round(3)]
    assert all(np.isinf(lag.sigma_s) and lag.offset_s == 0 and "moves" in lag.why for lag in find_lags(views))


def test_a_moment_tells_nothing(body: BodyModel) -> None:
    views = [view_of(view.camera, view.rows.take(view.rows.frame_index < 25)) for view in film(body, 2, [0.0] * 3)]
    assert all(np.isinf(lag.sigma_s) and "too short" in lag.why for lag in find_lags(views))


def test_a_camera_that_sees_nobody_is_left_out_and_the_others_are_told(body: BodyModel) -> None:
    views = film(body, 2, [0.0, -7.0, 0.0])
    blind = view_of(cameras_round(4)[3], no_observations())
    lags = find_lags([*views, blind])
    np.testing.assert_allclose([RATE_HZ * lag.offset_s for lag in lags], [0.0, 7.0, 0.0, 0.0], atol=0.2)
    assert np.isinf(lags[3].sigma_s) and "sees nobody" in lags[3].why
    assert all("nobody is seen" in lag.why for lag in find_lags([blind, blind]))


@pytest.fixture(scope="module")
def take(test_data: Path) -> list[View]:
    """A real capture, with the keypoints of its reference."""
    folder = test_data / "data/multiview/pose2sim_SinglePerson"
    arrays = read_npz(folder / "reference_3d_coco17.npz", ("kp2d",))
    cameras = {camera.name: camera for camera in read_calibration(folder).cameras}
    views = []
    for number, name in enumerate(sorted(cameras)):
        keypoints = np.nan_to_num(arrays["kp2d"][:, :, number].astype(np.float32))
        people, frames = keypoints.shape[:2]
        frame, who = np.repeat(np.arange(frames), people), np.tile(np.arange(people), frames)
        seen = keypoints[who, frame]
        kept = (seen[..., 2] > 0).any(axis=1)
        views.append(view_of(cameras[name], _rows(frame[kept], who[kept] + 1, seen[kept])))
    return views


def _rows(frame: np.ndarray, track: np.ndarray, keypoints: np.ndarray) -> Observations:
    count = len(frame)
    return Observations(
        frame_index=frame.astype(np.int64),
        time_s=frame / TAKE_RATE_HZ,
        track_id=track.astype(np.int64),
        boxes_xyxy=np.zeros((count, 4), np.float32),
        scores=np.ones(count, np.float32),
        keypoints=keypoints,
        pose=np.zeros((count, 24, 3), np.float32),
        betas=np.zeros((count, 10), np.float32),
        trans=np.zeros((count, 3), np.float32),
        joint_confidence=smpl24_confidence(keypoints),
        focal_px=np.ones(count, np.float32),
        principal_px=np.zeros((count, 2), np.float32),
    )


def test_a_real_capture_is_in_time_and_a_video_that_is_moved_is_found(take: list[View]) -> None:
    before = find_lags(take)
    assert all(abs(lag.offset_s) * TAKE_RATE_HZ < 1.0 for lag in before)
    for frames in (7.0, 7.4):
        moved = list(take)
        moved[1] = view_of(take[1].camera, on_common_clock(take[1].rows, -frames / TAKE_RATE_HZ, TAKE_RATE_HZ))
        after = np.array([lag.offset_s for lag in find_lags(moved)]) - [lag.offset_s for lag in before]
        found = TAKE_RATE_HZ * (after[1] - np.delete(after, 1).mean())
        assert abs(found - frames) < 0.1
