"""Instances of MMPose 1.x: the object with `instance_info`, and the lists that its inferencer saves."""

from collections.abc import Mapping
from typing import Any

from configs.errors import InputError
from trackers.keypoint_files.people import FilePerson, FrameKey, PeopleRows
from trackers.keypoint_files.values import (
    read_box,
    read_numbers,
    read_pairs,
    read_score,
    read_track_id,
    read_whole,
    seen_points,
    shortened,
    with_confidence,
)
from trackers.keypoint_layouts import layout_of_names


def is_instance(entry: Any) -> bool:
    """Whether this is one person: points as pairs, their confidences beside them."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("keypoints"), list)
        and ("keypoint_scores" in entry or (bool(entry["keypoints"]) and isinstance(entry["keypoints"][0], list)))
    )


def read_person(entry: dict[str, Any], label: str) -> FilePerson:
    """Return the person of an instance."""
    xy = read_pairs(entry.get("keypoints"), label, "keypoints")
    scores = entry.get("keypoint_scores")
    confidence = None if scores is None else read_numbers(scores, label, "keypoint_scores")
    return FilePerson(
        seen_points(with_confidence(xy, confidence, label)),
        read_box(entry.get("bbox"), label, "bbox", is_corners=True),
        read_score(entry.get("bbox_score"), label, "bbox_score"),
        read_track_id(entry, ("track_id", "instance_id"), label),
    )


def read_frames(frames: list[Any], source: str, rows: PeopleRows, meta: Mapping[str, Any] | None = None) -> None:
    """Gather a list of objects with `instances` and, of videos, `frame_id`; without it places in the list count."""
    names = (meta or {}).get("keypoint_id2name")
    if rows.wanted is None and isinstance(names, dict) and all(isinstance(name, str) for name in names.values()):
        rows.wanted = layout_of_names(list(names.values()))
    for number, content in enumerate(frames):
        label = f"{source}: frame {number}"
        if not isinstance(content, dict) or not isinstance(content.get("instances"), list):
            raise InputError(f"{label} is {shortened(content)}; an object with 'instances' is needed")
        frame: FrameKey = number
        if content.get("frame_id") is not None:
            frame = read_whole(content["frame_id"], label, "frame_id", "a frame index")
        rows.add_frame(frame)
        for row, entry in enumerate(content["instances"]):
            inner = f"{label}, person {row}"
            if not isinstance(entry, dict):
                raise InputError(f"{inner} is {shortened(entry)}; an object with 'keypoints' is needed")
            rows.add(frame, read_person(entry, inner), inner)
