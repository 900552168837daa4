"""Trajectory files of other programs: text, HDF5, TrajNet++ and MOT, read and written.

Formats: text and HDF5 of the Pedestrian Dynamics Data Archive (ped.fz-juelich.de/da, as PedPy and JuPedSim read them),
ndjson of TrajNet++ (github.com/vita-epfl/trajnetplusplusdataset), MOT Challenge (motchallenge.net/instructions).
"""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from configs.errors import InputError
from configs.files import check_regular
from pipeline.analytics.trajectories import Trajectories, sorted_trajectories
from pipeline.flow.atomic import write_bytes

BYTES_MAX = 2**31
SUFFIXES = (".txt", ".csv", ".h5", ".hdf5", ".ndjson")
MOT_COLUMNS = 6  # frame, id, left, top, width, height, and more


def read_trajectories(
    path: Path, *, rate_hz: float | None = None, ground_from_image: np.ndarray | None = None
) -> Trajectories:
    """Return the trajectories of a file; its suffix and content say which format it has.

    Args:
        rate_hz: frames per second, where the file does not say them.
        ground_from_image: homography (3, 3) from pixels to metres; needed by MOT files, which hold boxes.

    Raises:
        InputError: it is no such file, lacks something, or has somebody twice in a frame.
    """
    check_regular(path, "a trajectory file", bytes_max=BYTES_MAX)
    kind = path.suffix.lower()
    try:
        if kind in (".h5", ".hdf5"):
            found = _read_hdf5(path, rate_hz)
        elif kind == ".ndjson":
            found = _read_ndjson(path, rate_hz)
        elif kind in (".txt", ".csv"):
            found = _read_table(path, rate_hz, ground_from_image)
        else:
            raise InputError(f"{path}: no trajectory file; its name ends in one of {', '.join(SUFFIXES)}")
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as trajectories: {error}") from error
    if not len(found.person):
        raise InputError(f"{path}: holds no positions")
    return found


def _rate_of(found: float | None, given: float | None) -> float:
    rate = found if given is None else given
    if rate is None:
        raise ValueError("the file does not say its frame rate; give it with --fps")
    if not 0 < rate <= 1000:
        raise ValueError(f"its frame rate is {rate:g}; give the right one with --fps")
    return rate


def _whole(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "i":
        return values.astype(np.int64, copy=False)
    if not np.isfinite(values).all() or np.any(np.abs(values) > 2**53) or np.any(values != np.round(values)):
        raise ValueError(f"the column of {name}s holds something else than whole numbers")
    return values.astype(np.int64)


def _read_table(path: Path, rate_hz: float | None, ground_from_image: np.ndarray | None) -> Trajectories:
    text = path.read_text("utf-8-sig")
    head = [line for line in text.split("\n", 50)[:50] if line.startswith("#")]
    body = text if "," not in text else text.replace(",", " ")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in body.splitlines()):
        raise ValueError("it holds no rows")
    with io.StringIO(body) as lines:
        rows = np.loadtxt(lines, comments="#", ndmin=2)
    if "," in text and not head:
        return _from_mot(rows, _rate_of(None, rate_hz), ground_from_image)
    said = " ".join(head)
    match = re.search(r"frame ?rate\D*?([0-9.]+)", said, re.IGNORECASE)
    unit = 0.01 if re.search(r"x/cm|in cm", said, re.IGNORECASE) else None
    unit = 1.0 if re.search(r"x/m\b|in m\b", said, re.IGNORECASE) else unit
    if unit is None:
        raise ValueError("its header does not say the unit; add a line such as '# id frame x/m y/m z/m'")
    if rows.shape[1] < 4:
        raise ValueError(f"rows have {rows.shape[1]} columns, expected id frame x y (z)")
    found = float(match[1].rstrip(".")) if match else None
    person, frame = _whole("id", rows[:, 0]), _whole("frame", rows[:, 1])
    return sorted_trajectories(person, frame, rows[:, 2:4] * unit, _rate_of(found, rate_hz))


def _from_mot(rows: np.ndarray, rate_hz: float, ground_from_image: np.ndarray | None) -> Trajectories:
    if rows.shape[1] < MOT_COLUMNS:
        raise ValueError(f"rows have {rows.shape[1]} columns; MOT files have frame, id, left, top, width, height")
    if ground_from_image is None:
        raise ValueError("MOT files hold boxes in pixels; give the homography to the ground with --homography")
    feet = np.stack([rows[:, 2] + rows[:, 4] / 2, rows[:, 3] + rows[:, 5], np.ones(len(rows))])
    x, y, w = ground_from_image @ feet
    if np.any(np.abs(w) < 1e-12) or np.any(w * w[0] < 0):
        raise ValueError("the homography puts some feet on or behind its horizon; check it")
    person, frame = _whole("id", rows[:, 1]), _whole("frame", rows[:, 0])
    return sorted_trajectories(person, frame, np.stack([x / w, y / w], axis=1), rate_hz)


def _read_hdf5(path: Path, rate_hz: float | None) -> Trajectories:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = file.get("trajectory")
            names = data.dtype.names if isinstance(data, h5py.Dataset) else None
            if not names or not {"id", "frame", "x", "y"} <= set(names):
                raise ValueError("it has no dataset `trajectory` with the columns id, frame, x, y")
            rate = float(data.attrs["fps"]) if "fps" in data.attrs else None
            xy_m = np.empty((len(data), 2))
            xy_m[:, 0], xy_m[:, 1] = data["x"], data["y"]
            person, frame = _whole("id", data["id"]), _whole("frame", data["frame"])
    except OSError as error:
        raise ValueError(f"no HDF5 file ({error})") from error
    return sorted_trajectories(person, frame, xy_m, _rate_of(rate, rate_hz))


def _read_ndjson(path: Path, rate_hz: float | None) -> Trajectories:
    rows, rate = [], None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if "scene" in entry:
                rate = entry["scene"].get("fps", rate)
            if "track" in entry:
                track = entry["track"]
                rows.append((float(track["p"]), float(track["f"]), float(track["x"]), float(track["y"])))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"line {number} is no track of TrajNet++ ({error})") from error
    table = np.array(rows, np.float64).reshape(-1, 4)
    # A track that several scenes share may be listed once per scene, with the same numbers.
    table = np.unique(table, axis=0)
    found = float(rate) if isinstance(rate, int | float) else None
    person, frame = _whole("person", table[:, 0]), _whole("frame", table[:, 1])
    return sorted_trajectories(person, frame, table[:, 2:], _rate_of(found, rate_hz))


def write_text(path: Path, people: Trajectories) -> None:
    """Write text as PedPy and JuPedSim read it: id, frame, x, y, z in metres; z is 0, the ground."""
    lines = [f"# framerate: {people.rate_hz:.6f}", "# id frame x/m y/m z/m"]
    rows = zip(people.person.tolist(), people.frame.tolist(), people.xy_m.tolist(), strict=True)
    lines += [f"{person} {frame} {x:.6f} {y:.6f} 0" for person, frame, (x, y) in rows]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def write_hdf5(path: Path, people: Trajectories, area_wkt: str = "") -> None:
    """Write HDF5 as PedPy and JuPedSim read it.

    Args:
        area_wkt: the walkable area as well-known text; empty: not known.
    """
    import h5py

    kind = [("id", np.int64), ("frame", np.int64), ("x", np.float64), ("y", np.float64), ("z", np.float64)]
    rows = np.zeros(len(people.person), kind)
    rows["id"], rows["frame"] = people.person, people.frame
    rows["x"], rows["y"] = people.xy_m.T
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:
        data = file.create_dataset("trajectory", data=rows)
        data.attrs["fps"] = people.rate_hz
        if area_wkt:
            file.attrs["wkt_geometry"] = area_wkt
    write_bytes(path, buffer.getvalue())


def write_ndjson(path: Path, people: Trajectories) -> None:
    """Write ndjson of TrajNet++: one scene per person, then a line per position."""
    lines = [
        json.dumps({"scene": {"id": number, "p": person, "s": int(people.frame[span.start]),
                              "e": int(people.frame[span.stop - 1]), "fps": people.rate_hz}})
        for number, (person, span) in enumerate(people.spans())
    ]  # fmt: skip
    for row in np.lexsort((people.person, people.frame)).tolist():
        x, y = people.xy_m[row].round(6).tolist()
        lines.append(json.dumps({"track": {"f": int(people.frame[row]), "p": int(people.person[row]), "x": x, "y": y}}))
    write_bytes(path, ("\n".join(lines) + "\n").encode())


WRITERS: dict[str, Callable[[Path, Trajectories], None]] = {
    "pedpy-text": write_text,
    "pedpy-hdf5": write_hdf5,
    "trajnet": write_ndjson,
}
"""Formats of ground trajectories by name."""
