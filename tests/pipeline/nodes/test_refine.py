"""What refinement makes of tracks."""

from dataclasses import replace

import numpy as np
import pytest

from configs.errors import SettingsError
from configs.schema import RecoverSettings, RefineSettings
from dpmesh.body import load_body
from pipeline.evaluation.projection import project_rows
from pipeline.motion.posing import joint_positions
from pipeline.nodes import refine as stage
from pipeline.nodes.refine import assemble_track, fit_translations, refine_group, refine_people
from pipeline.types import MotionTrack, Observations

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
    assert "too few frames with resting feet" in caplog.text
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


SEEN = np.array([0, 1, 2, 6, 7, 8, 30])  # frames 3 to 5 are short enough to be filled, 9 to 29 are not
GAP_MAX_S, RECOVER = 0.2, RecoverSettings(keypoint_score_min=0.25)


@pytest.fixture
def person(make_track) -> tuple[MotionTrack, Observations]:
    """A person whose root turns, and the rows in which a line saw this person: joints and keypoints as they are."""
    truth, rng = make_track(np.arange(31) / 25, track_id=7), np.random.default_rng(1)
    feet = rng.uniform(0.1, 1.0, (31, 6, 3)).astype(np.float32)
    confidence = rng.uniform(0.1, 1.0, (31, 24)).astype(np.float32)
    truth = replace(truth, feet=feet, joint_confidence=confidence)
    names = ("frame_index", "time_s", "boxes_xyxy", "keypoints", "pose", "trans", "focal_px", "principal_px", "feet")
    rows = Observations(
        **{name: getattr(truth, name)[SEEN] for name in (*names, "joint_confidence")},
        track_id=np.full(len(SEEN), 7),
        scores=np.full(len(SEEN), 0.9, np.float32),
        betas=np.tile(truth.betas, (len(SEEN), 1)),
    )
    return truth, rows


def test_a_person_is_seen_where_rows_are_and_short_gaps_are_filled_without_confidence(person, stick_body) -> None:
    truth, rows = person
    found = assemble_track(rows, stick_body, GAP_MAX_S, RECOVER)
    assert found.track_id == 7
    assert found.frame_index.tolist() == [*range(9), 30]
    assert np.flatnonzero(~found.is_observed).tolist() == [3, 4, 5] and not found.is_refined.any()
    np.testing.assert_allclose(found.time_s, truth.time_s[found.frame_index])
    source = np.array([0, 1, 2, 2, 2, 2, 6, 7, 8, 30])  # what is seen stays as it was last
    for name, is_point in (("keypoints", True), ("feet", True), ("joint_confidence", False)):
        ours, real = getattr(found, name), getattr(truth, name)
        np.testing.assert_array_equal(ours[found.is_observed], real[SEEN], err_msg=name)
        assert not (ours[~found.is_observed, :, 2] if is_point else ours[~found.is_observed]).any(), name
        if is_point:
            np.testing.assert_array_equal(ours[..., :2], real[source, :, :2], err_msg=name)
    np.testing.assert_array_equal(found.focal_px, truth.focal_px[source])
    np.testing.assert_array_equal(found.principal_px, truth.principal_px[source])
    assert rows.keypoints[..., 2].all() and rows.feet.all() and rows.joint_confidence.all()


def test_the_pelvis_goes_straight_through_a_gap_and_joints_turn(person, stick_body) -> None:
    truth, rows = person
    found = assemble_track(rows, stick_body, GAP_MAX_S, RECOVER)
    ours, real = (joint_positions(stick_body, t.pose, t.betas, t.trans) for t in (found, truth))
    np.testing.assert_allclose(ours, real[found.frame_index], atol=2e-3)
    np.testing.assert_allclose(ours[2:7, 0], np.linspace(ours[2, 0], ours[6, 0], 5), atol=1e-5)
    assert np.linalg.norm(ours[6, 0] - ours[2, 0]) > 0.03
    np.testing.assert_allclose(found.boxes_xyxy[4], (rows.boxes_xyxy[2] + rows.boxes_xyxy[3]) / 2, rtol=1e-5)


def test_a_taller_person_stands_farther_away(person, stick_body) -> None:
    """Bodies of every frame are small, the mean of the sure ones is 10 % taller: so is the distance."""
    truth, rows = person
    taller, smaller = truth.betas.copy(), truth.betas.copy()
    taller[0], smaller[0] = 1.0, 0.0
    sure = np.array([1, 0, 0, 1, 0, 0, 1], np.float32)
    joints = joint_positions(stick_body, rows.pose, smaller, rows.trans, "coco17")
    seen = project_rows(joints, rows.focal_px, rows.principal_px)
    rows = replace(
        rows,
        betas=np.where(sure[:, None] > 0, taller, smaller),
        joint_confidence=np.repeat(sure[:, None], 24, axis=1),
        keypoints=np.concatenate([seen, rows.keypoints[..., 2:]], axis=2),
    )
    for is_fitted, ratio in ((True, 1.1), (False, 1.0)):
        found = assemble_track(rows, stick_body, GAP_MAX_S, RECOVER.model_copy(update={"is_camera_fitted": is_fitted}))
        np.testing.assert_allclose(found.betas, taller, atol=1e-5)
        pelvis = stage.pelvis_of(stick_body, smaller)
        depth = (found.trans[found.is_observed] + stage.pelvis_of(stick_body, taller))[:, 2] / (rows.trans + pelvis)[
            :, 2
        ]
        np.testing.assert_allclose(depth, ratio, atol=0.005)


@pytest.mark.parametrize(("score", "is_read"), [(0.2, False), (0.25, True)])
def test_only_keypoints_above_the_threshold_place_the_body(person, stick_body, score: float, is_read: bool) -> None:
    truth, rows = person
    keypoints = rows.keypoints.copy()
    keypoints[..., 2] = 0.3
    keypoints[:, 5:11, 0] += 8.0
    keypoints[:, 5:11, 2] = score
    shifted = replace(rows, keypoints=keypoints, trans=rows.trans + np.float32(0.02))
    found = fit_translations(shifted, truth.betas, stick_body, RECOVER)
    moved = np.abs(found[:, 0] - rows.trans[:, 0])
    assert (moved > 0.004).all() if is_read else (moved < 0.001).all()


def test_bodies_are_placed_alike_in_parts(person, stick_body, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rows = person
    far = replace(
        rows, trans=rows.trans + np.float32(0.3), focal_px=rows.focal_px * np.linspace(1, 2, 7, dtype=np.float32)
    )
    whole = fit_translations(far, far.betas[0], stick_body, RECOVER)
    monkeypatch.setattr(stage, "FITTED_AT_ONCE", 3)
    np.testing.assert_array_equal(fit_translations(far, far.betas[0], stick_body, RECOVER), whole)
    nobody = far.take(np.zeros(0, int))
    assert fit_translations(nobody, far.betas[0], stick_body, RECOVER).shape == (0, 3)
