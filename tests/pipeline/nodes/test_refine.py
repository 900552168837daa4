"""What refinement makes of tracks."""

from dataclasses import replace

import numpy as np
import pytest

from configs.errors import SettingsError
from configs.schema import RefineSettings
from dpmesh.body import load_body
from pipeline.evaluation.projection import project_rows
from pipeline.motion.posing import joint_positions
from pipeline.nodes import refine as stage
from pipeline.nodes.refine import refine_group, refine_people
from pipeline.types import MotionTrack

TIMES = np.arange(24) / 25
QUICK = {"steps": 40, "shape_steps": 10, "batch_rows": 64}


def shaken(make_track) -> tuple[MotionTrack, MotionTrack]:
    """A quiet person of the open body with exact keypoints, and the same one as recovered frame by frame."""
    body, rng = load_body(None), np.random.default_rng(0)
    track = make_track(TIMES, shift_m=(0.2, 0.0, 4.0))
    joints = joint_positions(body, track.pose, track.betas, track.trans, "coco17")
    pixels = project_rows(joints, track.focal_px, track.principal_px)
    seen = np.concatenate([pixels, np.full((len(TIMES), 17, 1), 0.9)], axis=-1).astype(np.float32)
    track = replace(track, keypoints=seen, is_observed=np.ones(len(TIMES), bool))
    noisy = track.pose + rng.normal(0, 0.12, track.pose.shape).astype(np.float32)
    return track, replace(track, pose=noisy.astype(np.float32))


def joint_error(track: MotionTrack, truth: MotionTrack) -> float:
    ours, real = (joint_positions(load_body(None), t.pose, t.betas, t.trans) for t in (track, truth))
    return 1000 * float(np.linalg.norm((ours - ours[:, :1]) - (real - real[:, :1]), axis=-1).mean())


def test_smoothing_calms_and_fitting_comes_closer_still(make_track) -> None:
    truth, track = shaken(make_track)
    body = load_body(None)
    errors = {"off": joint_error(track, truth)}
    for mode in ("smooth", "fit"):
        (found,) = refine_group([track], body, RefineSettings(mode=mode, **QUICK), "cpu")
        errors[mode] = joint_error(found, truth)
        assert np.array_equal(found.keypoints, track.keypoints) and found.track_id == track.track_id
    assert errors["fit"] < 0.8 * errors["smooth"] < 0.8 * errors["off"]


def test_off_leaves_everything_and_nobody_is_no_error(make_track) -> None:
    _, track = shaken(make_track)
    assert refine_group([track], load_body(None), RefineSettings(mode="off"), "cpu") == [track]
    assert list(refine_people([], load_body(None), RefineSettings(), "cpu")) == []


def test_people_in_groups_come_out_as_alone_and_in_order(make_track, monkeypatch: pytest.MonkeyPatch) -> None:
    body, settings = load_body(None), RefineSettings(mode="fit", **QUICK)
    tracks = [shaken(make_track)[1], replace(make_track(TIMES, track_id=2, seed=3))]
    together = refine_group(tracks, body, settings, "cpu")
    monkeypatch.setattr(stage, "ROWS_AT_ONCE", 30)
    grouped = list(refine_people(iter(tracks), body, settings, "cpu"))
    assert [track.track_id for track in grouped] == [1, 2]
    for first, second in zip(together, grouped, strict=True):
        np.testing.assert_allclose(first.pose, second.pose, atol=1e-4)


def test_people_are_placed_only_when_asked_and_keep_their_poses(make_track) -> None:
    tracks = [
        make_track(TIMES, track_id=1, shift_m=(0.0, 0.0, 4.0)),
        make_track(TIMES, track_id=2, shift_m=(0.1, 0.0, 4.1)),
    ]
    off, on = (
        list(refine_people(tracks, load_body(None), RefineSettings(mode="off", is_collision_on=is_on), "cpu"))
        for is_on in (False, True)
    )
    assert off == tracks
    for before, after in zip(tracks, on, strict=True):
        assert np.array_equal(before.pose, after.pose)
        assert np.abs(before.trans - after.trans).max() > 0.01
    apart = [np.linalg.norm(two.trans - one.trans, axis=-1).mean() for one, two in (tracks, on)]
    assert apart[1] > apart[0] + 0.05


def test_a_ground_that_is_not_found_is_told(make_track, caplog: pytest.LogCaptureFixture) -> None:
    tracks = [make_track(TIMES[:8])]
    settings = RefineSettings(mode="off", is_ground_on=True)
    (found,) = refine_people(tracks, load_body(None), settings, "cpu")
    assert "feet rest in too few frames" in caplog.text
    assert np.abs(found.trans - tracks[0].trans).max() < 1e-3


def test_the_published_way_needs_a_score_model(make_track) -> None:
    with pytest.raises(SettingsError, match=r"refine.mode published: needs a score model"):
        refine_group([make_track(TIMES)], load_body(None), RefineSettings(mode="published"), "cpu")


def test_foot_points_of_a_file_turn_the_feet(make_track) -> None:
    body = load_body(None)
    truth, track = shaken(make_track)
    pose = truth.pose.copy()
    pose[:, [7, 8], 0] += 0.5  # toes down
    points = joint_positions(body, pose, truth.betas, truth.trans, "openpose25")[:, 19:]
    pixels = project_rows(points, track.focal_px, track.principal_px)
    feet = np.concatenate([pixels, np.full((len(TIMES), 6, 1), 0.9)], axis=-1).astype(np.float32)

    def missed(found: MotionTrack) -> float:
        toes, heels = [0, 3], [2, 5]
        ours = joint_positions(body, found.pose, found.betas, found.trans, "openpose25")[:, 19:]
        along, wanted = ours[:, toes] - ours[:, heels], points[:, toes] - points[:, heels]
        cosine = (along * wanted).sum(-1) / np.linalg.norm(along, axis=-1) / np.linalg.norm(wanted, axis=-1)
        return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())

    settings = RefineSettings(mode="fit", **QUICK)
    (without,) = refine_group([track], body, settings, "cpu")
    (with_feet,) = refine_group([replace(track, feet=feet)], body, settings, "cpu")
    assert missed(with_feet) < 0.75 * missed(without)
    assert np.array_equal(with_feet.feet, feet) and with_feet.keypoints.shape == track.keypoints.shape
