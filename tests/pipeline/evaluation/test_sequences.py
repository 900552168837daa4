"""Rendered clips with their truth."""

from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.evaluation.sequences import compare_with_truth, find_sequences, split_by_truth
from pipeline.evaluation.truth import Truth
from pipeline.motion.posing import joint_positions
from pipeline.types import OBSERVATION_DTYPES, OBSERVATION_SHAPES, MotionTrack, Observations

TIMES = np.arange(20) / 25


@pytest.fixture
def people(make_track) -> list[MotionTrack]:
    return [make_track(TIMES, shift_m=(side, 0, 5.0), speed_mps=(0.3, 0, 0), seed=1) for side in (-1.2, 1.2)]


@pytest.fixture
def truth(people: list[MotionTrack], stick_body) -> Truth:
    joints = np.stack([joint_positions(stick_body, t.pose, t.betas, t.trans) for t in people])
    shares = np.ones((2, 20), np.float32)
    shares[0, 5:9] = 0.0
    return Truth(joints, shares, np.full(20, 500.0), np.tile([320.0, 180.0], (20, 1)))


def rows_of(people: list[MotionTrack], frames: list[tuple[int, int]]) -> Observations:
    """Return rows (person, frame) that the tracker gave one identity."""
    fields = {
        name: np.zeros((len(frames), *shape), OBSERVATION_DTYPES.get(name, np.float32))
        for name, shape in OBSERVATION_SHAPES.items()
    }
    fields["frame_index"] = np.array([frame for _, frame in frames])
    fields["boxes_xyxy"] = np.array([people[person].boxes_xyxy[frame] for person, frame in frames])
    return Observations(**fields)


def test_boxes_go_to_who_stands_there_and_to_nobody_who_is_hidden(people: list[MotionTrack], truth: Truth) -> None:
    frames = [(person, frame) for frame in (4, 3, 6, 12) for person in (1, 0)]
    found = split_by_truth(rows_of(people, frames), truth)
    assert [person.frame_index.tolist() for person in found] == [[3, 4, 12], [3, 4, 6, 12]]
    assert [set(person.track_id.tolist()) for person in found] == [{1}, {2}]
    assert split_by_truth(rows_of(people, [(0, 6)]), truth) == []


def test_the_truth_has_no_error(people: list[MotionTrack], truth: Truth, stick_body) -> None:
    result = compare_with_truth("clip", {"off": people}, stick_body, truth)
    assert (result.wanted, result.found) == (36, 36)
    errors = result.by_mode["off"]
    assert max(errors.mpjpe_mm.max(), errors.pa_mpjpe_mm.max()) < 0.01 and errors.acceleration.max() < 0.1


def test_a_clip_without_its_truth_is_no_sequence(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="no clip with its truth"):
        find_sequences(tmp_path)
    (tmp_path / "a.truth.npz").touch()
    assert find_sequences(tmp_path) == [(tmp_path / "a.mp4", tmp_path / "a.truth.npz")]
