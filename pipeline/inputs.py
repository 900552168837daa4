"""From what a user typed to the list of videos it means."""

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError
from pipeline.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES, UNREAD_SUFFIXES, VIDEO_SUFFIXES

log = logging.getLogger(__name__)

NAMES_SHOWN = 8
# Matroska, MPEG program stream, Windows Media, Flash, Ogg, MXF, RealMedia, raw H.264 and HEVC parameter sets.
FILM_HEADS = (
    *(b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75", b"FLV\x01", b"OggS", b"\x06\x0e\x2b\x34"),
    *(b".RMF", b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x27", b"\x00\x00\x00\x01\x40\x01"),
)


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
        _tell_left_out(path, [item for item in items if item not in set(videos)])
        return videos
    if any(item.suffix.lower() in IMAGE_SUFFIXES for item in items):
        return [path]
    unread = [item for item in items if item.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        what = UNREAD_SUFFIXES[unread[0].suffix.lower()]
        raise InputError(f"{path}: none of its files can be read, such as {unread[0].name}; {what}")
    unnamed = [item.name for item in items if item.is_file() and _looks_like_media(item)]
    if unnamed:
        raise InputError(f"{path}: holds no file with a video's name, but {unnamed[0]} looks like one; give it by name")
    raise InputError(f"{path}: the folder holds neither videos nor images; give a folder of clips or of frames")


def _tell_left_out(folder: Path, items: Sequence[Path]) -> None:
    """Say in one line which files of a folder of clips look like films or pictures and are not taken."""
    left_out = [item for item in items if item.is_file() and _looks_like_media(item)]
    if left_out:
        more = f" and {len(left_out) - NAMES_SHOWN} more" if len(left_out) > NAMES_SHOWN else ""
        log.warning(
            "%s: its videos are run; left out: %s%s; give them by name, images as a folder of their own",
            folder, ", ".join(item.name for item in left_out[:NAMES_SHOWN]), more,
        )  # fmt: skip


def _looks_like_media(path: Path) -> bool:
    """Return whether a file that is no known video is one by its first bytes, or an image."""
    if path.suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES.keys():
        return True
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(377)
    except OSError:
        return False
    is_transport = head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G"
    return is_transport or head[4:8] == b"ftyp" or head.startswith(FILM_HEADS) or head[8:12] == b"AVI "


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
