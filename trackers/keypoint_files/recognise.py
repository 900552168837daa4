"""Recognises the family of a keypoint file by its keys; the only module that knows all families."""

from collections.abc import Mapping
from typing import Any

from configs.errors import InputError
from configs.json_files import parse_json
from trackers.keypoint_files import coco, mediapipe, mmpose, openpose, ultralytics
from trackers.keypoint_files.people import FrameKey, PeopleRows
from trackers.keypoint_files.values import shortened

KNOWN = (
    "COCO keypoint results or ground truth, AlphaPose, PoseFlow, MMPose, Ultralytics or MediaPipe; "
    "docs/keypoint_files.md shows each"
)
COUNTS_FROM_ONE = "MMPose video"
NORMALISED = ("MediaPipe", "Ultralytics labels")  # families that write normalised coordinates


def read_content(data: Any, source: str, rows: PeopleRows) -> str:
    """Gather what a file of a whole video holds; return the family it is of.

    Raises:
        InputError: of no family that is known, or not as its family writes; names the entry.
    """
    return _read_object(data, source, rows) if isinstance(data, dict) else _read_list(data, source, rows)


def read_frame(content: Any, frame: FrameKey, source: str, rows: PeopleRows) -> str:
    """Gather one frame: a file of a folder, or an item of a list; return the family it is of.

    Raises:
        InputError: as for `read_content`.
    """
    rows.add_frame(frame)
    if isinstance(content, str):
        text = content.encode("utf-8", "surrogatepass")  # `Results.to_json()` gives text
        content = parse_json(text, source, is_nan_allowed=True)
    if content is None or content == []:
        return ""
    if openpose.is_frame(content):
        openpose.read_frame(content, frame, source, rows)
        return "OpenPose"
    if isinstance(content, dict) and isinstance(content.get("instances"), list):
        return read_frame(content["instances"], frame, source, rows)
    if mediapipe.is_frame(content):
        mediapipe.read_frame(content, frame, source, rows)
        return "MediaPipe"
    if not isinstance(content, list):
        raise InputError(f"{source}: is {_described(content)}; the people of one frame are needed, from {KNOWN}")
    family = ""
    for number, entry in enumerate(content):
        label = f"{source}: person {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{label} is {shortened(entry)}; an object with 'keypoints' is needed")
        if ultralytics.is_entry(entry):
            family, person = "Ultralytics", ultralytics.read_person(entry, label)
        elif mmpose.is_instance(entry):
            family, person = "MMPose", mmpose.read_person(entry, label)
        else:
            family, person = "COCO", coco.read_person(entry, label)
        rows.add(frame, person, label)
    return family


def is_whole_video(content: Any) -> bool:
    """Whether this is what a whole video has, and not one frame of it."""
    if isinstance(content, dict):
        return not openpose.is_frame(content) and not mediapipe.is_frame(content) and "instances" not in content
    if not isinstance(content, list) or not content:
        return False
    first = content[0]
    if isinstance(first, dict):
        if "image_id" in first:  # entries of one image may be a frame's file
            return len({str(entry.get("image_id")) for entry in content if isinstance(entry, dict)}) > 1
        return "instances" in first or any(key in first for key in mediapipe.LANDMARK_KEYS)
    return isinstance(first, list | str) and not mediapipe.is_frame(content)


def _read_object(data: Mapping[str, Any], source: str, rows: PeopleRows) -> str:
    if isinstance(data.get("annotations"), list):
        coco.read_truth(data, source, rows)
        return "COCO"
    if isinstance(data.get("instance_info"), list):
        meta = data.get("meta_info")
        mmpose.read_frames(data["instance_info"], source, rows, meta if isinstance(meta, dict) else None)
        return COUNTS_FROM_ONE
    if isinstance(data.get("frames"), list):
        return _read_frames(data["frames"], source, rows)
    if openpose.is_frame(data):
        raise InputError(f"{source}: is one frame of OpenPose; give the folder that it lies in")
    values = list(data.values())
    if values and all(openpose.is_frame(value) for value in values):
        for name, content in data.items():
            openpose.read_frame(content, name, f"{source}: {shortened(name)}", rows)
        return "AlphaPose"
    if values and all(isinstance(value, list) for value in values) and not mediapipe.is_frame(data):
        coco.read_by_name(data, source, rows)
        return "PoseFlow"
    raise InputError(
        f"{source}: holds neither a list of COCO keypoint results nor an object with 'annotations', but "
        f"{_described(data)}; give {KNOWN}, or an OpenPose folder"
    )


def _read_list(data: Any, source: str, rows: PeopleRows) -> str:
    if not isinstance(data, list):
        raise InputError(f"{source}: holds neither a list of COCO keypoint results nor an object with 'annotations', "
                         f"but {_described(data)}; give {KNOWN}, or an OpenPose folder")  # fmt: skip
    first = next((item for item in data if item not in (None, [])), None)
    if isinstance(first, dict):
        if "instances" in first:
            mmpose.read_frames(data, source, rows)
            return "MMPose"
        if ultralytics.is_entry(first) and "image_id" not in first:
            ultralytics.read_entries(data, source, rows)
            return "Ultralytics"
        if mediapipe.is_frame(first):
            return _read_frames(data, source, rows)
        if mmpose.is_instance(first) and "image_id" not in first:
            raise InputError(f"{source}: is one frame of MMPose; give the folder of all frames, or its video's file")
        if mediapipe.is_frame(data):
            raise InputError(f"{source}: is one frame of MediaPipe; write a list of frames")
    if isinstance(first, list | str):
        return _read_frames(data, source, rows)
    coco.read_results(data, source, rows)
    return "COCO"


def _read_frames(frames: list[Any], source: str, rows: PeopleRows) -> str:
    """Gather a list with an item per frame."""
    family = ""
    for number, content in enumerate(frames):
        is_keyed = isinstance(content, dict) and any(key in content for key in mediapipe.LANDMARK_KEYS)
        if is_keyed:
            mediapipe.read_frame(content, number, f"{source}: frame {number}", rows)
        found = "MediaPipe" if is_keyed else read_frame(content, number, f"{source}: frame {number}", rows)
        if family and found and found != family:
            raise InputError(f"{source}: frame {number} is of {found}, those before it of {family}; keep one tool's")
        family = family or found
    return family


def _described(content: Any) -> str:
    if isinstance(content, dict):
        return f"an object of {shortened([str(key) for key in list(content)[:4]])}" if content else "an empty object"
    return shortened(content)
