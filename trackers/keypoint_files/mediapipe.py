"""Landmarks of MediaPipe's pose networks: 33 objects of x, y and visibility, normalised by the image size.

A frame is nobody (null or []), one person (a list of 33 landmarks), a list of people, or an object that holds any of
these under `pose_landmarks`, `poseLandmarks` or `landmarks`, and perhaps its index under `frame`, `frame_index` or
`frame_id`.
"""

from typing import Any

import numpy as np

from configs.errors import InputError
from trackers.keypoint_files.people import FilePerson, FrameKey, PeopleRows
from trackers.keypoint_files.values import read_numbers, read_whole, seen_points, shortened, with_confidence

LANDMARK_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
FRAME_KEYS = ("frame", "frame_index", "frame_id")


def is_frame(content: Any) -> bool:
    """Whether this is one frame with somebody in it, or an object that holds one."""
    if isinstance(content, dict):
        return any(key in content for key in LANDMARK_KEYS)
    return _is_person(content) or (isinstance(content, list) and bool(content) and _is_person(content[0]))


def read_frame(content: Any, frame: FrameKey, source: str, rows: PeopleRows) -> None:
    """Gather the people of one frame."""
    label = source
    while isinstance(content, dict):
        number = next((content[key] for key in FRAME_KEYS if content.get(key) is not None), None)
        if number is not None:
            frame = read_whole(number, label, "frame", "a frame index")
        key = next((key for key in LANDMARK_KEYS if key in content), None)
        if key is None:
            raise InputError(f"{label} is {shortened(content)}; 'landmarks' are needed")
        content = content[key]
    rows.add_frame(frame)
    if content is None or content == []:
        return
    if not isinstance(content, list):
        raise InputError(f"{label} is {shortened(content)}; a list of landmarks is needed")
    people = [content] if _is_person(content) else content
    for number, person in enumerate(people):
        rows.add(frame, _read_person(person, f"{label}, person {number}"), f"{label}, person {number}")


def _is_person(content: Any) -> bool:
    if isinstance(content, dict):
        return isinstance(content.get("landmark"), list)  # of a protocol buffer
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "x" in first and "y" in first


def _read_person(person: Any, label: str) -> FilePerson:
    landmarks = person.get("landmark") if isinstance(person, dict) else person
    if not isinstance(landmarks, list) or not all(isinstance(point, dict) for point in landmarks):
        raise InputError(f"{label} is {shortened(person)}; a list of objects with x, y and visibility is needed")
    x, y = (read_numbers([point.get(key) for point in landmarks], label, key) for key in ("x", "y"))
    visible = [point.get("visibility", point.get("presence", 1.0)) for point in landmarks]
    confidence = read_numbers(visible, label, "visibility")
    return FilePerson(seen_points(with_confidence(np.stack([x, y], axis=1), confidence, label)))
