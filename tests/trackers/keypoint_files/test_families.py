"""One person in every form that is read, against the same person as COCO has it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keypoint_people import points_of

from configs.errors import InputError
from trackers.keypoint_files import KeypointRecord
from trackers.keypoint_layouts import LAYOUTS
from trackers.types import Detections

WIDTH, HEIGHT, FRAMES = 640, 360, 3
SIZE = np.array([WIDTH, HEIGHT, 1.0])


def _flat(name: str, frame: int, unit: Any = 1.0) -> list[float]:
    return (points_of(LAYOUTS[name], 5.0 * frame) / unit).ravel().tolist()


def _coco(name: str) -> Any:
    return [{"image_id": k, "keypoints": _flat(name, k), "score": 0.6, "track_id": 40 + k} for k in range(FRAMES)]


def _alphapose(name: str) -> Any:
    return [
        {"image_id": f"{k}.jpg", "category_id": 1, "keypoints": _flat(name, k), "score": 2.9, "idx": [40.0 + k],
         "box": [240, 90, 150, 220]}
        for k in range(FRAMES)
    ]  # fmt: skip


def _poseflow(name: str) -> Any:
    return {f"{k}.jpg": [{"keypoints": _flat(name, k), "scores": 1.7, "idx": 40 + k}] for k in range(FRAMES)}


def _alphapose_open(name: str) -> Any:
    return {f"{k}.jpg": {"version": 1.0, "people": [{"pose_keypoints_2d": _flat(name, k)}]} for k in range(FRAMES)}


def _alphapose_cmu(name: str) -> Any:
    return {f"{k}.jpg": {"version": "cmu", "bodies": [{"joints": _flat(name, k)}]} for k in range(FRAMES)}


def _instance(name: str, frame: int) -> dict[str, Any]:
    points = points_of(LAYOUTS[name], 5.0 * frame)
    return {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist(), "track_id": 40 + frame,
            "bbox": [[240, 90, 390, 310]], "bbox_score": 0.6}  # fmt: skip


def _mmpose(name: str) -> Any:
    frames = [{"frame_id": k + 1, "instances": [_instance(name, k)]} for k in range(FRAMES)]
    return {"meta_info": {"dataset_name": "x"}, "instance_info": frames}


def _mmpose_video(name: str) -> Any:
    return [{"frame_id": k, "instances": [_instance(name, k)]} for k in range(FRAMES)]


def _ultralytics(frame: int, unit: Any = 1.0) -> dict[str, Any]:
    x, y, visible = (points_of(LAYOUTS["coco17"], 5.0 * frame) / unit).T.tolist()
    return {"name": "person", "class": 0, "confidence": 0.6, "track_id": 40,
            "keypoints": {"x": x, "y": y, "visible": visible}}  # fmt: skip


def _landmarks(frame: int) -> list[dict[str, float]]:
    points = points_of(LAYOUTS["mediapipe33"], 5.0 * frame) / SIZE
    return [{"x": x, "y": y, "z": 0.0, "visibility": c} for x, y, c in points.tolist()]


WRITERS: dict[str, tuple[str, Callable[[], Any]]] = {
    **{f"coco {name}": (name, lambda name=name: _coco(name)) for name in LAYOUTS},
    "alphapose 17": ("coco17", lambda: _alphapose("coco17")),
    "alphapose halpe": ("halpe26", lambda: _alphapose("halpe26")),
    "alphapose 136": ("halpe136", lambda: _alphapose("halpe136")),
    "alphapose open": ("openpose18", lambda: _alphapose_open("openpose18")),
    "alphapose cmu": ("openpose18", lambda: _alphapose_cmu("openpose18")),
    "poseflow": ("coco17", lambda: _poseflow("coco17")),
    "mmpose": ("coco17", lambda: _mmpose("coco17")),
    "mmpose whole body": ("wholebody133", lambda: _mmpose("wholebody133")),
    "mmpose video": ("halpe26", lambda: _mmpose_video("halpe26")),
    "ultralytics": ("coco17", lambda: [_ultralytics(k) for k in range(FRAMES)]),
    "ultralytics frames": ("coco17", lambda: [[_ultralytics(k)] for k in range(FRAMES)]),
    "ultralytics texts": ("coco17", lambda: [json.dumps([_ultralytics(k)]) for k in range(FRAMES)]),
    "ultralytics shares": ("coco17", lambda: [[_ultralytics(k, SIZE)] for k in range(FRAMES)]),
    "mediapipe": ("mediapipe33", lambda: [_landmarks(k) for k in range(FRAMES)]),
    "mediapipe people": ("mediapipe33", lambda: [[_landmarks(k)] for k in range(FRAMES)]),
    "mediapipe objects": (
        "mediapipe33", lambda: [{"frame": k, "pose_landmarks": [_landmarks(k)]} for k in range(FRAMES)],
    ),
    "mediapipe in frames": ("mediapipe33", lambda: {"frames": [_landmarks(k) for k in range(FRAMES)]}),
}  # fmt: skip


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _find(record: KeypointRecord, count: int = FRAMES) -> list[Detections]:
    return record.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * count, range(count))


def _check(found: list[Detections], name: str) -> None:
    layout = LAYOUTS[name]
    for frame, people in enumerate(found):
        wanted = points_of(LAYOUTS["coco23"], 5.0 * frame)
        wanted[[row < 0 for row in layout.rows]] = 0
        assert len(people) == 1
        assert np.allclose(people.keypoints[0], wanted[:17], atol=0.01)
        assert (people.feet is not None) == layout.has_feet
        assert people.feet is None or np.allclose(people.feet[0], wanted[17:], atol=0.01)
        assert 0 < people.scores[0] <= 1
        x1, y1, x2, y2 = people.boxes_xyxy[0]
        assert 200 < x1 < 320 < x2 < 440 and y1 < 130 < 285 < y2


@pytest.mark.parametrize("form", WRITERS)
def test_a_person_comes_out_the_same_from_every_form(tmp_path: Path, form: str) -> None:
    name, write = WRITERS[form]
    record = KeypointRecord(_write(tmp_path / "a.json", write()))
    assert record.layout_name == name and record.frame_count == FRAMES and not record.problem
    _check(_find(record), name)


@pytest.mark.parametrize(
    ("file_name", "content"),
    [
        ("cam01.{:04d}.json", lambda k: {"people": [{"pose_keypoints_2d": _flat("body25", k)}]}),
        ("x_{:012d}_keypoints.json", lambda k: {"people": [{"pose_keypoints_2d": _flat("body25b", k)}]}),
        ("{}.jpg.json", lambda k: {"people": [{"pose_keypoints_2d": _flat("openpose18", k)}]}),
        ("{:06d}.json", lambda k: [_instance("coco17", k)]),
        ("{:06d}.json", lambda k: {"instances": [_instance("coco17", k)]}),
        ("{:06d}.json", lambda k: [_ultralytics(k)]),
        ("{:06d}.json", lambda k: _landmarks(k)),
    ],
)
def test_a_folder_has_a_file_per_frame_whatever_it_is_called(
    tmp_path: Path, file_name: str, content: Callable[[int], Any]
) -> None:
    for k in range(FRAMES):
        _write(tmp_path / file_name.format(k), content(k))
    record = KeypointRecord(tmp_path)
    assert record.frame_count == FRAMES
    _check(_find(record), record.layout_name)


@pytest.mark.parametrize("inner", ["predictions", ""])
def test_a_folder_with_one_file_of_the_whole_video_is_that_file(tmp_path: Path, inner: str) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    _write(tmp_path / inner / "clip.json", _mmpose_video("coco17"))
    _check(_find(KeypointRecord(tmp_path)), "coco17")


@pytest.mark.parametrize("per_point", [2, 3])
@pytest.mark.parametrize("behind", [[], [0.6], [7], [0.6, 7]])
def test_ultralytics_label_files_are_read_with_confidence_and_identity(
    tmp_path: Path, per_point: int, behind: list[float], caplog: Any
) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for k in range(FRAMES):
        points = (points_of(LAYOUTS["coco17"], 5.0 * k) / SIZE)[:, :per_point].ravel()
        line = [0, 0.5, 0.55, 0.2, 0.6, *points, *behind]
        (folder / f"clip_{k + 1}.txt").write_text(" ".join(map(str, line)) + "\n")
    (folder / "classes.txt").write_text("person\n")
    has_id = 7 in behind
    with caplog.at_level(logging.INFO):
        record = KeypointRecord(tmp_path, is_id_kept=has_id)
    assert "keypoints are normalised" in caplog.text
    found = _find(record)
    for frame, people in enumerate(found):
        assert np.allclose(people.keypoints[0, :, :2], points_of(LAYOUTS["coco17"], 5.0 * frame)[:, :2], atol=0.01)
        assert np.allclose(people.boxes_xyxy, [[256, 90, 384, 306]])
        assert people.scores[0] == pytest.approx(0.6 if 0.6 in behind else 0.8 if per_point == 3 else 1.0)
        assert not has_id or (people.track_ids is not None and people.track_ids.tolist() == [7])


def test_label_files_of_a_video_count_from_one_although_the_first_frames_have_none(tmp_path: Path) -> None:
    line = [0, 0.5, 0.55, 0.2, 0.6, *(points_of(LAYOUTS["coco17"]) / SIZE).ravel()]
    (tmp_path / "clip_5.txt").write_text(" ".join(map(str, line)))
    assert [len(people) for people in _find(KeypointRecord(tmp_path), 6)] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("text", ["0 0.5 0.5 0.1 0.1", "0 a b c", "nan " * 56, "0 0.5 0.5 0.1 inf " + "0.5 " * 51])
def test_label_files_of_no_pose_network_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "clip_1.txt").write_text(text)
    with pytest.raises(InputError, match=r"clip_1\.txt: line 1"):
        KeypointRecord(tmp_path)


@pytest.mark.parametrize("form", ["coco coco17", "alphapose 17", "poseflow", "mmpose", "ultralytics frames"])
def test_identities_of_a_file_are_taken_over_where_that_is_asked(tmp_path: Path, form: str) -> None:
    path = _write(tmp_path / "a.json", WRITERS[form][1]())
    kept = [people.track_ids for people in _find(KeypointRecord(path, is_id_kept=True))]
    assert [ids.tolist() for ids in kept if ids is not None] == (
        [[40]] * 3 if form.startswith("ultra") else [[40], [41], [42]]
    )
    assert all(people.track_ids is None for people in _find(KeypointRecord(path)))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 1], "frame 0 has two people of identity 1"),
        ([1, None], "1 of 2 people have no identity"),
        ([-1, 2], "1 of 2 people have no identity"),
        ([1, -5], "has identity -5"),
        ([1, True], "entry 1 has track_id True"),
        ([1, 1.5], "entry 1 has track_id 1.5"),
        ([1, {"a": 1}], r"entry 1 has track_id \{...\}"),
        ([1, [1, 2]], r"entry 1 has track_id \[1, 2\]"),
        ([1, "two"], "entry 1 has track_id 'two'"),
    ],
)
def test_identities_that_are_none_or_not_unique_are_refused(tmp_path: Path, ids: list[Any], message: str) -> None:
    entries = [{"image_id": 0, "keypoints": _flat("coco17", k), "track_id": value} for k, value in enumerate(ids)]
    with pytest.raises(InputError, match=message):
        KeypointRecord(_write(tmp_path / "a.json", entries), is_id_kept=True)


def test_identities_may_be_floats_or_digits_and_very_large(tmp_path: Path) -> None:
    entries = [
        {"image_id": 0, "keypoints": _flat("coco17", k), "track_id": value}
        for k, value in enumerate([3.0, "12", 10**17])
    ]
    (people,) = _find(KeypointRecord(_write(tmp_path / "a.json", entries), is_id_kept=True), 1)
    assert people.track_ids is not None and people.track_ids.tolist() == [3, 12, 10**17]
