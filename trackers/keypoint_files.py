"""People from keypoints that were computed before: COCO keypoint JSON and OpenPose folders."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError
from trackers.association import box_around
from trackers.keypoint_layouts import openpose_to_coco
from trackers.types import COCO_KEYPOINTS, Detections, no_detections

log = logging.getLogger(__name__)

PERSON_CATEGORY = 1  # in COCO
OPENPOSE_ENDING = "_keypoints.json"
BOX_MARGIN = 0.1  # the head and the feet reach beyond the outermost keypoints, by about this share of the extent
NORMALISED_PX = 2.0  # OpenPose writes pixels, or with --keypoint_scale 3 and 4 numbers within [-1, 1]


@dataclass(frozen=True, slots=True)
class _Person:
    """One person of a frame, as the file has it."""

    keypoints: np.ndarray  # (17, 3) float32 x, y in pixels of the video, confidence
    box_xyxy: np.ndarray | None = None  # (4,) float32; None = goes round the keypoints
    score: float | None = None  # None = the mean confidence of the keypoints that are seen


class KeypointRecord:
    """Detections by frame index, from a file or folder. Frames that it does not name have nobody in them."""

    def __init__(self, path: Path, *, first_number: int | None = None, pictures: Sequence[str] = ()) -> None:
        """Read a COCO file, or list an OpenPose folder (its files are read when asked for).

        Args:
            path: `.json` (COCO results, or COCO ground truth), or a folder of `*_keypoints.json`.
            pictures: file names of the frames, of a video made of pictures. Where any of them is named in `path`, names
                tell the frames; else numbers do.
            first_number: number in a file name that stands for frame 0. By default 1 where file names count from 1,
                else 0. Whole-number image ids are frame indices as they stand.

        Raises:
            InputError: not such a file or folder; names the file, the entry, what it holds and what is needed.
        """
        self._files: dict[int, Path] = {}
        self._people: dict[int, list[_Person]] = {}
        self._path = path
        self._is_warned = False
        if path.is_dir():
            self._files = _list_openpose(path, first_number, pictures)
        elif path.is_file():
            self._people = _read_coco(path, first_number, pictures)
        else:
            raise InputError(f"{path}: no such file or folder; give a COCO keypoint .json or an OpenPose folder")

    @property
    def frame_count(self) -> int:
        """Return the number of frames up to the last one that is named."""
        return max([*self._files, *self._people], default=-1) + 1

    def warn_beyond(self, frame_count: int) -> None:
        """Warn where frames are named that a video of this many frames does not have."""
        named = sorted({*self._files, *self._people})
        beyond = sum(index >= frame_count for index in named)
        if not beyond:
            return
        if beyond == len(named):
            found = f"none of its {beyond} frames ({named[0]} to {named[-1]}) is in the video"
        else:
            found = f"{beyond} of its {len(named)} frames lie beyond the end of the video"
        log.warning(
            "%s: %s, which has %d frames; check that the file is of this very clip and counts its frames from 0",
            self._path, found, frame_count,
        )  # fmt: skip

    def find(self, images: Sequence[np.ndarray], frame_indices: Sequence[int]) -> list[Detections]:
        """Return the people of each frame, best score first.

        Of a picture only its size matters: a keypoint that lies farther outside than the longer side is long counts as
        not seen, and a box that reaches as far is replaced by one round the keypoints.
        """
        return [self._detect(int(index), image) for image, index in zip(images, frame_indices, strict=True)]

    def _detect(self, index: int, image: np.ndarray) -> Detections:
        people = _read_openpose(self._files[index]) if index in self._files else self._people.get(index, [])
        height, width = image.shape[:2]
        near = [_leave_out_far(person, width, height) for person in people]
        if not self._is_warned and any(kept is not person for kept, person in zip(near, people, strict=True)):
            self._is_warned = True
            log.warning(
                "%s: in frame %d keypoints or a box lie more than %d px outside the picture of %d x %d; such are left "
                "out, here and in later frames; check that the file is of this video and in its pixels",
                self._path, index, max(width, height), width, height,
            )  # fmt: skip
        return _to_detections(near)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); write it again") from error


def _without_ending(name: str) -> str:
    """Return a file name without folder and ending. What holds a digit is no ending, e.g. of my.clip_000012."""
    path = Path(name)
    return path.name if any(map(str.isdecimal, path.suffix)) else path.stem


def _find_number(name: str) -> int | None:
    """Return the last whole number in a file name without its ending, e.g. 12 of walk_000012.jpg."""
    digits = ""
    for character in reversed(_without_ending(name)):
        if character.isdecimal():
            digits = character + digits
        elif digits:
            break
    return int(digits) if digits else None


def _index_names(
    names: Sequence[str], source: Path, first_number: int | None, pictures: Sequence[str]
) -> dict[str, int]:
    """Return the frame index of each file name; names without a picture are left out where others have one."""
    place_of = {_without_ending(picture): place for place, picture in enumerate(pictures)}
    of_picture = {name: place_of[_without_ending(name)] for name in names if _without_ending(name) in place_of}
    if of_picture and len(place_of) == len(pictures):
        if missing := sorted(set(names) - set(of_picture)):
            log.warning("%s: %d names, e.g. %r, are not among the pictures; left out", source, len(missing), missing[0])
        _refuse_doubles(of_picture, source)
        return of_picture
    numbers: dict[str, int] = {}
    for name in names:
        number = _find_number(name)
        if number is None:
            raise InputError(f"{source}: {name!r} has no number; a frame's file name must end in its number")
        numbers[name] = number
    taken = _refuse_doubles(numbers, source)
    smallest = min(taken, default=0)
    first = (1 if smallest == 1 else 0) if first_number is None else first_number
    if first_number is None and first == 1:
        log.info("%s: file names count from 1, so 1 is the first frame", source)
    if smallest < first:
        raise InputError(f"{source}: {taken[smallest]!r} comes before number {first}, which was said to be the first")
    return {name: number - first for name, number in numbers.items()}


def _refuse_doubles(numbers: Mapping[str, int], source: Path) -> dict[int, str]:
    """Return the name of each number; raise where two names have the same."""
    taken: dict[int, str] = {}
    for name, number in numbers.items():
        if number in taken:
            raise InputError(
                f"{source}: {taken[number]!r} and {name!r} are both frame {number}; keep one video's files"
            )
        taken[number] = name
    return taken


def _list_openpose(folder: Path, first_number: int | None, pictures: Sequence[str]) -> dict[int, Path]:
    files = {path.name.removesuffix(OPENPOSE_ENDING): path for path in sorted(folder.glob(f"*{OPENPOSE_ENDING}"))}
    if not files:
        raise InputError(f"{folder}: holds no *{OPENPOSE_ENDING}; give the folder that OpenPose wrote (--write_json)")
    return {index: files[name] for name, index in _index_names(list(files), folder, first_number, pictures).items()}


def _read_openpose(path: Path) -> list[_Person]:
    data = _read_json(path)
    people = data.get("people") if isinstance(data, dict) else None
    if not isinstance(people, list):
        raise InputError(f"{path}: has no list 'people'; OpenPose's own output is needed")
    found = []
    for row, person in enumerate(people):
        entry = f"{path}: person {row}"
        if not isinstance(person, dict):
            raise InputError(f"{entry} is a {type(person).__name__}; an object with 'pose_keypoints_2d' is needed")
        values = _numbers(person.get("pose_keypoints_2d", person.get("pose_keypoints", [])), entry, "pose_keypoints_2d")
        keypoints = openpose_to_coco(values, entry)
        seen = keypoints[keypoints[:, 2] > 0]
        if not len(seen):
            continue
        if np.abs(seen[:, :2]).max() <= NORMALISED_PX:
            raise InputError(
                f"{entry} lies within {NORMALISED_PX:.0f} px; run OpenPose with --keypoint_scale 0 (pixels)"
            )
        found.append(_Person(keypoints))
    return found


def _read_coco(path: Path, first_number: int | None, pictures: Sequence[str]) -> dict[int, list[_Person]]:
    data = _read_json(path)
    person: Any = PERSON_CATEGORY
    names_by_id: dict[Any, str | int] = {}
    if isinstance(data, dict) and isinstance(data.get("annotations"), list):
        entries, where = data["annotations"], "annotation"
        categories = _objects(data, "categories", path)
        person = next((category.get("id") for category in categories if category.get("name") == "person"), person)
        for image in _objects(data, "images", path):
            frame = image.get("frame_id", image.get("frame_index"))
            names_by_id[image.get("id")] = frame if isinstance(frame, int) else str(image.get("file_name", ""))
    elif isinstance(data, list):
        entries, where = data, "entry"
    else:
        raise InputError(
            f"{path}: holds neither a list of COCO keypoint results nor an object with 'annotations'; "
            "give one of them, or an OpenPose folder"
        )
    people: dict[str | int, list[_Person]] = {}
    for row, entry in enumerate(entries):
        label = f"{path}: {where} {row}"
        if not isinstance(entry, dict) or "image_id" not in entry:
            raise InputError(f"{label} has no 'image_id'; COCO keypoint entries are needed")
        if entry.get("category_id", person) != person or ("keypoints" not in entry and where == "annotation"):
            continue
        image_id = entry["image_id"]
        if isinstance(image_id, int | str):
            image_id = names_by_id.get(image_id, image_id)
        if isinstance(image_id, bool) or not isinstance(image_id, int | str):
            raise InputError(f"{label} has image_id {image_id!r}; a frame index or a file name is needed")
        found = _read_entry(entry, label, is_truth=where == "annotation")
        if found is not None:
            people.setdefault(image_id, []).append(found)
    named = {name for name in [*names_by_id.values(), *people] if isinstance(name, str)}
    indices: Mapping[str, int] = _index_names(sorted(named), path, first_number, pictures)
    by_index: dict[int, list[_Person]] = {}
    for key, rows in people.items():
        index = indices.get(key) if isinstance(key, str) else key
        if index is not None:  # else of a picture that is not there
            by_index.setdefault(index, []).extend(rows)
    if by_index and min(by_index) < 0:
        raise InputError(f"{path}: has frame index {min(by_index)}; frames count from 0")
    return by_index


def _objects(data: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    rows = data.get(key, [])
    if not isinstance(rows, list):
        raise InputError(f"{path}: {key!r} is not a list; COCO's own format is needed")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"{path}: {key.removesuffix('s')} {number} is not an object; COCO's own format is needed")
    return rows


def _read_entry(entry: Mapping[str, Any], label: str, *, is_truth: bool) -> _Person | None:
    """Return one person, or None for one without a single keypoint."""
    values = _numbers(entry.get("keypoints"), label, "keypoints")
    if len(values) != COCO_KEYPOINTS * 3:
        raise InputError(
            f"{label} has {len(values)} keypoint numbers; {COCO_KEYPOINTS * 3} are needed "
            f"({COCO_KEYPOINTS} COCO keypoints of x, y and confidence)"
        )
    keypoints = values.reshape(COCO_KEYPOINTS, 3)
    third = keypoints[:, 2]
    if is_truth or (third.max() == 2 and np.isin(third, (0, 1, 2)).all()):
        keypoints[:, 2] = third / 2  # COCO's flags: 0 not labelled, 1 hidden, 2 visible
    keypoints[:, 2] = keypoints[:, 2].clip(0, 1)
    keypoints[keypoints[:, 2] == 0] = 0
    if not keypoints[:, 2].any():
        return None
    box, box_xyxy = entry.get("bbox", entry.get("box")), None
    if box is not None:
        numbers = _numbers(box, label, "bbox")
        if len(numbers) != 4 or (numbers[2:] <= 0).any():
            raise InputError(f"{label} has bbox {box}; x, y, width and height are needed, both sizes above 0")
        box_xyxy = np.concatenate([numbers[:2], numbers[:2] + numbers[2:]])
    if "score" not in entry:
        return _Person(keypoints, box_xyxy, 1.0 if is_truth else None)
    score = entry["score"]
    if not isinstance(score, int | float) or isinstance(score, bool) or not np.isfinite(score):
        raise InputError(f"{label} has score {score!r}; a number is needed")
    return _Person(keypoints, box_xyxy, float(np.clip(score, 0, 1)))


def _numbers(values: Any, label: str, key: str) -> np.ndarray:
    try:
        numbers = np.array(values, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{label} has {key} {str(values)[:40]!r}; a list of numbers is needed") from error
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise InputError(f"{label} has {key} {str(values)[:40]!r}; a flat list of finite numbers is needed")
    return numbers


def _leave_out_far(person: _Person, width: int, height: int) -> _Person:
    """Return a person without what lies farther outside the picture than its longer side; the same one if nothing."""
    reach, size = max(width, height), np.array([width, height], np.float32)
    is_kept = np.maximum(-person.keypoints[:, :2], person.keypoints[:, :2] - size).max(axis=1) <= reach
    box = person.box_xyxy
    is_box_kept = box is None or bool(np.maximum(-box, box - np.tile(size, 2)).max() <= reach)
    if is_kept.all() and is_box_kept:
        return person
    keypoints = np.where(is_kept[:, None], person.keypoints, np.float32(0))
    return _Person(keypoints, box if is_box_kept else None, person.score)


def _to_detections(people: Sequence[_Person]) -> Detections:
    """Return the people of whom a keypoint is seen, best score first."""
    rows: list[tuple[float, np.ndarray, np.ndarray]] = []
    for person in people:
        seen = person.keypoints[person.keypoints[:, 2] > 0]
        if len(seen):
            box = box_around(seen[:, :2], BOX_MARGIN) if person.box_xyxy is None else person.box_xyxy
            rows.append((float(seen[:, 2].mean()) if person.score is None else person.score, box, person.keypoints))
    if not rows:
        return no_detections()
    scores, boxes, keypoints = zip(*sorted(rows, key=lambda row: -row[0]), strict=True)
    return Detections(
        boxes_xyxy=np.stack(boxes).astype(np.float32),
        scores=np.array(scores, np.float32),
        keypoints=np.stack(keypoints).astype(np.float32),
    )
