"""Folders with a file per frame: OpenPose and all that write as it does, MMPose, AlphaPose, Ultralytics' labels."""

import json
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError
from configs.files import check_regular_or_folder
from configs.json_files import read_json
from trackers.keypoint_files import ultralytics
from trackers.keypoint_files.people import PeopleRows
from trackers.keypoint_files.recognise import is_whole_video, read_content, read_frame

OPENPOSE_ENDING = "_keypoints.json"
INNER_FOLDERS = ("predictions", "labels", "json", "sep-json")  # of what MMPose, Ultralytics and AlphaPose write


@dataclass(frozen=True, slots=True)
class FolderContent:
    """How a folder was read."""

    family: str
    damaged: tuple[str, ...]  # one line per file that is no JSON; their frames count as empty


def read_folder(folder: Path, rows: PeopleRows) -> FolderContent:
    """Gather every frame's file of a folder, by name. All are read before any work is done on the video.

    A file that is cut short or has no bytes is reported and counts as a frame with nobody in it.

    Raises:
        InputError: no such files, none that can be read, or one that is not what its family writes.
    """
    files, ending = list_frame_files(folder)
    if not files:
        raise InputError(
            f"{folder}: holds no *{OPENPOSE_ENDING}, no other .json and no label .txt; give the folder that OpenPose "
            "wrote (--write_json), or another of docs/keypoint_files.md"
        )
    if ending == ".txt":
        ultralytics.read_labels(files, rows)
        return FolderContent("Ultralytics labels", ())
    if len(files) == 1:
        (only,) = files.values()
        content = read_json(only, is_nan_allowed=True)
        if is_whole_video(content):
            return FolderContent(read_content(content, str(only), rows), ())
    return _read_frames(files, rows)


def _read_frames(files: dict[str, Path], rows: PeopleRows) -> FolderContent:
    family, damaged = "", []
    for name, path in files.items():
        try:
            content = read_json(path, is_nan_allowed=True)
        except InputError as error:
            # Cut short or never written; a file that is whole but absurd is somebody's mistake in all of them.
            if not isinstance(error.__cause__, json.JSONDecodeError | UnicodeDecodeError | OSError):
                raise
            damaged.append(str(error))
            rows.add_frame(name)
            continue
        if is_whole_video(content):
            raise InputError(f"{path}: is not the file of a frame; {len(files) - 1} more .json lie beside it")
        found = read_frame(content, name, str(path), rows)
        if family and found and found != family:
            raise InputError(f"{path}: is of {found}, those before it of {family}; keep one tool's files")
        family = family or found
    if len(damaged) == len(files):
        raise InputError(damaged[0])
    return FolderContent(family, tuple(damaged))


def source_files(path: Path) -> list[Path]:
    """Return the files that are read of a keypoint file or of a folder with a file per frame.

    Raises:
        InputError: a pipe or a device.
    """
    check_regular_or_folder(path, "a keypoint file or a folder of them")
    if not path.is_dir():
        return [path]
    return sorted(list_frame_files(path)[0].values())


def list_frame_files(folder: Path) -> tuple[dict[str, Path], str]:
    """Return the files of frames of a folder, or of the one in it that a tool writes them to; see `_list_files`."""
    files, ending = _list_files(folder)
    inner = next((folder / name for name in INNER_FOLDERS if (folder / name).is_dir()), None)
    return _list_files(inner) if not files and inner is not None else (files, ending)


def _list_files(folder: Path) -> tuple[dict[str, Path], str]:
    """Return the files of frames by the name that tells the frame, and their ending."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for ending in (OPENPOSE_ENDING, ".json", ".txt"):
        found = {path.name.removesuffix(ending): path for path in paths if path.name.endswith(ending)}
        if ending == ".txt":
            found.pop("classes", None)  # the list of class names that annotation tools put beside labels
        if found:
            return found, ending
    return {}, ""
