"""Results of Ultralytics: `to_json`, and folders of label files (`save_txt=True`)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.errors import InputError
from configs.files import check_regular
from trackers.keypoint_files.people import FilePerson, PeopleRows
from trackers.keypoint_files.values import (
    read_box,
    read_numbers,
    read_score,
    read_track_id,
    read_whole,
    seen_points,
    shortened,
    with_confidence,
)

log = logging.getLogger(__name__)

TEXT_BYTES_MAX = 2**24  # of one frame's label file
BOX_NUMBERS = 5  # of a label: class, centre, size


def is_entry(entry: Any) -> bool:
    """Whether this is one object of `to_json` of a pose network."""
    return isinstance(entry, dict) and isinstance(entry.get("keypoints"), dict)


def read_person(entry: dict[str, Any], label: str) -> FilePerson:
    """Return the person of one object of `to_json`."""
    lists = entry.get("keypoints")
    if not isinstance(lists, dict):
        raise InputError(f"{label} has keypoints {shortened(lists)}; Ultralytics' object of x, y and visible is needed")
    x, y = (read_numbers(lists.get(key), label, f"keypoints.{key}") for key in ("x", "y"))
    if len(x) != len(y):
        raise InputError(f"{label} has {len(x)} keypoints in x and {len(y)} in y; as many are needed")
    visible = lists.get("visible")
    confidence = None if visible is None else read_numbers(visible, label, "keypoints.visible")
    box = entry.get("box")
    corners = [box.get(key) for key in ("x1", "y1", "x2", "y2")] if isinstance(box, dict) else None
    return FilePerson(
        seen_points(with_confidence(np.stack([x, y], axis=1), confidence, label)),
        read_box(corners, label, "box", is_corners=True),
        read_score(entry.get("confidence"), label, "confidence"),
        read_track_id(entry, ("track_id",), label),
    )


def read_entries(entries: list[Any], source: str, rows: PeopleRows) -> None:
    """Gather one list of the objects of all frames: a frame begins where a `track_id` comes again.

    Raises:
        InputError: entries without `track_id`, of which nobody can say where a frame begins.
    """
    frame, in_frame = 0, set[int]()
    for number, entry in enumerate(entries):
        label = f"{source}: entry {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{label} is {shortened(entry)}; an object with 'keypoints' is needed")
        person = read_person(entry, label)
        if person.track_id is None and len(entries) > 1:
            raise InputError(
                f"{label} has no track_id and nothing says which frame it is of; write a list of frames "
                "([json.loads(r.to_json()) for r in results]), or a file per frame"
            )
        if person.track_id in in_frame:
            frame, in_frame = frame + 1, set()
        in_frame.add(person.track_id or 0)
        rows.add(frame, person, label)
    log.warning(
        "%s: its entries name no frame; a new one is taken to begin where a track_id comes again, which gives %d "
        "frames (those with nobody in them are not in the file, and what follows them comes too early)",
        source, frame + 1,
    )  # fmt: skip


def read_labels(files: Mapping[str, Path], rows: PeopleRows) -> None:
    """Gather label files by name: a line per person of class, box, keypoints and maybe confidence and identity.

    Coordinates are normalised. Lines end in the confidence (`save_conf`), the identity (of tracks) or both.
    """
    lines: list[tuple[str, str, np.ndarray]] = []
    for name, path in files.items():
        rows.add_frame(name)
        lines += [(name, f"{path}: line {number}", values) for number, values in _read_lines(path)]
    if not lines:
        return
    widths = sorted({len(values) for _, _, values in lines})
    count, per_point, extra = _find_form(widths, rows, lines[0][1])
    has_id = extra == 2 or (extra == 1 and all(v[-1] >= 0 and v[-1] % 1 == 0 for _, _, v in lines)
                            and any(v[-1] > 1 for _, _, v in lines))  # fmt: skip
    end = BOX_NUMBERS + count * per_point
    classes = {int(values[0]) for _, _, values in lines}
    wanted = min(classes)
    if len(classes) > 1:
        log.warning("%s and others: have %d classes; only class %d is read", lines[0][1], len(classes), wanted)
    for name, label, values in lines:
        if int(values[0]) != wanted:
            continue
        points = values[BOX_NUMBERS:end].reshape(count, per_point)
        confidence = points[:, 2] if per_point == 3 else None
        centre, size = values[1:3], np.maximum(values[3:5], 1e-6)
        person = FilePerson(
            seen_points(with_confidence(points[:, :2], confidence, label)),
            np.concatenate([centre - size / 2, centre + size / 2]),
            float(values[end]) if extra and not (extra == 1 and has_id) else None,
            read_whole(float(values[-1]), label, "identity", "a whole number") if has_id else None,
        )
        rows.add(name, person, label)


def _read_lines(path: Path) -> list[tuple[int, np.ndarray]]:
    try:
        check_regular(path, "a label file of one frame", bytes_max=TEXT_BYTES_MAX)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); write it again") from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.split():
            try:
                values = [float(word) for word in words]
            except ValueError as error:
                raise InputError(f"{path}: line {number} is {shortened(line)}; numbers are needed") from error
            found.append((number, read_numbers(values, f"{path}: line {number}", "its numbers")))
            if np.isnan(found[-1][1][:BOX_NUMBERS]).any():
                raise InputError(f"{path}: line {number} is {shortened(line)}; class and box are needed")
    return found


def _find_form(widths: Sequence[int], rows: PeopleRows, label: str) -> tuple[int, int, int]:
    """Return how many points lines have, how many numbers per point, and how many behind them."""
    counts = [rows.wanted.count] if rows.wanted is not None else [17]
    for count in counts:
        for per_point in (3, 2):
            for extra in (0, 1, 2):
                if widths == [BOX_NUMBERS + count * per_point + extra]:
                    return count, per_point, extra
    listed = ", ".join(map(str, widths[:5]))
    raise InputError(
        f"{label}: its lines have {listed} numbers; class, box and {counts[0]} keypoints of x, y and visibility "
        f"({BOX_NUMBERS + counts[0] * 3} and up to 2 more) are needed in all of them, from a pose network"
    )
