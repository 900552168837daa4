"""Errors of two sources of keypoints follow from how far they lie apart."""

import json
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError
from pipeline.evaluation.keypoint_errors import Pairs, main, measure, to_json
from trackers.joining import GROUP_OF, GROUPS, body_axes, errors_from

SIDE = 300.0
PERSON = np.array(
    [[200, 60], [196, 56], [204, 56], [192, 58], [208, 58], [220, 90], [180, 90], [228, 130], [172, 130], [230, 170],
     [170, 170], [212, 170], [188, 170], [212, 230], [188, 230], [212, 290], [188, 290]], np.float64,
)  # fmt: skip


def simulated(people: int = 600) -> Pairs:
    """Return people who stand still, seen by a detector that errs by 1 to 3 % and landmarks that err by 1 to 2 %."""
    rng = np.random.default_rng(0)
    true = np.tile(PERSON, (people, 1, 1))
    sources = []
    for low, high in ((0.01, 0.03), (0.01, 0.02)):
        confidence = rng.uniform(0.3, 1.0, (people, 17))
        sigma = high - (high - low) * (confidence - 0.3) / 0.7
        points = true + rng.normal(size=true.shape) * (sigma * SIDE)[..., None]
        sources.append(np.concatenate([points, confidence[..., None]], axis=-1))
    up, out = body_axes(true)
    hips = np.flatnonzero(GROUPS.index("hip") == GROUP_OF)
    sources[1][:, hips, :2] += 0.1 * up[:, hips] - 0.3 * out[:, hips]
    return Pairs(
        np.zeros(people, np.int64), np.arange(people), np.ones(people, np.int64), np.full(people, SIDE), *sources
    )


def test_the_errors_of_both_are_found_without_a_truth() -> None:
    found = measure(simulated())
    for place, (source, high) in enumerate((("detector", 0.03), ("landmarks", 0.02))):
        expected = high - (high - 0.01) * (found.nodes[source] - 0.3) / 0.7
        values = np.median([found.groups[name].sigma[place] for name in GROUPS], axis=0)
        np.testing.assert_allclose(values, expected, rtol=0.25)
        assert (np.diff(values) <= 0).all()


def test_where_a_source_means_another_point_of_the_body_is_found() -> None:
    groups = measure(simulated()).groups
    assert groups["hip"].offset == pytest.approx((0.1, -0.35), abs=0.12)  # in axes that are seen with errors
    assert np.abs(groups["knee"].offset).max() < 0.05


def test_people_whom_only_one_source_has_right_do_not_count() -> None:
    pairs = simulated()
    wrong = pairs.landmarks.copy()
    wrong[::3, :, :2] += 120.0
    both = Pairs(pairs.clip, pairs.frame, pairs.track, pairs.sides_px, pairs.detector, wrong)
    apart = [measure(each).groups["knee"].apart for each in (pairs, both)]
    assert apart[1] == pytest.approx(apart[0], rel=0.15)


def test_too_few_people_are_told() -> None:
    with pytest.raises(InputError, match="only 3 people of at least 80 px were found; give more clips"):
        measure(simulated(3))


def test_the_file_is_what_joining_reads() -> None:
    content = json.loads(json.dumps(to_json(measure(simulated()), "mine")))
    for name in ("mine", "landmarks"):
        errors = errors_from(content["sources"][name])
        assert errors.sigma.shape == (len(GROUPS), len(errors.confidence))


def test_clips_are_measured_and_other_sources_of_the_file_stay(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "errors.json"
    output.write_text('{"sources": {"other": 1, "landmarks": 2}}')
    clip = test_data / "data/videos/mmaction2_demo_skeleton.mp4"
    assert main([str(clip), "--detector", "bundled", "--frames", "12", "--name", "mine", "--output", str(output)]) == 0
    sources = json.loads(output.read_text())["sources"]
    assert set(sources) == {"other", "landmarks", "mine"} and sources["landmarks"] == 2
    printed = capsys.readouterr()
    assert "24 people, 100% alike in both" in printed.err
    apart = next(line for line in printed.out.splitlines() if line.startswith("apart"))
    assert all(0.0 < float(value) < 6.0 for value in apart.split()[2:])
