"""Opening a video file: the right stream, or one line that says why there is none."""

import os
import stat
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from configs.errors import InputError
from pipeline.media.extent import iterate_boxes


def reason_of(error: BaseException) -> str:
    """Return what a library said, without its numbers and paths."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]


def check_readable(path: Path) -> os.stat_result:
    """Return the status of a path that exists and may be read, else raise `InputError`."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            with path.open("rb"):
                pass
        elif stat.S_ISDIR(status.st_mode):
            with os.scandir(path):
                pass
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; make the file readable for this user") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason_of(error)}); check the path and the disk") from error
    return status


def open_container(path: Path) -> InputContainer:
    """Open a video file for reading; the caller closes it. Raises `InputError` for anything that is not one."""
    status = check_readable(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: not a regular file; give a video file or a folder of images")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or download it again")
    try:
        # The whitelist keeps a playlist in disguise from opening addresses; absolute, as "a:b" reads as a protocol.
        return av.open(
            str(path.absolute()), metadata_errors="replace", options={"protocol_whitelist": "file"}, mode="r"
        )
    except Exception as error:
        raise InputError(f"{path}: {_why_unopenable(path, error)}") from error


def pick_stream(container: InputContainer, path: Path, *, is_strict: bool = False) -> VideoStream:
    """Return the video stream to read: the largest that is neither a cover picture nor a thumbnail track.

    Args:
        is_strict: the decoder raises at errors that it would conceal.
    """
    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    if not streams:
        held = sorted({s.type for s in container.streams})
        what = f"only {' and '.join(held)}" if held else "nothing"
        if container.streams.video:
            what = "only a cover picture" + (" and audio" if container.streams.audio else "")
        raise InputError(f"{path}: has no video stream ({what}); give a file with moving pictures")
    best = max(streams, key=lambda s: (s.width or 0) * (s.height or 0) if s.codec_context else -1)
    if best.codec_context is None:
        raise InputError(f"{path}: no decoder for its codec; convert it, e.g. `ffmpeg -i IN -c:v libx264 OUT`")
    # Threads within a frame, not across frames: only then does a damaged packet raise where it is met, and the
    # bytes do not depend on the number of cores.
    best.thread_type = "SLICE"
    if is_strict:
        best.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    return best


def _why_unopenable(path: Path, error: Exception) -> str:
    kinds = [box.kind for box in iterate_boxes(path)]
    if kinds and kinds[0] == "ftyp" and "moov" not in kinds:
        return (
            "the index (moov box) is missing, as in a recording or download that was cut off; "
            "download it again or repair it with a recovery tool"
        )
    with path.open("rb") as file:
        head = file.read(512)
    if b"\0" not in head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "is text, not a video; check the path"
    return f"not a video that can be opened ({reason_of(error)}); check that it plays elsewhere"
