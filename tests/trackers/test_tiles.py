"""Tiles: they cover the frame, and everybody is found once, wherever the seams are."""

from itertools import pairwise

import numpy as np
import pytest
from blob_detector import BlobDetector, draw

from trackers.input_size import OVERLAP, InputSize, tile_boxes
from trackers.tiles import Window, finder_of, join_windows
from trackers.types import Detections


@pytest.mark.parametrize(
    ("shape", "side"), [((360, 640), 640.0), ((360, 640), 213.3), ((1080, 1920), 640.0), ((7, 900), 100.0)]
)
def test_tiles_cover_the_frame_and_overlap_enough(shape: tuple[int, int], side: float) -> None:
    boxes = tile_boxes(shape, side)
    for axis, length in ((1, shape[0]), (0, shape[1])):
        parts = sorted({(box[axis], box[axis + 2]) for box in boxes})
        assert parts[0][0] == 0 and parts[-1][1] == length
        assert all(stop - start <= side + 1 for start, stop in parts)
        assert all(one[1] - other[0] >= OVERLAP * side - 1 for one, other in pairwise(parts))


def grid_of_people(count: int, high: int) -> list[tuple[int, int, int, int]]:
    rng = np.random.default_rng(3)
    wide = high // 2
    cells = rng.permutation([(x, y) for x in range(0, 1280 - 60, 60) for y in range(0, 720 - 80, 80)])[:count]
    return [(int(x) + 2, int(y) + 2, int(x) + 2 + wide, int(y) + 2 + high) for x, y in cells]


@pytest.mark.parametrize("high", [12, 40, 70])
def test_small_people_are_found_in_tiles_once_each(high: int) -> None:
    boxes = grid_of_people(90, high)
    image = draw((720, 1280), boxes)
    detector = BlobDetector(seen_px=20)
    (whole,) = finder_of(detector, InputSize(640), 100).find([image], [0])
    (tiled,) = finder_of(detector, InputSize(2560, 640, 640), 200).find([image], [0])
    assert len(whole) == (0 if high < 40 else 90)
    assert sorted(map(tuple, tiled.boxes_xyxy.astype(int).tolist())) == sorted(boxes)
    assert (tiled.keypoints[:, 0] == 0).all(), "a keypoint that was not found is not moved"
    assert np.allclose(tiled.keypoints[:, 1, :2], tiled.boxes_xyxy[:, :2])


def test_somebody_taller_than_the_overlap_comes_whole_from_the_whole_frame() -> None:
    boxes = [(600, 10, 700, 700), (100, 300, 115, 330)]
    (found,) = finder_of(BlobDetector(), InputSize(2560, 640, 640), 9).find([draw((720, 1280), boxes)], [0])
    assert sorted(map(tuple, found.boxes_xyxy.astype(int).tolist())) == sorted(boxes)


def test_a_second_size_adds_nobody_twice_and_images_do_not_mix() -> None:
    boxes = [[(10, 10, 30, 60)], [(500, 100, 520, 150), (900, 300, 940, 400)], []]
    images = [draw((720, 1280), each) for each in boxes]
    found = finder_of(BlobDetector(), InputSize(1280, 0, 640), 9).find(images, [0, 1, 2])
    assert [len(people) for people in found] == [1, 2, 0]


def test_only_the_best_are_kept_where_there_are_too_many() -> None:
    image = draw((720, 1280), grid_of_people(30, 40))
    (found,) = finder_of(BlobDetector(), InputSize(2560, 640, 640), 7).find([image], [0])
    assert len(found) == 7


def people(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.zeros((len(boxes), 17, 3))
    )


def test_two_who_stand_close_in_one_window_stay_two() -> None:
    pair = people([[0, 0, 20, 60], [6, 0, 26, 60]], [0.9, 0.8])
    again = people([[0, 1, 20, 60], [6, 1, 26, 60]], [0.95, 0.7])
    none = np.zeros(2, bool)
    joined = join_windows([Window(pair, none), Window(again, none)])
    assert joined.boxes_xyxy.tolist() == pair.boxes_xyxy.tolist()
    assert np.allclose(joined.scores, [0.95, 0.8])


def test_a_cut_box_gives_way_to_the_whole_one_and_stays_where_there_is_none() -> None:
    cut = people([[0, 0, 20, 30], [100, 0, 120, 30]], [0.9, 0.9])
    whole = people([[0, 0, 20, 60]], [0.5])
    joined = join_windows([Window(cut, np.ones(2, bool)), Window(whole, np.zeros(1, bool))])
    assert sorted(joined.boxes_xyxy.tolist()) == [[0, 0, 20, 60], [100, 0, 120, 30]]
    assert np.allclose(joined.scores, 0.9) or sorted(joined.scores.tolist()) == pytest.approx([0.5, 0.9])
