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
from pipeline.media.info import fit_size

FRAME_PIXELS_MAX = 2**27  # 16K: 400 MB as RGB, and a few of them are in memory at a time


def reason_of(error: BaseException) -> str:
    """Return the message of a library error, without error codes and paths."""
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


def check_video_file(path: Path) -> None:
    """Raise `InputError` for what exists but is no file with content: a pipe or a device would never end."""
    status = check_readable(path)
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
        kind = next((name for is_kind, name in kinds.items() if is_kind(status.st_mode)), "something else")
        raise InputError(
            f"{path}: not a regular file but {kind}; save the video to a file first, as it is read more than once"
        )
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or download it again")


def check_pixels(
    path: Path, width: int, height: int, *, is_image: bool = False, max_side_px: int | None = None
) -> None:
    """Raise `InputError` for frames that are too large to be handled, before memory is taken for one.

    Args:
        is_image: the file is an image, of which one is decoded at a time, so that it may be read smaller.
        max_side_px: how large it will be read.
    """
    read_width, read_height = fit_size(width, height, max_side_px if is_image else None)
    if read_width * read_height <= FRAME_PIXELS_MAX:
        return
    what = (
        "read them smaller with --set decode.max_side_px=4096"
        if is_image
        else ("make them smaller first, e.g. `ffmpeg -i IN -vf scale=3840:-2 OUT`")
    )
    raise InputError(
        f"{path}: frames of {width}x{height} are {width * height / 1e6:.0f} million pixels, and at most "
        f"{FRAME_PIXELS_MAX / 1e6:.0f} million are handled; {what}"
    )


def open_container(path: Path) -> InputContainer:
    """Open a video file for reading; the caller closes it. Raises `InputError` for anything that is not one."""
    check_video_file(path)
    try:
        # The whitelist keeps a playlist in disguise from opening addresses; absolute, as "a:b" reads as a protocol.
        return av.open(
            str(path.absolute()),
            metadata_errors="replace",
            # The decoders that look into the streams at opening take no more memory than those that read them.
            options={"protocol_whitelist": "file", "max_pixels": str(FRAME_PIXELS_MAX)},
            mode="r",
        )
    except Exception as error:
        raise InputError(f"{path}: {_why_unopenable(path, error)}") from error


def pick_stream(container: InputContainer, path: Path, *, is_strict: bool = False) -> VideoStream:
    """Return the video stream to read: the largest that is neither a cover image nor a thumbnail track.

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
        raise InputError(f"{path}: has no video stream ({what}); give a video file")
    best = max(streams, key=lambda s: (s.width or 0) * (s.height or 0) if s.codec_context else -1)
    if best.codec_context is None:
        raise InputError(f"{path}: no decoder for its codec; convert it, e.g. `ffmpeg -i IN -c:v libx264 OUT`")
    # Threads within a frame, not across frames: only then does a damaged packet raise where it is met, and the
    # bytes do not depend on the number of cores.
    best.thread_type = "SLICE"
    strict = {"err_detect": "crccheck+bitstream+buffer+explode"} if is_strict else {}
    best.codec_context.options = {"max_pixels": str(FRAME_PIXELS_MAX), **strict}
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
