"""Two trackers over one scene: one has seen it all, the other begins later."""

import numpy as np
import pytest

from configs.schema import TrackSettings
from trackers.continuation import ids_given, same_people
from trackers.file_identities import FileIdentities
from trackers.tracker import Tracker
from trackers.types import Detections, no_detections

RATE_HZ, MEET = 25.0, 250
UNIT_POSE = np.random.default_rng(5).uniform(0.1, 0.9, (17, 2))


def people(*places: tuple[float, float]) -> Detections:
    size = np.array([80.0, 200.0])
    low = np.array(places, float).reshape(-1, 2) - size / 2
    keypoints = np.concatenate([low[:, None] + UNIT_POSE * size, np.full((len(low), 17, 1), 0.9)], axis=2)
    boxes = np.concatenate([low, low + size], axis=1)
    return Detections(boxes.astype(np.float32), np.full(len(low), 0.9, np.float32), keypoints.astype(np.float32))


def scene(frame: int) -> Detections:
    """Return people of whom one left early, two cross, one is hidden from time to time and one comes late."""
    places = [(100 + 4 * frame, 300), (1500 - 4 * frame, 320)]
    places += [(700, 900)] if frame < 60 else []
    places += [(1500, 900)] if frame % 50 < 35 else []
    places += [(300 + frame, 1300)] if frame >= 200 else []
    return people(*places[::-1])


def tracked(first: int, stop: int) -> tuple[Tracker, dict[int, list[tuple[int, float]]]]:
    tracker, seen = Tracker(TrackSettings()), dict[int, list[tuple[int, float]]]()
    for frame in range(first, stop):
        shown = tracker.update(scene(frame), frame / RATE_HZ, frame)
        for number, box in zip(shown.track_ids.tolist(), shown.boxes_xyxy, strict=True):
            seen.setdefault(number, []).append((frame, float(box[0])))
    return tracker, seen


def test_everybody_whom_both_follow_is_found_by_the_last_detection() -> None:
    (one, ours), (two, theirs) = tracked(0, MEET), tracked(100, MEET)
    same = same_people(one.snapshot(), two.snapshot())
    assert set(same.values()) == {number for number, rows in ours.items() if rows[-1][0] > 60}
    for later, earlier in same.items():
        assert theirs[later][-1] == ours[earlier][-1]
    assert same != {number: number for number in same}, "the two count differently"


def test_the_count_of_identities_is_that_of_the_tracker() -> None:
    tracker, seen = tracked(0, MEET)
    assert ids_given(tracker.snapshot()) == max(seen)
    assert ids_given({}) == 0


def test_people_at_other_places_are_not_the_same() -> None:
    one, two = Tracker(TrackSettings()), Tracker(TrackSettings())
    one.update(people((100, 300)), 0.0, 0)
    two.update(people((900, 300)), 0.0, 0)
    assert same_people(one.snapshot(), two.snapshot()) == {}


@pytest.mark.parametrize("states", [({}, {}), (FileIdentities().snapshot(), FileIdentities().snapshot())])
def test_identities_of_a_file_need_no_pairs(states: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    assert same_people(*states) == {}


def test_nobody_is_nobody() -> None:
    one, two = Tracker(TrackSettings()), Tracker(TrackSettings())
    one.update(people((100, 300)), 0.0, 0)
    two.update(no_detections(), 0.0, 0)
    assert same_people(one.snapshot(), two.snapshot()) == same_people(two.snapshot(), one.snapshot()) == {}
