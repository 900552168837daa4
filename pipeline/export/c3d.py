"""C3D: the joints of all people as points, in millimetres, z up; who is not there has no valid points.

Written here, not by a library: rows go to the file one person after the other, so that memory does not grow with
people. Source: "The C3D file format", c3d.org.
"""

import struct
from pathlib import Path

import numpy as np

from pipeline.export.check import check_count, check_joints, checked_rows
from pipeline.export.formats import Format, broken
from pipeline.export.scene import Scene, ScenePerson
from pipeline.export.trc import MARKERS

BLOCK = 512
MM = 1000.0
LABELS_MAX = 255  # of one parameter; further ones go to LABELS2 and so on
FRAMES_MAX = 65535  # of the fields of the header; the true number is in TRIAL
INTEL = 84
HEADER = "<BBHHHHHfHHf"  # parameters, key, points, analog, first and last frame, gap, scale, data, analog, rate


def write(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Write all people. Frame 1 is sample 0 of the clip; the file begins with the first sample of anybody."""
    first, count = _span(scene)
    points = 24 * len(scene.people)
    parameters = _parameters(scene, first, count, 0)
    blocks = -(-len(parameters) // BLOCK)
    parameters = _parameters(scene, first, count, 2 + blocks)
    frames = min(first + 1, FRAMES_MAX), min(first + count, FRAMES_MAX)
    header = struct.pack(HEADER, 2, 0x50, points, 0, *frames, 0, -1.0, 2 + blocks, 0, scene.rate_hz)
    with open(path, "wb") as file:
        file.write(header.ljust(BLOCK, b"\0"))
        file.write(parameters.ljust(BLOCK * blocks, b"\0"))
        file.seek(BLOCK * (1 + blocks))
        nobody = np.tile(np.array([0, 0, 0, -1], "<f4"), points).tobytes()  # -1: not valid
        for _ in range(count):
            file.write(nobody)
        file.write(bytes(-file.tell() % BLOCK))
    for number, each in enumerate(scene.people):
        motion = each.load()
        for rows in motion.blocks():
            start = BLOCK * (1 + blocks) + (each.first_sample - first + rows.start) * points * 16
            data = np.memmap(path, "<f4", "r+", start, (rows.stop - rows.start, points, 4))
            there = data[:, 24 * number : 24 * (number + 1)]
            there[..., :3], there[..., 3] = motion.joints(rows) * MM, 0.0
            data.flush()


def _span(scene: Scene) -> tuple[int, int]:
    first = min(person.first_sample for person in scene.people)
    return first, scene.end_sample() - first


def point_names(scene: Scene) -> list[str]:
    """Return the names of the points: `person_001:LKnee`."""
    return [f"{person.name}:{marker}" for person in scene.people for marker in MARKERS]


def _parameters(scene: Scene, first: int, count: int, data_block: int) -> bytes:
    names = point_names(scene)
    items: list[tuple[int, str, bytes]] = [
        (1, "USED", _integers(len(names))),
        (1, "SCALE", _floats(-1.0)),
        (1, "RATE", _floats(scene.rate_hz)),
        (1, "DATA_START", _integers(data_block)),
        (1, "FRAMES", _integers(min(count, FRAMES_MAX))),
        (1, "UNITS", _texts("mm")),
        (1, "X_SCREEN", _texts("+X")),
        (1, "Y_SCREEN", _texts("+Z")),
        (2, "USED", _integers(0)),
        (3, "ACTUAL_START_FIELD", _integers(*divmod(first + 1, 65536)[::-1])),
        (3, "ACTUAL_END_FIELD", _integers(*divmod(first + count, 65536)[::-1])),
        (4, "SOFTWARE", _texts(scene.program or "dpmesh-video")),
    ]
    for number, start in enumerate(range(0, len(names), LABELS_MAX), start=1):
        part = names[start : start + LABELS_MAX]
        items.append((1, f"LABELS{number if number > 1 else ''}", _texts(*part, is_list=True)))
        items.append((1, f"DESCRIPTIONS{number if number > 1 else ''}", _texts(*[""] * len(part), is_list=True)))
    records = b""
    for number, group in enumerate(("POINT", "ANALOG", "TRIAL", "MANUFACTURER"), start=1):
        records += struct.pack("<bb", len(group), -number) + group.encode() + struct.pack("<hB", 3, 0)
    for place, (group_id, name, content) in enumerate(items):
        offset = 0 if place == len(items) - 1 else 3 + len(content)  # 0: the last one
        records += struct.pack("<bb", len(name), group_id) + name.encode() + struct.pack("<H", offset) + content + b"\0"
    blocks = -(-(len(records) + 4) // BLOCK)
    return struct.pack("<BBBB", 1, 0x50, min(blocks, 255), INTEL) + records


def _integers(*values: int) -> bytes:
    dimensions = bytes([1, len(values)]) if len(values) > 1 else bytes([0])
    return b"\x02" + dimensions + struct.pack(f"<{len(values)}H", *values)


def _floats(value: float) -> bytes:
    return b"\x04\x00" + struct.pack("<f", value)


def _texts(*values: str, is_list: bool = False) -> bytes:
    width = max(1, *(len(value) for value in values)) if is_list else len(values[0])
    dimensions = bytes([2, width, len(values)]) if is_list else bytes([1, width])
    return b"\xff" + dimensions + b"".join(value.encode("ascii", "replace").ljust(width) for value in values)


def check(path: Path, scene: Scene, person: ScenePerson | None) -> None:
    """Read the points again."""
    first, count = _span(scene)
    points = 24 * len(scene.people)
    with open(path, "rb") as file:
        head = struct.unpack(HEADER, file.read(struct.calcsize(HEADER)))
    if head[1] != 0x50 or path.stat().st_size < BLOCK * (head[8] - 1) + points * count * 16:
        raise broken(path, "it is no whole C3D file")
    check_count(path, "the number of points", head[2], points)
    check_count(path, "the rate", head[10], float(np.float32(scene.rate_hz)))
    data = np.memmap(path, "<f4", "r", BLOCK * (head[8] - 1), (count, points, 4))
    for number, each in enumerate(scene.people):
        rows = checked_rows(each.count)
        found = data[each.first_sample - first + rows, 24 * number : 24 * (number + 1), :3].astype(np.float64) / MM
        check_joints(path, found, each.load().joints(rows))


FORMATS = {"c3d": Format("c3d", "c3d", write, check, is_shared=True)}
