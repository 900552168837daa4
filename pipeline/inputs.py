"""From what a user typed to the list of videos it means."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".ts", ".mts", ".m2ts"),
        *(".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".gif"),
    }
)
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class ClipInput:
    """A video (or a folder of images that is one) and the name its results get."""

    path: Path
    name: str


def find_clips(given: Sequence[str]) -> list[ClipInput]:
    """Return the videos that paths, folders and globs mean, each once, in order.

    A folder with videos means its videos; a folder with images alone is one clip.

    Raises:
        InputError: something does not exist or holds nothing to read.
    """
    paths: list[Path] = []
    for text in given:
        path = Path(text).expanduser()
        if path.exists():
            paths += _videos_of(path)
            continue
        matches = sorted(glob.glob(str(path), recursive=True))
        if not matches:
            raise InputError(f"{text}: no such file or folder, and no file matches it; check the path")
        if all(Path(match).suffix.lower() in IMAGE_SUFFIXES for match in matches):
            raise InputError(f"{text}: matches {len(matches)} images; give their folder as one clip")
        paths += [video for match in matches for video in _videos_of(Path(match))]
    own: dict[Path, Path] = {}
    for path in paths:
        own.setdefault(path.resolve(), path.absolute())  # a link keeps its own name
    unique = list(own.values())
    return [ClipInput(path, name) for path, name in zip(unique, _names(unique), strict=True)]


def _videos_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    items = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    videos = [item for item in items if item.is_file() and item.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        return videos
    if any(item.suffix.lower() in IMAGE_SUFFIXES for item in items):
        return [path]
    raise InputError(f"{path}: the folder holds neither videos nor images; give a folder of clips or of frames")


def _names(paths: Sequence[Path]) -> list[str]:
    """Return one folder name per path: the stem, with the suffix or a number where two would be the same."""
    names: list[str] = []
    stems = [path.stem if path.is_file() else path.name for path in paths]
    for path, stem in zip(paths, stems, strict=True):
        name = stem if stems.count(stem) == 1 else path.name.replace(".", "_")
        number, wanted = 2, name
        while name in names:
            name, number = f"{wanted}_{number}", number + 1
        names.append(name)
    return names
