import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_people import points_of

from configs.errors import InputError
from trackers.keypoint_files import KeypointRecord
from trackers.keypoint_layouts import COCO_NAMES, LAYOUTS
from trackers.types import Detections

WIDTH, HEIGHT = 640, 720
LONGER = max(WIDTH, HEIGHT)


def _pose(shift: float = 0.0, confidence: float = 0.8) -> np.ndarray:
    """Return (17, 3) keypoints, no two in one place."""
    points = np.stack([100 + 10 * np.arange(17) + shift, 200 + 20 * np.arange(17)], axis=1)
    return np.concatenate([points, np.full((17, 1), confidence)], axis=1)


def _entry(image_id: Any, shift: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "keypoints": _pose(shift).ravel().tolist(), "score": 0.7, **more}


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _find(record: KeypointRecord, frame_indices: list[int]) -> list[Detections]:
    return record.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * len(frame_indices), frame_indices)


def _openpose(folder: Path, name: str, *people: list[float]) -> None:
    folder.mkdir(exist_ok=True)
    rows = [{"pose_keypoints_2d": person} for person in people]
    _write(folder / f"{name}_keypoints.json", {"version": 1.3, "people": rows})


@pytest.mark.parametrize("name", ["body25", "openpose18"])
def test_an_openpose_person_keeps_every_coco_keypoint(tmp_path: Path, name: str) -> None:
    points = points_of(LAYOUTS[name])
    points[[points_of(LAYOUTS[name])[:, 1].argmax()], :2] = (5000, 5000) if name == "body25" else (0, 0)
    _openpose(tmp_path / "op", "clip_000000000000", points.ravel().tolist())
    (people,) = _find(KeypointRecord(tmp_path / "op"), [0])
    wanted = points_of(LAYOUTS["coco17"])
    seen = people.keypoints[0, :, 2] > 0
    assert np.allclose(people.keypoints[0][seen], wanted[seen]) and seen.sum() >= 16
    assert people.scores == pytest.approx([0.8])
    x1, y1, x2, y2 = people.boxes_xyxy[0]
    assert 200 < x1 < 300 and 80 < y1 < 120 and 350 < x2 < 400 and 280 < y2 < 320  # around the 17, not the foot at 5000


def test_frames_are_found_by_number_and_others_are_empty(tmp_path: Path) -> None:
    flat = points_of(LAYOUTS["body25"])
    for number in (0, 2, 10):
        _openpose(tmp_path / "op", f"take2_{number:012d}", *([flat.ravel().tolist()] * (number + 1)))
    record = KeypointRecord(tmp_path / "op")
    assert [len(people) for people in _find(record, [10, 0, 1, 2, 99])] == [11, 1, 0, 3, 0]
    assert record.frame_count == 11


def test_file_names_that_count_from_one_begin_with_frame_zero(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", [_entry("img_0001.jpg"), _entry("img_0002.jpg", 7)])
    people = _find(KeypointRecord(path), [0, 1])
    assert [float(p.keypoints[0, 0, 0]) for p in people] == [100, 107]
    assert len(_find(KeypointRecord(path, first_number=0), [0])[0]) == 0


def test_names_of_pictures_tell_the_frames_where_there_are_any(tmp_path: Path, caplog: Any) -> None:
    pictures = ["shot_0101.jpg", "shot_0103.jpg", "last.jpg"]
    for name in ("shot_0101", "shot_0102", "shot_0103", "last"):
        flat = points_of(LAYOUTS["body25"]).ravel().tolist()
        _openpose(tmp_path / "op", name, *([flat] * (1 if name == "last" else 2)))
    record = KeypointRecord(tmp_path / "op", image_names=pictures)
    assert [len(people) for people in _find(record, [0, 1, 2, 3])] == [2, 2, 1, 0]
    assert "1 names, e.g. 'shot_0102', match no image" in caplog.text
    coco = _write(tmp_path / "a.json", [_entry("x/shot_0102.jpg"), _entry("x/shot_0103.jpg", 7)])
    assert [len(people) for people in _find(KeypointRecord(coco, image_names=pictures), [0, 1, 2])] == [0, 1, 0]
    by_number = KeypointRecord(coco, image_names=["101.jpg", "102.jpg"])
    assert by_number.frame_count == 104
    with pytest.raises(InputError, match=r"'a/shot_0101.jpg' and 'b/shot_0101.jpg' are both frame 0"):
        KeypointRecord(
            _write(tmp_path / "b.json", [_entry("a/shot_0101.jpg"), _entry("b/shot_0101.jpg")]), image_names=pictures
        )


@pytest.mark.parametrize(
    ("frame_count", "message"),
    [
        (13, ""),
        (12, "1 of its 3 frames lie beyond the end of the video, which has 12 frames; check that"),
        (11, "2 of its 3 frames lie beyond"),
        (10, r"none of its 3 frames (10 to 12) is in the video, which has 10 frames; check that"),
    ],
)
def test_frames_beyond_the_end_of_the_video_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, frame_count: int, message: str
) -> None:
    KeypointRecord(_write(tmp_path / "a.json", [_entry(10), _entry(11), _entry(12)])).warn_beyond(frame_count)
    assert message in caplog.text and bool(message) == bool(caplog.records)
    caplog.clear()
    KeypointRecord(_write(tmp_path / "b.json", [])).warn_beyond(frame_count)
    assert not caplog.records


def test_whole_number_image_ids_are_frame_indices(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", [_entry(1), _entry(3, score=0.2), _entry(3, 5, score=0.9)])
    people = _find(KeypointRecord(path), [0, 1, 3])
    assert [len(p) for p in people] == [0, 1, 2]
    assert people[2].scores.tolist() == pytest.approx([0.9, 0.2])


def test_a_given_box_is_used_and_a_missing_one_goes_around_the_keypoints(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", [_entry(0, bbox=[10, 20, 30, 40]), _entry(1)])
    given, made = _find(KeypointRecord(path), [0, 1])
    assert given.boxes_xyxy.tolist() == [[10, 20, 40, 60]]
    assert (made.boxes_xyxy[0, :2] < [100, 200]).all() and (made.boxes_xyxy[0, 2:] > [260, 520]).all()


@pytest.mark.parametrize("far_px", [1e6, -1e6, HEIGHT + LONGER + 1, -LONGER - 1])
@pytest.mark.parametrize("is_coco", [True, False])
def test_a_keypoint_far_outside_the_picture_is_not_seen_and_bounds_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, far_px: float, is_coco: bool
) -> None:
    wild = _pose()
    wild[9, 1:] = far_px, 1.0
    if is_coco:
        path = _write(tmp_path / "a.json", [{"image_id": k, "keypoints": wild.ravel().tolist()} for k in range(2)])
    else:
        path, pose = tmp_path / "op", dict(zip(COCO_NAMES, wild, strict=True))
        flat = np.array([pose.get(name, (0, 0, 0)) for name in LAYOUTS["openpose18"].points]).ravel().tolist()
        for name in ("x_000000000000", "x_000000000001"):
            _openpose(path, name, flat)
    for people in _find(KeypointRecord(path), [0, 1]):
        assert people.keypoints[0, 9].tolist() == [0, 0, 0]
        assert np.allclose(np.delete(people.keypoints[0], 9, axis=0), np.delete(_pose(), 9, axis=0))
        assert people.scores == pytest.approx([0.8])
        assert (people.boxes_xyxy > 0).all() and (people.boxes_xyxy < HEIGHT).all()
    assert caplog.text.count(f"in frame 0 keypoints or a box lie more than {LONGER} px outside the image") == 1


def test_keypoints_a_little_outside_the_picture_stay_and_who_is_far_outside_is_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _write(tmp_path / "a.json", [_entry(0, -LONGER), _entry(1, 1e6), _entry(2, bbox=[-1e6, 0, 2e6, 9])])
    outside, nobody, boxed = _find(KeypointRecord(path), [0])[0], *_find(KeypointRecord(path), [1, 2])
    assert np.allclose(outside.keypoints[0], _pose(-LONGER)) and "frame 0" not in caplog.text
    assert len(nobody) == 0
    assert (boxed.boxes_xyxy > 0).all() and (boxed.boxes_xyxy < HEIGHT).all()


def test_coco_ground_truth_is_placed_by_file_name_and_its_flags_become_confidence(tmp_path: Path) -> None:
    keypoints = _pose()
    keypoints[:, 2] = 2
    keypoints[3, 2] = 1
    keypoints[4] = 0
    annotation = {"image_id": 77, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "bbox": [0, 0, 9, 9]}
    images = [{"id": 77, "file_name": "v/f_000012.png"}, {"id": 78, "file_name": "v/f_000000.png"}]
    other = {"image_id": 78, "category_id": 18, "bbox": [1, 2, 3, 4]}  # a dog
    content = {"images": images, "annotations": [annotation, other], "categories": [{"id": 1, "name": "person"}]}
    record = KeypointRecord(_write(tmp_path / "gt.json", content))
    empty, people = _find(record, [0, 12])
    assert len(empty) == 0
    assert people.keypoints[0, :5, 2].tolist() == [1, 1, 1, 0.5, 0]
    assert people.scores.tolist() == [1]


def test_a_person_without_any_keypoint_is_nobody(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", [{"image_id": 0, "keypoints": [0.0] * 51, "score": 0.9}])
    assert len(_find(KeypointRecord(path), [0])[0]) == 0
    _openpose(tmp_path / "op", "x_000000000000", [0.0] * 75)
    assert len(_find(KeypointRecord(tmp_path / "op"), [0])[0]) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, r"holds neither a list of COCO keypoint results nor an object with 'annotations'"),
        ([3], r"entry 0 has no 'image_id'"),
        ([_entry(0), {"image_id": 1}], r"entry 1 has keypoints None; a list"),
        ([_entry(0, keypoints=[1.0] * 57)], r"entry 0 has 19 keypoints \(57 numbers\); known are 17 \(COCO-17"),
        ([_entry(0, keypoints=[1.0] * 50)], r"entry 0 has 50 numbers in keypoints; x, y and confidence"),
        ([_entry(0, keypoints=[[1, 2, 3]] * 17)], r"entry 0 has keypoints .*flat list"),
        ([_entry(0, keypoints=["a"] * 51)], r"entry 0 has keypoints .*list of numbers"),
        ([_entry(0, keypoints=[1.0] * 7 + [float("inf")] * 44)], r"entry 0: number 7 of keypoints is inf"),
        ([_entry(0, keypoints=[1.0] * 7 + [1e300] * 44)], r"number 7 of keypoints is 1e\+300; finite numbers"),
        ([_entry(0, bbox=[1, 2, 3])], r"entry 0 has bbox \[1, 2, 3\]; needed are x, y, width and height"),
        ([_entry(0, bbox=[1, 2, 0, 4])], r"both sizes above 0"),
        ([_entry(0, score="high")], r"entry 0 has score 'high'"),
        ([_entry(-2)], r"has frame index -2"),
        ([_entry(1.5)], r"entry 0 has image_id 1.5"),
        ([_entry("frame.jpg")], r"'frame.jpg' has no number"),
        ([_entry("a_1.jpg"), _entry("b_1.jpg")], r"'a_1.jpg' and 'b_1.jpg' are both frame 1"),
        ({"annotations": [], "images": [5]}, r"image 0 is not an object"),
        ({"annotations": [], "categories": "person"}, r"'categories' is not a list"),
    ],
)
def test_a_wrong_coco_file_says_which_entry_and_what_is_needed(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.json.*{message}"):
        KeypointRecord(_write(tmp_path / "a.json", content))


@pytest.mark.parametrize("text", ["", "{", "\x00\x01"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json: not readable as JSON"):
        KeypointRecord(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ([1.0] * 63, r"person 0 has 21 keypoints \(63 numbers\); known are .*25 \(OpenPose BODY_25 or"),
        ([5.0, 5.0, 0.9] * 25, r"the people are ambiguous"),
        (["x"] * 75, r"list of numbers"),
    ],
)
def test_a_wrong_openpose_file_says_which_person_and_what_is_needed(
    tmp_path: Path, person: list[Any], message: str
) -> None:
    _openpose(tmp_path / "op", "x_000000000003", person)
    with pytest.raises(InputError, match=rf"op.*{message}"):
        _find(KeypointRecord(tmp_path / "op"), [3])


def test_a_folder_without_openpose_files_and_a_path_to_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \*_keypoints\.json"):
        KeypointRecord(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        KeypointRecord(tmp_path / "nothing")


def test_names_with_dots_keep_their_numbers(tmp_path: Path) -> None:
    for number in range(2):
        _openpose(tmp_path / "op", f"take2.final_{number:012d}", points_of(LAYOUTS["body25"]).ravel().tolist())
    assert KeypointRecord(tmp_path / "op").frame_count == 2
    coco = _write(tmp_path / "coco.json", [_entry("my.clip_000000.png"), _entry("my.clip_000003.png")])
    assert KeypointRecord(coco).frame_count == 4


def test_an_image_id_that_is_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"image_id \[1\]"):
        KeypointRecord(_write(tmp_path / "coco.json", [_entry([1])]))
