import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hurried_people import CUT, FRAMES, TIMES_S, hurried_people

from configs.schema import TrackSettings
from trackers.flip_test import SIDE_DOUBT, exchange_sides
from trackers.tracker import Tracker
from trackers.types import Detections, no_detections

RATE_HZ = 25.0
UNIT_POSE = np.random.default_rng(5).uniform(0.1, 0.9, (17, 2))
ROOT = Path(__file__).parents[2]


def _people(*places: tuple[float, float], score: float = 0.9, height: float = 200.0) -> Detections:
    """Return people of one size with their centres at `places`."""
    size = np.array([0.4 * height, height])
    low = np.array(places, float).reshape(-1, 2) - size / 2
    points = low[:, None] + UNIT_POSE * size
    keypoints = np.concatenate([points, np.full((len(low), 17, 1), 0.9)], axis=2)
    boxes = np.concatenate([low, low + size], axis=1)
    return Detections(boxes.astype(np.float32), np.full(len(low), score, np.float32), keypoints.astype(np.float32))


def _together(first: Detections, second: Detections) -> Detections:
    return Detections(
        np.concatenate([first.boxes_xyxy, second.boxes_xyxy]),
        np.concatenate([first.scores, second.scores]),
        np.concatenate([first.keypoints, second.keypoints]),
    )


def _mirrored(people: Detections) -> Detections:
    keypoints = people.keypoints.copy()
    keypoints[..., 0] = (people.boxes_xyxy[:, 0] + people.boxes_xyxy[:, 2])[:, None] - keypoints[..., 0]
    return Detections(people.boxes_xyxy, people.scores, keypoints)


def _scene(frame: int) -> Detections:
    """Return a noisy frame of people who walk, cross, flicker and fade."""
    rng = np.random.default_rng(frame)
    places = [(100 + 8 * frame, 300), (900 - 8 * frame, 310), (500 + 60 * np.sin(frame / 6), 700), (1300, 400)]
    people = _people(*[(x + rng.normal(0, 2), y + rng.normal(0, 2)) for x, y in places])
    scores = rng.uniform(0.15, 0.95, len(places)).astype(np.float32)
    kept = rng.random(len(places)) > 0.15
    return Detections(people.boxes_xyxy[kept], scores[kept], people.keypoints[kept])


def _ids(tracker: Tracker, people: Detections, frame: int, rate_hz: float = RATE_HZ) -> list[int]:
    return tracker.update(people, frame / rate_hz, frame).track_ids.tolist()


def test_nobody_gives_nobody() -> None:
    tracker = Tracker(TrackSettings())
    assert _ids(tracker, no_detections(), 0) == []
    assert _ids(tracker, _people((100, 300)), 1) == [1]
    assert _ids(tracker, no_detections(), 2) == []


def test_rows_keep_their_box_and_keypoints_and_come_by_identity() -> None:
    tracker = Tracker(TrackSettings())
    people = _people((100, 300), (600, 300))
    tracker.update(people, 0.0, 0)
    turned = Detections(people.boxes_xyxy[::-1], people.scores, people.keypoints[::-1])
    tracks = tracker.update(turned, 0.04, 1)
    assert tracks.track_ids.tolist() == [1, 2]
    assert np.array_equal(tracks.boxes_xyxy, people.boxes_xyxy)
    assert np.array_equal(tracks.keypoints, people.keypoints)


@pytest.mark.parametrize("rate_hz", [60.0, 25.0, 10.0])
def test_two_who_cross_and_hide_each_other_keep_their_identities(rate_hz: float) -> None:
    tracker = Tracker(TrackSettings())
    identities: dict[str, set[int]] = {"right": set(), "left": set()}
    hidden = 0
    for frame in range(int(4 * rate_hz)):
        time_s = frame / rate_hz
        right, left = (200 + 250 * time_s, 400.0), (1200 - 250 * time_s, 404.0)
        is_hidden = abs(right[0] - left[0]) < 70  # then only the one in front is detected
        hidden += is_hidden
        tracks = tracker.update(_people(left) if is_hidden else _people(left, right), time_s, frame)
        for name, place in (("left", left), ("right", right)):
            centres = (tracks.boxes_xyxy[:, 0] + tracks.boxes_xyxy[:, 2]) / 2
            if not (is_hidden and name == "right"):
                identities[name].add(int(tracks.track_ids[np.abs(centres - place[0]).argmin()]))
    assert hidden >= 2
    assert identities == {"left": {1}, "right": {2}}


def test_someone_who_is_hidden_for_half_a_second_while_walking_keeps_the_identity() -> None:
    tracker = Tracker(TrackSettings())
    for frame in range(40):
        people = no_detections() if 20 <= frame < 33 else _people((100 + 6 * frame, 300))
        ids = _ids(tracker, people, frame)
        assert ids == ([] if 20 <= frame < 33 else [1])


def test_somebody_alone_who_jumps_and_ducks_goes_on() -> None:
    tracker = Tracker(TrackSettings())
    tops = [300, 302, 299, 301, 365, 330, 385, 310, 350]  # pixels, of a person 200 tall
    for frame, top in enumerate(tops):
        assert _ids(tracker, _people((400, top), (1200, 300)), frame) == [1, 2]


def test_a_camera_that_swings_loses_nobody_if_its_motion_is_given() -> None:
    shifts = np.cumsum(np.random.default_rng(0).uniform(-90, 90, 30))  # pixels; people are 80 wide and stand close
    for is_given, wanted in ((True, {1, 2, 3}), (False, None)):
        tracker, seen = Tracker(TrackSettings()), set()
        for frame, shift in enumerate(shifts):
            people = _people(*[(600 + 100 * k + shift, 300) for k in range(3)])
            motion = np.eye(3)
            motion[0, 2] = shift - shifts[frame - 1] if frame and is_given else 0.0
            tracks = tracker.update(people, frame / RATE_HZ, frame, motion)
            seen |= set(zip(tracks.track_ids.tolist(), tracks.boxes_xyxy[:, 0].argsort().tolist(), strict=True))
        assert wanted is None or {track_id for track_id, _ in seen} == wanted
        assert (len(seen) == 3) is is_given


def test_skipped_frames_do_not_lose_anybody() -> None:
    tracker = Tracker(TrackSettings())
    for frame in [0, 1, 2, 3, 4, 5, 6, 7, 19, 20, 32]:
        assert _ids(tracker, _people((100 + 10 * frame, 300)), frame) == [1]


def test_someone_who_returns_after_the_longest_absence_is_new() -> None:
    settings = TrackSettings(lost_max_s=0.5)
    for return_frame, wanted in ((12, 1), (13, 2)):  # 0.48 s and 0.52 s
        tracker = Tracker(settings)
        _ids(tracker, _people((100, 300)), 0)
        for frame in range(1, return_frame):
            assert _ids(tracker, no_detections(), frame) == []
        assert _ids(tracker, _people((100, 300)), return_frame) == [wanted]


def test_frames_far_apart_keep_who_was_in_the_frame_before() -> None:
    tracker = Tracker(TrackSettings(lost_max_s=0.5))
    assert [_ids(tracker, _people((100, 300)), frame, rate_hz=0.5) for frame in range(3)] == [[1], [1], [1]]


def test_a_weak_detection_carries_a_track_and_starts_none() -> None:
    tracker = Tracker(TrackSettings())
    _ids(tracker, _people((100, 300)), 0)
    for frame in range(1, 6):
        weak = _people((100 + frame, 300), (800, 300), score=0.2)
        assert _ids(tracker, weak, frame) == [1]


def test_a_doubtful_newcomer_is_shown_at_the_third_sight_and_a_sure_one_at_once() -> None:
    tracker = Tracker(TrackSettings(hits_min=3, score_sure=0.8, score_new=0.4))
    _ids(tracker, _people((100, 300)), 0)
    shown = []
    for frame in range(1, 4):
        first, second = _people((100, 300)), _people((600, 300), score=0.6)
        shown.append(_ids(tracker, _together(first, second), frame))
    assert shown == [[1], [1], [1, 2]]
    assert _ids(tracker, _people((1200, 300), score=0.85), 4) == [3]


def test_a_false_alarm_of_one_frame_never_gets_an_identity() -> None:
    tracker = Tracker(TrackSettings())
    _ids(tracker, _people((100, 300)), 0)
    _ids(tracker, _people((100, 300), (700, 300), score=0.6), 1)
    for frame in range(2, 8):
        assert _ids(tracker, _people((100, 300)), frame) == [1]
    assert _ids(tracker, _people((100, 300), (1500, 300)), 8) == [1, 2]


def test_two_in_one_place_are_told_apart_by_their_poses() -> None:
    tracker = Tracker(TrackSettings())
    first, second = _people((310, 300)), _mirrored(_people((330, 300)))
    assert _ids(tracker, _together(first, second), 0) == [1, 2]
    first, second = _people((320, 300)), _mirrored(_people((320, 300)))  # equal boxes, the other order
    tracks = tracker.update(_together(second, first), 0.04, 1)
    assert tracks.track_ids.tolist() == [1, 2]
    assert np.array_equal(tracks.keypoints, np.concatenate([first.keypoints, second.keypoints]))


def test_two_detections_of_one_body_are_one_person() -> None:
    one = _people((300, 300))
    upper = one.boxes_xyxy.copy()
    upper[:, 3] -= 90  # a second box around the upper half, with the same keypoints
    people = Detections(
        np.concatenate([one.boxes_xyxy, upper]),
        np.array([0.9, 0.8], np.float32),
        np.concatenate([one.keypoints, one.keypoints]),
    )
    assert _ids(Tracker(TrackSettings()), people, 0) == [1]


def test_a_cut_ends_everybody_and_identities_are_not_used_again() -> None:
    tracker = Tracker(TrackSettings())
    assert _ids(tracker, _people((100, 300), (600, 300)), 0) == [1, 2]
    tracker.end_all()
    assert _ids(tracker, _people((100, 300), (600, 300)), 1) == [3, 4]


def test_two_trackers_in_one_process_count_for_themselves() -> None:
    first, second = Tracker(TrackSettings()), Tracker(TrackSettings())
    assert _ids(first, _people((100, 300)), 0) == _ids(second, _people((100, 300)), 0) == [1]


def test_frames_out_of_order_are_refused() -> None:
    tracker = Tracker(TrackSettings())
    tracker.update(no_detections(), 1.0, 5)
    with pytest.raises(ValueError, match=r"frame 5 at 1\.2 s comes after frame 5"):
        tracker.update(no_detections(), 1.2, 5)
    with pytest.raises(ValueError, match="give frames in order"):
        tracker.update(no_detections(), 0.9, 6)


def test_the_same_frames_give_the_same_tracks() -> None:
    runs = []
    for _ in range(2):
        tracker = Tracker(TrackSettings())
        runs.append([_ids(tracker, _scene(frame), frame) for frame in range(60)])
    assert runs[0] == runs[1]
    assert {1, 2, 3} <= {track_id for ids in runs[0] for track_id in ids}


State = dict[str, np.ndarray]


def _play(tracker: Tracker, first: int) -> Iterator[tuple[State, bytes]]:
    """Yield the state before each frame from `first` on, and what comes out of the tracker there."""
    for frame in range(first, FRAMES):
        state = tracker.snapshot()
        if frame == CUT:
            tracker.end_all()
        tracks = tracker.update(hurried_people(frame), TIMES_S[frame], frame)
        yield state, tracks.track_ids.tobytes() + tracks.boxes_xyxy.tobytes() + tracks.keypoints.tobytes()


def _outcome(state: State, first: int) -> list[bytes | str]:
    """Return what a fresh tracker with this state makes of the frame before, given again, and of all from `first`."""
    file = BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]
    tracker = Tracker(TrackSettings())
    with np.load(BytesIO(file.getvalue()), allow_pickle=False) as kept:
        tracker.restore(kept)
    try:
        tracker.update(hurried_people(first - 1), TIMES_S[first - 1], first - 1)
        again = "taken"
    except ValueError:
        again = "refused"
    return [again, *(shown for _, shown in _play(tracker, first))]


@pytest.fixture(scope="module")
def whole() -> list[tuple[State, bytes]]:
    return list(_play(Tracker(TrackSettings()), 0))


def _unbroken(whole: list[tuple[State, bytes]], first: int) -> list[bytes | str]:
    return ["refused", *(shown for _, shown in whole[first:])]


@pytest.mark.parametrize("first", range(1, FRAMES, 2))
def test_a_restored_tracker_shows_what_an_unbroken_one_does(whole: list[tuple[State, bytes]], first: int) -> None:
    assert _outcome(whole[first][0], first) == _unbroken(whole, first)


FORGOTTEN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "next_id": np.ones_like,
    "time_s": lambda time_s: np.full_like(time_s, np.nan),
    "frame_index": lambda index: np.full_like(index, -1),
    "is_fresh": np.logical_not,
    "track_ids": np.zeros_like,
    "means": lambda means: means * np.array([1, 0]),  # velocities
    "covariances": lambda covariances: covariances * 0 + np.eye(2),
    "boxes_xyxy": lambda boxes: boxes * 0 + np.array([0, 0, 1, 1], np.float32),
    "keypoints": np.zeros_like,
    "seen_s": np.zeros_like,
    "hits": np.zeros_like,
    "misses": np.zeros_like,
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_a_snapshot_holds_is_needed_to_go_on(whole: list[tuple[State, bytes]], name: str) -> None:
    """Without this the test above could not see a field that `restore` leaves out."""
    assert set(FORGOTTEN) == set(whole[0][0])
    assert any(
        _outcome(state | {name: FORGOTTEN[name](state[name])}, first) != _unbroken(whole, first)
        for first, (state, _) in islice(enumerate(whole), 1, None, 2)
    )


CONTINUE = """
import sys
import numpy as np
from configs.schema import TrackSettings
from hurried_people import FRAMES, TIMES_S, hurried_people
from trackers.tracker import Tracker
tracker = Tracker(TrackSettings())
tracker.restore(np.load(sys.argv[1], allow_pickle=False))
for frame in range(20, FRAMES):
    print(tracker.update(hurried_people(frame), TIMES_S[frame], frame).track_ids.tolist())
"""


def test_a_tracker_restored_in_another_process_gives_the_same_identities(tmp_path: Path) -> None:
    tracker, wanted = Tracker(TrackSettings()), []
    for frame in range(FRAMES):
        if frame == 20:
            np.savez(tmp_path / "half.npz", **tracker.snapshot())  # type: ignore[arg-type]
        wanted.append(str(tracker.update(hurried_people(frame), TIMES_S[frame], frame).track_ids.tolist()))
    done = subprocess.run(
        [sys.executable, "-c", CONTINUE, str(tmp_path / "half.npz")],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'helpers'}", "PATH": ""},
    )
    assert done.stdout.splitlines() == wanted[20:]


def test_an_empty_tracker_survives_a_snapshot() -> None:
    tracker = Tracker(TrackSettings())
    tracker.restore(Tracker(TrackSettings()).snapshot())
    assert _ids(tracker, _people((100, 300)), 0) == [1]


def test_limbs_whose_sides_are_disputed_keep_those_of_the_frame_before_and_after_a_restore() -> None:
    legs = np.isin(np.arange(17), range(11, 17))
    first, tracker = _people((300, 300)), Tracker(TrackSettings())
    assert len(tracker.update(replace(first, is_side_disputed=np.zeros((1, 17), bool)), 0.0, 0)) == 1
    for frame in range(1, 5):
        people = _people((300 + 2 * frame, 300))
        wrong = exchange_sides(people.keypoints[0], legs)
        wrong[legs, 2] *= SIDE_DOUBT
        disputed = replace(people, keypoints=wrong[None], is_side_disputed=legs[None])
        restored = Tracker(TrackSettings())
        restored.restore(tracker.snapshot())
        tracker = restored
        shown = tracker.update(disputed, frame / RATE_HZ, frame).keypoints
        np.testing.assert_allclose(shown, people.keypoints, rtol=1e-5)
    late = tracker.update(disputed, 1.0, 25).keypoints  # too long ago to tell legs apart by
    np.testing.assert_array_equal(late, disputed.keypoints)
