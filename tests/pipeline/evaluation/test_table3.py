"""The three readings of the published table, on people whose errors are worked out by hand."""

import numpy as np
import pytest
from panoptic_files import standing

from configs.skeletons import H36M17
from pipeline.capture.panoptic import JOINTS, People
from pipeline.evaluation.table3 import (
    ANNOTATED,
    ROOT,
    ImagePeople,
    annotated_joints,
    crmh_errors,
    join_errors,
    romp_errors,
    valid_errors,
)

SIZE = (1920, 1080)
KNOWN = np.array([name in ANNOTATED for name in H36M17])
WRIST, KNEE = H36M17.index("left_wrist"), H36M17.index("right_knee")


def person(x: float = 0.0) -> np.ndarray:
    """Return 17 joints of somebody 4 m before the camera, y down."""
    joints = np.tile((x, 0.0, 4.0), (17, 1))
    for number, name in enumerate(H36M17):
        if name in ANNOTATED:
            across, _, up = standing()[JOINTS.index(ANNOTATED[name])]
            joints[number] = (x - across, 1.0 - up, 4.0)
    return joints


def image(true: list[np.ndarray], found: list[np.ndarray], known: np.ndarray | None = None) -> ImagePeople:
    def pixels(joints: np.ndarray) -> np.ndarray:
        return 1000 * joints[..., :2] / joints[..., 2:] + (960, 540)

    true_m, found_m = np.array(true).reshape(-1, 17, 3), np.array(found).reshape(-1, 17, 3)
    is_known = np.tile(KNOWN, (len(true), 1)) if known is None else known
    return ImagePeople(true_m, is_known, pixels(true_m), found_m, pixels(found_m), SIZE)


def off(joints: np.ndarray, joint: int, shift_m: tuple[float, float, float]) -> np.ndarray:
    changed = joints.copy()
    changed[joint] += shift_m
    return changed


def test_annotated_joints_come_in_the_order_of_human36m() -> None:
    joints = standing(1.0)
    rows = People(np.zeros(1, int), np.zeros(1, int), joints[None], np.full((1, 20), 0.5))
    found, known = annotated_joints(rows)
    assert known[0].sum() == 14 and [H36M17[n] for n in np.flatnonzero(~known[0])] == ["spine2", "nose", "head_top"]
    np.testing.assert_array_equal(found[0, ROOT], joints[JOINTS.index("body_centre")])
    np.testing.assert_array_equal(found[0, WRIST], joints[JOINTS.index("left_wrist")])
    np.testing.assert_array_equal(found[0, H36M17.index("right_outer_hip")], joints[JOINTS.index("right_hip")])


def test_crmh_spreads_a_joint_over_17_and_romp_over_14_and_valid_over_13() -> None:
    # One wrist is 170 mm off; ROMP's shift of (0, 60, 30) mm is made undone for the others.
    true, shift = person(), np.array([0, 0.06, 0.03])
    found = off(true, WRIST, (0, 0, 0.17)) + 0.2  # relative to the root: where somebody stands does not count
    near = image([true], [found])
    assert crmh_errors(near).errors_mm.tolist() == pytest.approx([170 / 17])
    assert valid_errors(near).errors_mm.tolist() == pytest.approx([170 / 13]) and valid_errors(near).recall == 1.0
    shifted = true + shift
    shifted[ROOT] = true[ROOT]
    assert romp_errors(image([true], [off(shifted, WRIST, (0, 0, 0.14))])).errors_mm.tolist() == pytest.approx([10.0])
    plain = 1000 * np.linalg.norm(shift) * 13 / 14
    assert romp_errors(image([true], [true])).errors_mm.tolist() == pytest.approx([plain])


def test_unknown_joints_count_nothing_in_the_published_readings_and_are_left_out_in_ours() -> None:
    true = person()
    known = KNOWN.copy()
    known[[KNEE, WRIST]] = False
    found = off(off(true, KNEE, (1, 0, 0)), H36M17.index("right_wrist"), (0, 0, 0.11))
    here = image([true], [found], known[None])
    assert crmh_errors(here).errors_mm.tolist() == pytest.approx([110 / 17])
    assert valid_errors(here).errors_mm.tolist() == pytest.approx([110 / 11])


def test_crmh_lets_two_people_share_a_body_and_forgives_misses() -> None:
    one, two = person(-1.0), off(person(1.0), WRIST, (0, -0.34, 0))
    both = image([one, two], [person(-1.0)])
    assert crmh_errors(both).errors_mm.tolist() == pytest.approx([0.0, 20.0])
    assert len(crmh_errors(image([one, two], [])).errors_mm) == 0, "an image without a body is left out"
    # The wrist of the first is unknown, so it does not tell whom the second takes; it counts all the same.
    known = np.tile(KNOWN, (2, 1))
    known[0, WRIST] = False
    far = off(person(1.0), KNEE, (0.1, 0, 0))
    errors = crmh_errors(image([one, two], [person(), far], known)).errors_mm
    assert errors.tolist() == pytest.approx([0.0, 340 / 17])


def test_romp_counts_150_for_somebody_missed_and_gives_a_body_to_one_person() -> None:
    one, two, plain = person(-1.0), person(1.0), 1000 * np.hypot(0.06, 0.03) * 13 / 14
    assert romp_errors(image([one, two], [person(-1.0)])).errors_mm.tolist() == pytest.approx([plain, 150.0])
    assert romp_errors(image([one, two], [])).errors_mm.tolist() == [150.0, 150.0]
    assert romp_errors(image([one], [person(-0.98), person(-1.01)])).errors_mm.tolist() == pytest.approx([plain])


def test_ours_matches_one_to_one_and_says_who_was_missed() -> None:
    one, two = person(-1.0), person(1.0)
    found = valid_errors(image([one, two], [off(person(1.02), WRIST, (0, 0, 0.13))]))
    assert found.errors_mm.tolist() == pytest.approx([10.0]) and found.wanted == 2 and found.recall == 0.5
    both = join_errors([found, valid_errors(image([one], [person(-1.0)]))])
    assert both.mean_mm == pytest.approx(5.0) and both.recall == pytest.approx(2 / 3)
    assert np.isnan(join_errors([]).mean_mm) and np.isnan(join_errors([]).recall)


def test_who_counts() -> None:
    outside, rootless = person(4.0), KNOWN.copy()
    rootless[ROOT] = False
    known = np.stack([KNOWN, rootless])
    here = image([outside, person()], [person()], known)
    assert crmh_errors(here).wanted == 1, "with a root, in the picture or not"
    assert romp_errors(here).wanted == valid_errors(here).wanted == 0
    below = person() + np.array([0, 2.4, 0])  # below the picture of 1920x1080, in the padded one down to 1181 pixels
    assert valid_errors(image([below], [])).wanted == 0
    assert romp_errors(image([below], [])).wanted == 1


def test_nobody_is_no_error() -> None:
    for measure in (crmh_errors, romp_errors, valid_errors):
        found = measure(image([], [person()]))
        assert found.wanted == 0 and len(found.errors_mm) == 0
