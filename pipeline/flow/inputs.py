"""From what a user typed to the list of videos it means."""

import glob
import hashlib
import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError, SettingsError
from configs.schema import RunSettings
from pipeline.flow.outputs import is_result
from pipeline.media.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES, UNREAD_SUFFIXES, VIDEO_SUFFIXES

log = logging.getLogger(__name__)

NAMES_SHOWN = 8
# Matroska, MPEG program stream, Windows Media, Flash, Ogg, MXF, RealMedia, raw H.264 and HEVC parameter sets.
FILM_HEADS = (
    *(b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"\x30\x26\xb2\x75", b"FLV\x01", b"OggS", b"\x06\x0e\x2b\x34"),
    *(b".RMF", b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x27", b"\x00\x00\x00\x01\x40\x01"),
)

NAME_BYTES_MAX = 200  # file systems take 255
NO_LETTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, no UTF-8, ends of lines and paragraphs


@dataclass(frozen=True, slots=True)
class ClipInput:
    """A video (or a folder of images that is one) and the name its results get."""

    path: Path
    name: str


def find_inputs(inputs: Sequence[str], settings: RunSettings) -> list[ClipInput]:
    """Return the clips that a user named.

    Raises:
        InputError: an input does not exist or holds nothing to read.
        SettingsError: there is one keypoint file for several clips.
    """
    clips = find_clips(inputs)
    if settings.privacy.is_anonymous:
        clips = [ClipInput(clip.path, hidden_name(clip.path)) for clip in clips]
    if settings.detect.keypoints is not None and len(clips) > 1:
        raise SettingsError(
            f"{settings.detect.keypoints}: a keypoint file belongs to one clip, and these are {len(clips)}; "
            "run the clips one by one, each with its own --keypoints"
        )
    return clips


def find_clips(inputs: Sequence[str]) -> list[ClipInput]:
    """Return the videos of paths, folders and globs, in order and without duplicates.

    A folder with videos means its videos; a folder with images alone is one clip.

    Raises:
        InputError: something does not exist or holds nothing to read.
        SettingsError: something has no name.
    """
    own: dict[Path, Path] = {}
    for text in inputs:
        if not text.strip():
            raise SettingsError(f"an input is {text!r}, which names nothing; give a video, or . for the current folder")
        try:
            for path in _videos_meant(text):
                own.setdefault(path.resolve(), _absolute(path))  # a link keeps its own name
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, or ~ of a user who is not there
            why = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{text}: cannot be accessed ({why}); check the path") from error
    unique = list(own.values())
    return [ClipInput(path, name) for path, name in zip(unique, clip_names(unique), strict=True)]


def _videos_meant(text: str) -> list[Path]:
    path = Path(text) if Path(text).exists() else Path(text).expanduser()
    if path.exists():
        return _videos_of(path)
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    matches = [match for match in matches if not is_result(match)]
    if not matches:
        raise InputError(f"{text}: no such file or folder, and no file matches it; check the path")
    if all(match.suffix.lower() in IMAGE_SUFFIXES for match in matches):
        raise InputError(f"{text}: matches {len(matches)} images; give their folder as one clip")
    return [video for match in matches for video in _videos_of(match)]


def _absolute(path: Path) -> Path:
    return path.resolve() if ".." in path.parts else path.absolute()  # the name of .. is not ..


def _videos_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    items = sorted(item for item in path.iterdir() if not item.name.startswith(".") and not is_result(item))
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
    """Say in one line which files of a folder of clips look like films or images and are not taken."""
    left_out = [item for item in items if item.is_file() and _looks_like_media(item)]
    if left_out:
        more = f" and {len(left_out) - NAMES_SHOWN} more" if len(left_out) > NAMES_SHOWN else ""
        log.warning(
            "%s: only its videos are run; skipped: %s%s; give the others by name, images as a folder",
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


def clip_names(paths: Sequence[Path]) -> list[str]:
    """Return the name of the results of each video: its stem, after as many of its folders as tell it from the others.

    A name is one part of a path and never `.` or `..`. It depends on the path, not on the order of the others.
    """
    stems = [folder_name(path.stem if path.is_file() else path.name) for path in paths]
    ends = list(stems)
    for longer in (lambda name: name.replace(".", "_"), lambda name: f"{name}_{_digest(name)}"):  # a.mp4 beside a.mov
        for row in _clashing([(path.parent, end) for path, end in zip(paths, ends, strict=True)]):
            ends[row] = folder_name(longer(paths[row].name))
    names = list(ends)
    open_rows, depth = set(range(len(paths))), 0
    while open_rows:
        places = {(path.parent, _last(path.parent, depth), stem) for path, stem in zip(paths, stems, strict=True)}
        counts = Counter((folders, stem) for _, folders, stem in places)
        for row in sorted(open_rows):
            folders = _last(paths[row].parent, depth)
            if counts[folders, stems[row]] == 1:
                names[row] = folder_name("_".join((*folders, ends[row])))
                open_rows.remove(row)
        depth += 1
    for row in _clashing(names):
        names[row] = folder_name(f"{names[row]}_{_digest(str(paths[row]))}")
    return names


def _last(folder: Path, count: int) -> tuple[str, ...]:
    return folder.relative_to(folder.anchor).parts[-count:] if count else ()


def _clashing(names: Sequence[Hashable]) -> list[int]:
    counts = Counter(names)
    return [row for row, name in enumerate(names) if counts[name] > 1]


def folder_name(text: str) -> str:
    """Return a name for a folder that is like a text: always the same, at most NAME_BYTES_MAX bytes of UTF-8."""
    printable = "".join("_" if unicodedata.category(letter) in NO_LETTERS else letter for letter in text)
    name = printable.replace("/", "_").strip(" .") or "clip"
    data = name.encode()
    if len(data) > NAME_BYTES_MAX:
        kept = data[: NAME_BYTES_MAX - 9].decode(errors="ignore")
        name = f"{kept}_{_digest(text)}"
    return name


def hidden_name(path: Path) -> str:
    """Return a name that does not tell the file's: `clip_` and a hash of its path."""
    return f"clip_{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
