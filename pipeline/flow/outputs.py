"""Which files of a clip's folder are a run's own. A run deletes and overwrites nothing else."""

import hashlib
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configs.errors import InputError, RunError
from configs.json_files import read_json

log = logging.getLogger(__name__)

NODES_NAME = "nodes.json"
RUN_NAME = "run.json"
FOLDERS = ("observations", "motion", "tracks", "tracks_x", "tables", "tables/joints", "export")
LINKS_NAME = "links.json"
OVERLAY_NAME = "overlay.mp4"
SCENE_NAME = "scene.json"
MOSAIC_NAME = "mosaic.mp4"
QUALITY_NAME = "quality.json"
TRACKS_OF = {"smplh": "tracks", "smplx": "tracks_x"}  # by layout; readers skip folders with `smpl` in their name
REPORT_NAME = "report.html"
SEGMENTS = "segments"  # of a long video, until they are joined
VIEWS = "views"  # of a capture: the run of each camera
ANALYTICS_TABLES = dict.fromkeys(("positions", "map"), "parquet") | dict.fromkeys(
    (
        *("series", "zone_series", "directions", "fundamental", "crossings", "line_counts", "line_flow", "visits"),
        *("zones", "contacts", "distances", "gazes", "groups", "activities", "persons"),
    ),
    "csv",
)  # of `pipeline.analytics`, with their suffixes
ANALYTICS_NAME = "analytics.json"  # the figures above them
# Every name that a node may make, as it stands in nodes.json; a name that is not of these is never touched.
OWN_NAME = re.compile(
    r"motion/person_[0-9]{3,9}\.npz|tracks/person_[0-9]{3,9}(_[a-z]+)?\.npz|observations/(shard_[0-9]{6,9}|state)\.npz"
    r"|tracks_x/person_[0-9]{3,9}\.npz|export/[a-z0-9]{1,16}/(people|person_[0-9]{3,9})\.[a-z0-9]{1,16}|quality\.json"
    r"|tables/(people\.csv|joints/person_[0-9]{3,9}\.parquet)"
    rf"|{re.escape(SCENE_NAME)}"
    rf"|tables/({'|'.join(f'{name}[.]{suffix}' for name, suffix in ANALYTICS_TABLES.items())})"
    r"|analytics\.(json|html)|analytics_ground\.jpg"
    rf"|({VIEWS}/(?!\.\.?/)[^/\0]+/)?{re.escape(OVERLAY_NAME)}|{re.escape(MOSAIC_NAME)}|{re.escape(REPORT_NAME)}"
    rf"|{re.escape(LINKS_NAME)}"
)
PERSON = re.compile(r"person_([0-9]{3,9})(?:_[a-z]+)?\.npz")
NODES_BYTES_MAX = 2**27  # 100 bytes a file: more than a million people
ADOPTED = "adopted"  # entry for files of earlier runs that no node is known to have made


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The output folder of one clip and the paths in it."""

    path: Path

    @property
    def record(self) -> Path:
        """What the run says of itself, see `pipeline.flow.record`."""
        return self.path / RUN_NAME

    @property
    def nodes(self) -> Path:
        """Which files each node made."""
        return self.path / NODES_NAME

    @property
    def error_log(self) -> Path:
        """The traceback of a run that failed."""
        return self.path / "error.log"

    @property
    def edits(self) -> Path:
        """Corrections of who is who."""
        return self.path / "edits.json"

    @property
    def links(self) -> Path:
        """Which tracks were joined or split, and why."""
        return self.path / LINKS_NAME

    @property
    def observations(self) -> Path:
        """The folder of what was seen in each frame."""
        return self.path / "observations"

    @property
    def scene(self) -> Path:
        """Where the ground is and how the camera stands over it; a capture has none."""
        return self.path / SCENE_NAME

    @property
    def overlay(self) -> Path:
        """The bodies drawn over the frames."""
        return self.path / OVERLAY_NAME

    @property
    def mosaic(self) -> Path:
        """The overlays of all cameras of a capture in one video."""
        return self.path / MOSAIC_NAME

    @property
    def report(self) -> Path:
        """The page that tells what was found."""
        return self.path / REPORT_NAME

    @property
    def people_table(self) -> Path:
        """One row per person."""
        return self.path / "tables" / "people.csv"

    def segment(self, number: int) -> Path:
        """The folder of one segment of a long video, until all are joined."""
        return self.segments / f"{number:04d}"

    @property
    def segments(self) -> Path:
        """The folder of the segments of a long video, until all are joined."""
        return self.path / SEGMENTS

    def joints_table(self, motion: Path) -> Path:
        """The table of the person whose motion a file is: one row per frame and joint."""
        return self.path / "tables" / "joints" / f"{motion.stem}.parquet"

    def view(self, camera: str) -> "RunFolder":
        """The run of one camera of a capture."""
        return RunFolder(self.path / VIEWS / camera)

    def views(self) -> list["RunFolder"]:
        """Return the runs of the cameras of a capture, by name."""
        found = sorted((self.path / VIEWS).glob(f"*/{RUN_NAME}"))
        return [RunFolder(record.parent) for record in found]

    def motion(self, number: int) -> Path:
        """The motion of a person in camera axes, at the frames of the video."""
        return self.path / "motion" / f"person_{number:03d}.npz"

    @property
    def quality(self) -> Path:
        """How good each track is, in numbers."""
        return self.path / QUALITY_NAME

    def track(self, number: int, layout: str = "smplh") -> Path:
        """The motion file of a person: AMASS layout, world axes, constant rate.

        Each layout has a folder: programs that walk a folder take every file in it for one of the layout they want.
        """
        return self.path / TRACKS_OF[layout] / f"person_{number:03d}.npz"

    def exported(self, form: str, suffix: str, number: int | None = None) -> Path:
        """A file in another format: of one person, or of all people."""
        return self.path / "export" / exported_name(form, suffix, number)

    def motions(self) -> list[Path]:
        """Return the files of `motion` that the run made, in order of people; see `person_files`."""
        return person_files(self.path, "motion")

    def tracks(self, layout: str = "smplh") -> list[Path]:
        """Return the files of `track` that the run made, in order of people; see `person_files`.

        Older versions wrote the SMPL-X layout beside the other, as `person_001_smplx.npz`.
        """
        return person_files(self.path, TRACKS_OF[layout])


@dataclass(slots=True)
class Entry:
    """What `nodes.json` says of one node."""

    fingerprint: str = ""  # empty = not finished: some of the files may not be there
    files: dict[str, int | None] = field(default_factory=dict)  # bytes of each; None = about to be written
    hashes: dict[str, str] = field(default_factory=dict)  # of the content, where it is known


def exported_name(form: str, suffix: str, number: int | None) -> str:
    """Return the name of a file in another format, of one person or of all people (None)."""
    return f"{form}/{'people' if number is None else f'person_{number:03d}'}.{suffix}"


def is_own_name(name: str) -> bool:
    """Return whether a run makes files of this name, relative to the clip's folder."""
    return OWN_NAME.fullmatch(name) is not None


def read_entries(folder: Path) -> dict[str, Entry] | None:
    """Return what `nodes.json` says; None where there is none or where it is not as this program writes it."""
    path = folder / NODES_NAME
    if not path.exists():
        return None
    try:
        found = read_json(path, bytes_max=NODES_BYTES_MAX)
        return {name: _entry_of(value) for name, value in found.items()}
    except (InputError, ValueError, AttributeError, TypeError, KeyError):
        return None


def _entry_of(value: Any) -> Entry:
    fingerprint, files, hashes = value["fingerprint"], value["files"], value.get("hashes", {})
    is_right = (
        isinstance(fingerprint, str)
        and all(size is None or (type(size) is int and size >= 0) for size in files.values())
        and all(isinstance(text, str) for text in hashes.values())
        and all(is_own_name(name) for name in (*files, *hashes))
    )
    if not is_right:
        raise ValueError("not an entry of this program")
    return Entry(fingerprint, dict(files), dict(hashes))


def dump_entries(entries: dict[str, Entry]) -> dict[str, Any]:
    """Return the JSON value of what `read_entries` reads."""
    return {
        name: {"fingerprint": entry.fingerprint, "files": entry.files, "hashes": entry.hashes}
        for name, entry in entries.items()
    }


def find_own(folder: Path) -> list[str]:
    """Return the names of the files in a clip's folder that a run could have made."""
    names = []
    for part in ("", *FOLDERS):
        if (folder / part).is_dir():
            names += [f"{part}/{item.name}" if part else item.name for item in (folder / part).iterdir()]
    names += [f"export/{item.parent.name}/{item.name}" for item in (folder / "export").glob("*/*")]
    names += [f"{VIEWS}/{item.parent.name}/{item.name}" for item in (folder / VIEWS).glob(f"*/{OVERLAY_NAME}")]
    return sorted(name for name in names if is_own_name(name))


FORMATS = {  # of the files in a folder, as `run.json` says them; in export/ and tables/ it is the suffix
    "observations": "dpmesh observations",
    "motion": "dpmesh motion",
    "tracks": "AMASS SMPL-H",
    "tracks_x": "AMASS SMPL-X",
}


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return format, bytes and sha256 of every file that a finished run left, by name."""
    described = {}
    for node, entry in (read_entries(folder) or {}).items():
        for name, size in entry.files.items() if node != ADOPTED else ():
            form = FORMATS.get(name.partition("/")[0], name.rpartition(".")[2])
            described[name] = {"format": form, "bytes": size, "sha256": entry.hashes.get(name, "")}
    return described


def check_folder(folder: Path, source: Path) -> None:
    """Refuse a clip's folder in which a run would touch what is not its own.

    Args:
        source: the video or the folder of images.

    Raises:
        RunError: it leads elsewhere through a link, holds files that no run made, or has the input in it.
    """
    links = (item for item in (folder / "export").glob("*") if item.is_symlink())
    for item in (folder, *(folder / part for part in (*FOLDERS, VIEWS, SEGMENTS)), *links):
        if item.is_symlink():
            raise RunError(f"{item}: is a link, and a run writes only in its own folder; give another --output")
        if item.exists() and not item.is_dir():
            raise RunError(f"{item}: is a file where a run makes a folder; move it away, or give another --output")
    ours, theirs = folder.resolve(), source.resolve()
    if source.is_dir() and (ours == theirs or theirs in ours.parents or ours in theirs.parents):
        raise RunError(f"{folder}: results would go into the images they are made from; give an --output elsewhere")
    if theirs.is_relative_to(ours) and is_own_name(theirs.relative_to(ours).as_posix()):
        raise RunError(f"{source}: the results would overwrite the input; move it, or give another --output")
    if read_entries(folder) is not None:
        return
    strangers = find_own(folder)
    if os.path.lexists(folder / RUN_NAME):
        strangers = [] if is_run_record(folder / RUN_NAME) else [RUN_NAME]
    if strangers:
        raise RunError(f"{folder / strangers[0]}: no run made this file; move it away, or give another --output")


def is_run_record(path: Path) -> bool:
    """Return whether a file is, or was before it was damaged, the `run.json` of a run."""
    try:
        found = read_json(path, bytes_max=NODES_BYTES_MAX)
    except InputError:
        return path.is_file() and not path.is_symlink()
    return isinstance(found, dict) and {"status", "settings"} <= found.keys()


def is_result(path: Path) -> bool:
    """Return whether a file is the overlay of a run, which is no video to run on because it lies in a folder."""
    is_named = path.name in (OVERLAY_NAME, MOSAIC_NAME)
    return is_named and (path.parent / NODES_NAME).is_file() and (path.parent / RUN_NAME).is_file()


def person_number(path: Path) -> int:
    """Return the number of the person that a file of `motion/`, `tracks/` or `tracks_x/` is of.

    Raises:
        ValueError: it is not named as a run names them.
    """
    match = PERSON.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path}: not the file of a person")
    return int(match[1])


def person_files(folder: Path, part: str) -> list[Path]:
    """Return the files of people that the run in a folder made, in order of people.

    Args:
        part: "motion", "tracks" or "tracks_x". What else lies there, also under a like name, is not the run's.

    A file that somebody took away is still named.
    """
    entries = read_entries(folder)
    named = find_own(folder)
    if entries is not None:
        named = [name for node, entry in entries.items() if node != ADOPTED for name in entry.files]
    paths = {folder / name for name in named if name.startswith(f"{part}/person_")}
    return sorted(paths, key=lambda path: (person_number(path), path.name))


def read_hash(path: Path) -> str:
    """Return the sha256 of a file's content, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(folder: Path, entry: Entry, names: Iterable[str]) -> None:
    """Delete files that a run made and that no longer belong to its result; one changed since then is left."""
    for name in sorted(names):
        path = folder / name
        remove_part(path)
        if not os.path.lexists(path):
            continue
        if _is_changed(path, entry.files.get(name), entry.hashes.get(name)):
            log.warning("%s: was changed after a run made it and is kept; it is no longer part of the result", path)
            continue
        path.unlink()


def remove_part(path: Path) -> None:
    """Delete what a run that was stopped left of a file it was writing."""
    part = path.with_name(f"{path.name}.part")
    if part.is_symlink() or not part.is_dir():
        part.unlink(missing_ok=True)


def _is_changed(path: Path, size: int | None, content: str | None) -> bool:
    if path.is_symlink() or not path.is_file():
        return True
    if size is not None and path.stat().st_size != size:
        return True
    return content is not None and not read_hash(path).startswith(content)  # older versions kept half of the digits
