from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import WeightsError
from trackers.appearance.measure import measure_looks
from trackers.appearance.network import ReidNetwork, find_network, network_files
from trackers.appearance.parts import PARTS, PartColours
from trackers.appearance.silhouettes import Covers, covered_points, find_covers
from trackers.types import Detections, concatenate_detections

# x and y of COCO's points of somebody who stands upright, over the width and the height of the box
STANDING = np.array(
    [
        *((0.5, 0.07), (0.53, 0.06), (0.47, 0.06), (0.56, 0.07), (0.44, 0.07), (0.7, 0.2), (0.3, 0.2), (0.75, 0.35)),
        *((0.25, 0.35), (0.75, 0.5), (0.25, 0.5), (0.65, 0.5), (0.35, 0.5), (0.65, 0.72), (0.35, 0.72), (0.65, 0.95)),
        (0.35, 0.95),
    ]
)
COLOURS = {"head": (40, 30, 20), "trunk": (200, 30, 40), "thighs": (30, 60, 200), "shins": (220, 220, 210)}


def standing(left: float, top: float, size: tuple[float, float] = (60, 180)) -> Detections:
    box = np.array([left, top, left + size[0], top + size[1]], np.float32)
    points = np.concatenate([box[:2] + STANDING * np.array(size), np.full((17, 1), 0.9)], axis=1)
    return Detections(box[None], np.array([0.9], np.float32), points[None].astype(np.float32))


def dressed(image: np.ndarray, person: Detections, colours: dict[str, tuple[int, int, int]]) -> None:
    """Paint the bands of a standing person's box in the colours of the parts."""
    x1, y1, x2, y2 = person.boxes_xyxy[0].astype(int)
    for part, (first, last) in zip(PARTS, ((0, 0.15), (0.15, 0.5), (0.5, 0.72), (0.72, 1.0)), strict=True):
        image[y1 + int(first * (y2 - y1)) : y1 + int(last * (y2 - y1)), x1:x2] = colours[part]


def nobody(person: Detections) -> Covers:
    """Return who stands before somebody alone."""
    return find_covers(person)


def test_each_part_has_its_own_colour() -> None:
    image, person = np.full((220, 200, 3), 128, np.uint8), standing(50, 20)
    dressed(image, person, COLOURS)
    found = PartColours().measure(image, person, nobody(person)).reshape(len(PARTS), 3, 3)
    for part, name in enumerate(PARTS):
        colour = np.array([[COLOURS[name]]], np.float32) / 255.0
        wanted = cv2.cvtColor(colour, cv2.COLOR_RGB2LAB)[0, 0]
        np.testing.assert_allclose(found[part, 1], wanted, atol=2.0, err_msg=name)


def parts_seen(looks: np.ndarray) -> list[list[bool]]:
    """Return of each person which parts were seen."""
    return np.isfinite(looks.reshape(len(looks), len(PARTS), 9)).all(axis=2).tolist()


def test_a_part_that_is_not_seen_has_no_colour() -> None:
    image, person = np.full((220, 200, 3), 128, np.uint8), standing(50, 20)
    keypoints = person.keypoints.copy()
    keypoints[0, [15, 16], 2] = 0.0  # no ankle is seen
    keypoints[0, 13, 2] = 0.0  # one knee is
    found = PartColours().measure(image, replace(person, keypoints=keypoints), nobody(person))
    assert parts_seen(found) == [[True, True, True, False]]
    assert parts_seen(PartColours().measure(image[:100], person, nobody(person))) == [[True, True, False, False]]


def test_who_stands_before_somebody_hides_parts_of_them() -> None:
    """The one in front is looked at whole, of the one behind what the body of the one in front leaves free."""
    behind, front, alone = standing(50, 20), standing(60, 120, (70, 190)), standing(300, 20)
    ghost = replace(standing(302, 22), scores=np.array([0.15], np.float32))  # one of them again, hardly found
    people = concatenate_detections([behind, front, alone, ghost])
    looks = measure_looks(PartColours(), np.zeros((320, 400, 3), np.uint8), people)
    assert parts_seen(looks) == [[True, True, False, False], [True] * 4, [True] * 4, [False] * 4]
    is_before = find_covers(people).is_before
    assert is_before[0].tolist() == [False, True, True, False] and not is_before[1].any()


def test_a_body_hides_what_it_covers_and_not_its_whole_box() -> None:
    behind, front = standing(50, 20), standing(70, 30)
    behind.keypoints[0, :, 0] -= 15  # beside the arm of the one in front, whose box reaches over
    image = np.full((320, 400, 3), 128, np.uint8)
    front.keypoints[0, :, 0] += 30
    points, both = behind.keypoints[:1, :, :2], concatenate_detections([behind, front])
    covered = covered_points(points, find_covers(both).of(np.array([0])))
    assert not covered.any()
    unsure = replace(front, keypoints=front.keypoints * np.array([1, 1, 0], np.float32))  # no pose: the whole box
    people = concatenate_detections([behind, unsure])
    assert covered_points(points, find_covers(people).of(np.array([0]))).any()
    assert parts_seen(measure_looks(PartColours(), image, both))[0] == [True] * 4


def test_colours_are_those_of_the_points_that_are_free() -> None:
    image, behind, front = np.full((320, 400, 3), 128, np.uint8), standing(50, 20), standing(86, 30)
    dressed(image, behind, COLOURS)
    alone = measure_looks(PartColours(), image, behind)
    image[:, 90:] = (255, 255, 255)  # whatever the one in front wears
    both = measure_looks(PartColours(), image, concatenate_detections([behind, front]))
    is_seen = np.isfinite(both[0])
    assert is_seen.reshape(len(PARTS), 9)[1].all()
    np.testing.assert_allclose(both[0, is_seen], alone[0, is_seen], atol=3.0)


def test_somebody_found_twice_does_not_hide_themselves() -> None:
    people = concatenate_detections([standing(50, 20), standing(53, 23)])
    assert not find_covers(people).is_before.any()


def test_people_far_away_or_half_hidden_are_not_looked_at() -> None:
    far, hidden = standing(10, 10, (10, 30)), standing(100, 20)
    hidden.keypoints[0, 11, 2] = 0.1  # a hip is not seen
    people = concatenate_detections([far, hidden])
    assert np.isnan(measure_looks(PartColours(), np.zeros((220, 400, 3), np.uint8), people)).all()


def test_a_network_tells_two_people_apart(test_data: Path) -> None:
    meter = ReidNetwork(test_data / "data/weights/reid_osnet_x0_25_msmt17")
    image = np.full((220, 400, 3), 128, np.uint8)
    people = [standing(20, 20), standing(120, 20), standing(220, 20)]
    for person, trunk in zip(people, ((200, 30, 40), (205, 35, 40), (20, 160, 60)), strict=True):
        dressed(image, person, COLOURS | {"trunk": trunk})
    found = measure_looks(meter, image, concatenate_detections(people))
    assert found.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    alike = found @ found.T
    assert alike[0, 1] > alike[0, 2] + 0.02
    assert len(network_files(test_data / "data/weights/reid_osnet_x0_25_msmt17")) == 2


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds 0 \.onnx files"):
        find_network(tmp_path)
    with pytest.raises(WeightsError, match="or --reid parts"):
        find_network(tmp_path / "nosuch.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="not a network that OpenCV"):
        ReidNetwork(tmp_path / "a.onnx")
