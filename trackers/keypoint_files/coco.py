"""COCO keypoint results and ground truth, and what has the same entries: AlphaPose and PoseFlow."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.errors import InputError
from trackers.keypoint_files.frames import read_frame_key
from trackers.keypoint_files.people import FilePerson, FrameKey, PeopleRows
from trackers.keypoint_files.values import (
    in_threes,
    read_box,
    read_numbers,
    read_score,
    read_track_id,
    read_whole,
    seen_points,
    shortened,
)
from trackers.keypoint_layouts import KeypointLayout, layout_of_names

log = logging.getLogger(__name__)

PERSON_CATEGORY = 1  # in COCO
FLAGS = (0, 1, 2)  # COCO's third numbers in ground truth
ID_KEYS = ("track_id", "tracking_id", "idx")


def read_person(entry: Mapping[str, Any], label: str, *, is_truth: bool = False) -> FilePerson:
    """Return the person of an entry with a flat list of x, y and confidence.

    Args:
        is_truth: whether third numbers are COCO's flags: 0 not labelled, 1 hidden, 2 visible.
    """
    points = in_threes(read_numbers(entry.get("keypoints"), label, "keypoints"), label, "keypoints")
    if is_truth or (np.isin(points[:, 2], FLAGS).all() and (points[:, 2] == 2).any()):
        points[:, 2] /= 2
    box = read_box(entry.get("bbox", entry.get("box")), label, "bbox")
    score = read_score(entry.get("score", entry.get("scores")), label, "score")
    inner = entry.get("attributes")  # CVAT
    track_id = read_track_id({**(inner if isinstance(inner, dict) else {}), **entry}, ID_KEYS, label)
    return FilePerson(seen_points(points), box, 1.0 if score is None and is_truth else score, track_id)


def read_results(entries: list[Any], source: str, rows: PeopleRows) -> None:
    """Gather a list of entries with `image_id`, as COCO's evaluation takes it and AlphaPose writes it."""
    person = _person_category([entry for entry in entries if isinstance(entry, dict)], {}, source)
    for number, entry in enumerate(entries):
        label = f"{source}: entry {number}"
        if not isinstance(entry, dict) or "image_id" not in entry:
            raise InputError(f"{label} has no 'image_id'; COCO keypoint entries are needed")
        frame = read_frame_key(entry["image_id"], label, "image_id")
        rows.add_frame(frame)
        if _category_of(entry) == person:
            rows.add(frame, read_person(entry, label), label)


def read_truth(data: Mapping[str, Any], source: str, rows: PeopleRows) -> None:
    """Gather an object with `annotations`, `images` and `categories`, as annotation tools export it."""
    names: dict[FrameKey, FrameKey] = {}
    for number, image in enumerate(_objects(data, "images", source)):
        label = f"{source}: image {number}"
        key = _plain_id(image.get("id"), label, "id")
        if key in names:
            raise InputError(f"{label} has id {shortened(key)}, and so has one before it; give every image its own")
        index = image.get("frame_id", image.get("frame_index"))
        if index is not None:
            names[key] = read_frame_key(index, label, "frame_id")
        else:
            name = image.get("file_name")
            names[key] = name if isinstance(name, str) and name else key
        rows.add_frame(names[key])
    annotations = _objects(data, "annotations", source)
    categories = {
        _plain_id(category.get("id"), f"{source}: category {number}", "id"): category
        for number, category in enumerate(_objects(data, "categories", source))
    }
    with_keypoints = [entry for entry in annotations if entry.get("keypoints") is not None]
    person = _person_category(with_keypoints, categories, source)
    if rows.wanted is None:
        rows.wanted = _named_layout(categories.get(person, {}))
    # Tools also export confidences in this form; in flags nothing lies between 0, 1 and 2.
    lists = (entry["keypoints"] for entry in annotations if isinstance(entry.get("keypoints"), list))
    is_truth = all(isinstance(third, int | float) and third in FLAGS for points in lists for third in points[2::3])
    for number, entry in enumerate(annotations):
        label = f"{source}: annotation {number}"
        if "image_id" not in entry:
            raise InputError(f"{label} has no 'image_id'; COCO keypoint entries are needed")
        key = _plain_id(entry["image_id"], label, "image_id")
        if names and key not in names:
            raise InputError(f"{label} has image_id {shortened(key)}, which is the id of none of its images")
        if _category_of(entry) == person and entry.get("keypoints") is not None:
            rows.add(names.get(key, key), read_person(entry, label, is_truth=is_truth), label)


def read_by_name(data: Mapping[str, Any], source: str, rows: PeopleRows) -> None:
    """Gather an object of file names, each with a list of entries, as PoseFlow writes it."""
    for name, entries in data.items():
        rows.add_frame(name)
        for number, entry in enumerate(entries):
            label = f"{source}: {shortened(name)}, person {number}"
            if not isinstance(entry, dict):
                raise InputError(f"{label} is {shortened(entry)}; an object with 'keypoints' is needed")
            rows.add(name, read_person(entry, label), label)


def _category_of(entry: Mapping[str, Any]) -> Any:
    value = entry.get("category_id", PERSON_CATEGORY)
    return PERSON_CATEGORY if value is None else value if isinstance(value, int | str) else shortened(value)


def _person_category(entries: list[dict[str, Any]], categories: Mapping[Any, Mapping[str, Any]], source: str) -> Any:
    """Return the category of the people among entries with keypoints: that called person, or the only one."""
    counts: dict[Any, int] = {}
    for entry in entries:
        key = _category_of(entry)
        counts[key] = counts.get(key, 0) + 1

    def called(key: Any) -> str:
        name = categories.get(key, {}).get("name")
        return f"{key} ({shortened(name)})" if name is not None else f"{key}"

    people = [key for key, category in categories.items() if str(category.get("name", "")).strip().lower() == "person"]
    people = people or [PERSON_CATEGORY] * (PERSON_CATEGORY not in categories)
    found = next((key for key in people if key in counts), None)
    if found is None:
        if not counts:
            return people[0] if people else PERSON_CATEGORY
        if len(counts) > 1:
            listed = ", ".join(f"{count} of {called(key)}" for key, count in counts.items())
            raise InputError(
                f"{source}: its entries are of several categories and none is 'person' ({listed[:200]}); keep the one "
                "of the people"
            )
        found = next(iter(counts))
        log.info("%s: all %d entries with keypoints are of category %s; taken as people", source, counts[found],
                 called(found))  # fmt: skip
    elif len(counts) > 1:
        left = sum(counts.values()) - counts[found]
        log.info("%s: %d entries are not of category %s; left out", source, left, called(found))
    return found


def _named_layout(category: Mapping[str, Any]) -> KeypointLayout | None:
    names = category.get("keypoints")
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return layout_of_names(names) if is_list and names else None


def _plain_id(value: Any, label: str, key: str) -> FrameKey:
    """Return an id of COCO: 5, 5.0 and "5" are the same."""
    if isinstance(value, str) and not (value.isdecimal() and len(value) <= 18 and value == str(int(value))):
        return value
    return read_whole(value, label, key, "a whole number or a text")


def _objects(data: Mapping[str, Any], key: str, source: str) -> list[dict[str, Any]]:
    rows = data.get(key, [])
    if not isinstance(rows, list):
        raise InputError(f"{source}: {key!r} is not a list; COCO's own format is needed")
    singular = "category" if key == "categories" else key.removesuffix("s")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"{source}: {singular} {number} is not an object; COCO's own format is needed")
    return rows
