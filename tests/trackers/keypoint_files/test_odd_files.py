"""Files as people really have them: half written, of another unit, of other categories, and hostile ones."""

import json
import logging
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_people import points_of

from configs.errors import InputError
from trackers.keypoint_files import KeypointRecord
from trackers.keypoint_layouts import LAYOUTS
from trackers.types import Detections

WIDTH, HEIGHT = 640, 360
SIZE = np.array([WIDTH, HEIGHT, 1.0])


def _flat(name: str = "coco17", shift: float = 0.0, unit: Any = 1.0) -> list[float]:
    return (points_of(LAYOUTS[name], shift) / unit).ravel().tolist()


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _find(record: KeypointRecord, count: int = 1) -> list[Detections]:
    return record.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * count, range(count))


def _openpose(folder: Path, count: int, name: str = "body25") -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [
        _write(folder / f"c_{k:012d}_keypoints.json", {"people": [{"pose_keypoints_2d": _flat(name, 5.0 * k)}]})
        for k in range(count)
    ]


@pytest.mark.parametrize("text", ["", '{"people": [{"pose_key', "\x00\x00\x00"])
def test_a_file_that_was_cut_short_is_told_at_the_start_and_is_a_frame_with_nobody(
    tmp_path: Path, text: str, caplog: Any
) -> None:
    files = _openpose(tmp_path / "op", 3)
    files[2].write_text(text)
    record = KeypointRecord(tmp_path / "op")
    assert record.problem in caplog.text and files[2].name in record.problem and "\n" not in record.problem
    assert [len(people) for people in _find(record, 3)] == [1, 1, 0] and record.frame_count == 3
    for path in files:
        path.write_text(text)
    with pytest.raises(InputError, match="not readable as JSON"):
        KeypointRecord(tmp_path / "op")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, encoding: str) -> None:
    for path in _openpose(tmp_path / "op", 2):
        path.write_bytes(path.read_text().encode(encoding))
    assert [len(people) for people in _find(KeypointRecord(tmp_path / "op"), 2)] == [1, 1]


@pytest.mark.parametrize("nothing", ["NaN", "null"])
@pytest.mark.parametrize("which", [(0,), (0, 1, 2), (2,)])
def test_a_number_that_is_none_is_a_point_not_seen(tmp_path: Path, nothing: str, which: tuple[int, ...]) -> None:
    values = [json.dumps(value) for value in _flat()]
    for place in which:
        values[9 * 3 + place] = nothing
    (tmp_path / "a.json").write_text(f'[{{"image_id": 0, "keypoints": [{", ".join(values)}]}}]')
    (people,) = _find(KeypointRecord(tmp_path / "a.json"))
    wanted = points_of(LAYOUTS["coco17"])
    wanted[9] = 0
    assert np.allclose(people.keypoints[0], wanted)


def test_points_at_exactly_zero_are_not_seen_whatever_their_confidence(tmp_path: Path) -> None:
    values = points_of(LAYOUTS["coco17"])
    values[3] = 0, 0, 0.4
    (people,) = _find(
        KeypointRecord(_write(tmp_path / "a.json", [{"image_id": 0, "keypoints": values.ravel().tolist()}]))
    )
    assert people.keypoints[0, 3].tolist() == [0, 0, 0] and (people.boxes_xyxy > 90).all()


def test_shares_of_the_picture_become_pixels_with_a_word_and_so_do_their_boxes(tmp_path: Path, caplog: Any) -> None:
    entries = [
        {"image_id": k, "keypoints": _flat("coco17", 5 * k, SIZE), "bbox": [0.4, 0.3, 0.2, 0.5]} for k in range(9)
    ]
    entries[0]["keypoints"] = _flat("coco17", -330.0, SIZE)  # partly outside, at the left
    entries[4]["keypoints"][:2] = [40.0, 9.0]  # one stray among many
    with caplog.at_level(logging.INFO):
        found = _find(KeypointRecord(_write(tmp_path / "a.json", entries)), 9)
    assert "keypoints are normalised (0 to 1)" in caplog.text
    assert np.allclose(found[2].keypoints[0], points_of(LAYOUTS["coco17"], 10), atol=0.01)
    assert np.allclose(found[2].boxes_xyxy, [[256, 108, 384, 288]], atol=0.01)


def test_shares_whose_meaning_is_not_known_are_refused(tmp_path: Path) -> None:
    centred = [value if place % 3 == 2 else 2 * value - 1 for place, value in enumerate(_flat("coco17", 0, SIZE))]
    with pytest.raises(InputError, match=r"keypoints run from -0\..* pixels of the video are needed"):
        KeypointRecord(_write(tmp_path / "a.json", [{"image_id": 0, "keypoints": centred}]))
    (tmp_path / "op").mkdir()
    _write(tmp_path / "op" / "0_keypoints.json", {"people": [{"pose_keypoints_2d": _flat("body25", 0, SIZE)}]})
    with pytest.raises(InputError, match="run OpenPose with --keypoint_scale 0"):
        KeypointRecord(tmp_path / "op")


def _truth(categories: list[dict[str, Any]], used: list[Any]) -> dict[str, Any]:
    flags = [2.0 if place % 3 == 2 else value for place, value in enumerate(_flat())]
    annotations = [{"image_id": 1, "category_id": key, "keypoints": flags} for key in used]
    return {"images": [{"id": 1, "file_name": "f_000000.png"}], "categories": categories, "annotations": annotations}


PLAYER, REFEREE, PERSON = {"id": 7, "name": "player"}, {"id": 8, "name": "referee"}, {"id": 3, "name": "Person"}


@pytest.mark.parametrize(
    ("categories", "used", "people"),
    [
        ([PLAYER], [7, 7], 2),
        ([{"id": 1, "name": "person"}, PLAYER], [7], 1),
        ([PLAYER, PERSON], [7, 3, 7], 1),
        ([], [1, 5], 1),
        ([], [5], 1),
        ([], [None], 1),
    ],
)
def test_people_are_the_category_called_person_or_the_only_one_with_keypoints(
    tmp_path: Path, categories: list[dict[str, Any]], used: list[Any], people: int
) -> None:
    (found,) = _find(KeypointRecord(_write(tmp_path / "a.json", _truth(categories, used))))
    assert len(found) == people
    if not categories:
        entries = [{"image_id": 0, "category_id": key, "keypoints": _flat()} for key in used]
        assert len(_find(KeypointRecord(_write(tmp_path / "b.json", entries)))[0]) == people


def test_several_categories_of_whom_none_is_a_person_are_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none is 'person' \(2 of 7 \('player'\), 1 of 8 \('referee'\)\)"):
        KeypointRecord(_write(tmp_path / "a.json", _truth([PLAYER, REFEREE], [7, 8, 7])))


def test_a_category_that_names_its_points_tells_their_order(tmp_path: Path) -> None:
    layout = LAYOUTS["h36m17"]
    content = _truth([{"id": 1, "name": "person", "keypoints": list(reversed(layout.points))}], [1])
    points = points_of(layout)[::-1].copy()
    points[:, 2] = 2
    content["annotations"][0]["keypoints"] = points.ravel().tolist()
    (people,) = _find(KeypointRecord(_write(tmp_path / "a.json", content)))
    assert np.allclose(people.keypoints[0, 5:, :2], points_of(LAYOUTS["coco17"])[5:, :2])


def test_confidences_in_the_form_of_ground_truth_stay_as_they_are(tmp_path: Path) -> None:
    content = _truth([PLAYER], [7])
    content["annotations"][0]["keypoints"] = _flat()
    (people,) = _find(KeypointRecord(_write(tmp_path / "a.json", content)))
    assert np.allclose(people.keypoints[0, :, 2], 0.8)


def test_the_layout_can_be_said_and_must_then_fit(tmp_path: Path) -> None:
    blurred = np.ones((25, 3)) * [300.0, 200.0, 0.5]  # nobody could tell
    blurred[:, 0] += np.arange(25)
    (tmp_path / "op").mkdir()
    _write(tmp_path / "op" / "0.json", {"people": [{"pose_keypoints_2d": blurred.ravel().tolist()}]})
    (people,) = _find(KeypointRecord(tmp_path / "op", layout="body25b"))
    assert people.keypoints[0, :, 0].tolist() == [300.0 + k for k in range(17)]
    with pytest.raises(InputError, match="has 25 keypoints, Halpe-26 has 26; give another --keypoints-format"):
        KeypointRecord(tmp_path / "op", layout="halpe26")


def test_a_layout_in_which_limbs_are_as_long_as_people_is_doubted(tmp_path: Path, caplog: Any) -> None:
    _openpose(tmp_path / "op", 3, "body25b")
    KeypointRecord(tmp_path / "op", layout="body25")
    assert "limbs come out as long as people" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"image_id": 1%s, "keypoints": []}]' % ("0" * 400), "more than 18 digits"),
        ('[{"image_id": "f%s", "keypoints": []}]' % ("9" * 5000), "a number of more than 18 digits"),
        ('[{"image_id": true, "keypoints": []}]', "image_id True"),
        ('[{"image_id": {"a": 1}, "keypoints": []}]', r"image_id \{...\}"),
        ('[{"image_id": 0, "score": Infinity, "keypoints": [1,1,1]}]', "score inf"),
        ('[{"image_id": 0, "score": 1e999, "keypoints": [1,1,1]}]', "score inf"),
        ('[{"image_id": 0, "bbox": [0, 0, 1e300, 1], "keypoints": [1,1,1]}]', r"bbox is 1e\+300"),
        ('[{"image_id": 0, "keypoints": "%s"}]' % ("x" * 9000), "keypoints 'x{38}'; a list"),
        ('{"images": [{"id": {"a": 1}}], "annotations": []}', r"image 0 has id \{...\}"),
        ('{"images": [{"id": 1}, {"id": 1.0}], "annotations": []}', "image 1 has id 1, and so has one"),
        ('{"images": [{"id": 1}], "annotations": [{"image_id": 2, "keypoints": [1,1,1]}]}', "the id of none of its"),
        ('{"annotations": [{"image_id": 0, "category_id": {}, "keypoints": [1, 1]}]}', "2 numbers in keypoints"),
        ('{"instance_info": [3]}', r"frame 0 is 3; an object with 'instances'"),
        ('{"instance_info": [{"instances": [{"keypoints": [1, 2]}]}]}', r"keypoints \[1, 2\]; a list of points"),
        ('[{"keypoints": {"x": [1], "y": []}}]', "1 keypoints in x and 0 in y"),
        ('[{"keypoints": {"x": [1], "y": [1]}}, {"keypoints": {"x": [1], "y": [1]}}]', "nothing says which frame"),
        ('[[{"x": 1, "y": 2}, 5]]', "a list of objects with x, y and visibility"),
        ('{"people": []}', "is one frame of OpenPose; give the folder"),
        ('{"a": 1}', r"an object of \['a'\]; give COCO"),
        ("3", "but 3; give COCO"),
        ('"{}"', "give COCO"),
    ],
)
def test_what_cannot_be_read_is_one_short_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        KeypointRecord(tmp_path / "a.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600 + len(str(tmp_path))


def test_a_hostile_number_in_one_file_of_a_folder_is_refused(tmp_path: Path) -> None:
    files = _openpose(tmp_path / "op", 3)
    files[1].write_text('{"people": [{"pose_keypoints_2d": [1%s, 1, 1]}]}' % ("0" * 400))
    with pytest.raises(InputError, match=rf"{files[1].name}: .* more than 18 digits"):
        KeypointRecord(tmp_path / "op")


def test_memory_follows_the_people_and_not_the_frame_numbers(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", [{"image_id": 10**17, "keypoints": _flat()}])
    tracemalloc.start()
    record = KeypointRecord(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.frame_count == 10**17 + 1 and peak < 2**20
    assert len(record.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)], [10**17])[0]) == 1


def test_frame_numbers_may_be_floats_and_whole_numbers_in_texts_are_names(tmp_path: Path) -> None:
    entries = [{"image_id": key, "keypoints": _flat()} for key in (0.0, 2.0)]
    assert [len(p) for p in _find(KeypointRecord(_write(tmp_path / "a.json", entries)), 3)] == [1, 0, 1]
    entries = [{"image_id": key, "keypoints": _flat()} for key in ("000", "002")]
    assert [len(p) for p in _find(KeypointRecord(_write(tmp_path / "b.json", entries)), 3)] == [1, 0, 1]


def test_a_pipe_among_labels_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a_1.txt")
    with pytest.raises(InputError, match="a named pipe; give a label file"):
        KeypointRecord(tmp_path)


def test_a_label_that_ends_in_nan_is_told(tmp_path: Path) -> None:
    line = " ".join(["0 0.5 0.5 0.2 0.8", *["0.5 0.5 0.9"] * 17])
    (tmp_path / "a_1.txt").write_text(f"{line} 0.9 3\n")
    (tmp_path / "a_2.txt").write_text(f"{line} 0.9 nan\n")
    with pytest.raises(InputError, match="identity"):
        KeypointRecord(tmp_path)


def test_deep_lists_and_half_characters_are_told_in_short(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    deep = "[" * 800 + "]" * 800
    path.write_text(f'[{{"image_id": 0, "category_id": 1, "keypoints": {deep}}}]')
    with pytest.raises(InputError, match=r"a\.json"):
        KeypointRecord(path)
    path.write_text('["\\ud800"]')
    with pytest.raises(InputError, match=r"a\.json"):
        KeypointRecord(path)
