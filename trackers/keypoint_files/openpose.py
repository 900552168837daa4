"""Frames of OpenPose, and of AlphaPose where it writes as OpenPose or the CMU Panoptic tools do."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.errors import InputError
from trackers.keypoint_files.people import FilePerson, FrameKey, PeopleRows
from trackers.keypoint_files.values import in_threes, read_numbers, read_track_id, seen_points, shortened


def is_frame(content: Any) -> bool:
    """Whether this is one frame: an object with a list `people`, or `bodies`."""
    return isinstance(content, dict) and any(isinstance(content.get(key), list) for key in ("people", "bodies"))


def read_frame(content: Mapping[str, Any], frame: FrameKey, source: str, rows: PeopleRows) -> None:
    """Gather the people of one frame; their faces and hands are not read."""
    rows.add_frame(frame)
    key = "people" if isinstance(content.get("people"), list) else "bodies"
    for number, person in enumerate(content[key]):
        label = f"{source}: person {number}"
        if not isinstance(person, dict):
            raise InputError(f"{label} is {shortened(person)}; an object with 'pose_keypoints_2d' is needed")
        rows.add(frame, _read_person(person, label), label)


def _read_person(person: dict[str, Any], label: str) -> FilePerson:
    names = ("pose_keypoints_2d", "pose_keypoints", "joints")
    name = next((key for key in names if person.get(key) is not None), names[0])
    values = person.get(name, [])
    points = in_threes(read_numbers(values, label, name), label, name) if len(values or ()) else np.zeros((0, 3))
    return FilePerson(seen_points(points), track_id=read_track_id(person, ("person_id", "idx"), label))
