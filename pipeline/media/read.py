"""Streaming reader: any supported input -> frames, one at a time."""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame

from configs.errors import InputError, SettingsError, TruncatedError
from pipeline.media.clock import Clock
from pipeline.media.decode import Damage, Frames, deinterlace
from pipeline.media.images import plan_images, read_image
from pipeline.media.info import VideoInfo, fit_size
from pipeline.media.packet_index import PacketIndex, index_packets
from pipeline.media.pages import plan_pages, read_pages
from pipeline.media.pixels import PixelConverter, fit_inside, is_first_size, letterbox, upright_size
from pipeline.media.probe import FOLDER_RATE, probe
from pipeline.media.seek import decode_from, decode_from_start
from pipeline.media.watch import Watch
from pipeline.types import Frame

log = logging.getLogger(__name__)

SEEK_WORTH_FRAMES = 64  # up to here decoding from the start costs no more than the pass over all packets
FIELD_REACH = 2  # frames before the first wanted one that the deinterlacer must have seen


@dataclass(frozen=True, slots=True)
class StampedFrame:
    """A decoded frame before its pixels are converted."""

    index: int
    time_s: float
    raw: VideoFrame


def read_frames(
    source: str | Path | VideoInfo,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    from_index: int | None = None,
    after_time_s: float | None = None,
    max_side_px: int | None = None,
    on_corrupt: Literal["stop", "skip"] = "stop",
    image_rate: Fraction = FOLDER_RATE,
    rate: Fraction | None = None,
    tell: Callable[[str], None] = log.warning,
) -> Iterator[Frame]:
    """Return the frames of a video, animation, image folder or glob in presentation order, one at a time.

    Frames are upright, with square pixels, deinterlaced, all of one size: one of another size than the first is put
    between black bars. `Frame.index` counts decoded frames of the whole video from 0; of images it is the place in
    `ImagePlan`, where one that is left out keeps its own. Reading from `from_index` gives the same bytes as reading
    from the start and leaving frames out.

    Args:
        source: a path, or what `probe` said about it.
        start_s, end_s: only frames with start_s <= time < end_s.
        from_index: only frames from this index on.
        after_time_s: time of frame `from_index - 1` in an earlier reading; where it does not fit what a seek would
            give, the video is read from its start.
        max_side_px: shrink frames whose longer side is larger.
        image_rate, rate: as of `probe`, when `source` is a path.
        tell: called with one line for each change of the image size and each jump in time.
        on_corrupt: "stop" raises at the first damaged frame, "skip" leaves frames that cannot be decoded out.

    Raises:
        InputError: nothing can be read (raised by the call itself), or `start_s` is after the end.
        TruncatedError: after the last good frame, when the video is damaged or ends before it should.
    """
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise SettingsError(f"the part to read ends at {end_s} s, before it starts at {start_s} s; swap them")
    if on_corrupt not in ("stop", "skip"):
        raise SettingsError(f"on_corrupt is {on_corrupt!r}; use 'stop' or 'skip'")
    info = (
        source
        if isinstance(source, VideoInfo)
        else probe(source, image_rate=image_rate, rate=rate, max_side_px=max_side_px)
    )
    size = fit_size(info.width, info.height, max_side_px)
    is_skipping = on_corrupt == "skip"
    if info.kind == "images":
        frames = _read_images(info, from_index or 0, start_s, end_s, size, is_skipping=is_skipping)
    elif info.kind == "pages":
        frames = _read_pages(info, from_index or 0, start_s, end_s, size, tell, is_skipping=is_skipping)
    else:
        frames = _read_video(info, from_index or 0, after_time_s, start_s, end_s, size, tell, is_skipping=is_skipping)
    return frames


def _read_video(
    info: VideoInfo,
    first: int,
    after_time_s: float | None,
    start_s: float | None,
    end_s: float | None,
    size: tuple[int, int],
    tell: Callable[[str], None],
    *,
    is_skipping: bool,
) -> Generator[Frame, None, None]:
    converter = PixelConverter(info, *size)
    watch = Watch(info, tell)
    last: StampedFrame | None = None
    pictures = iterate_stamped(info, first, after_time_s=after_time_s, start_s=start_s, is_skipping=is_skipping)
    try:
        with closing(pictures):
            for stamped in pictures:
                if end_s is not None and stamped.time_s >= end_s:
                    return
                watch.see(stamped.index, stamped.time_s, *upright_size(info, stamped.raw))
                last = stamped
                if stamped.index >= first and (start_s is None or stamped.time_s >= start_s):
                    image = _convert(converter, stamped, info)
                    scale = 1.0
                    if not is_first_size(info, stamped.raw):
                        scale = focal_scale(upright_size(info, stamped.raw), size)
                    yield Frame(stamped.index, stamped.time_s, image, scale)
    except Damage as damage:
        raise _truncated(info, last, damage) from damage
    if start_s is not None and last is not None and last.time_s < start_s:
        raise InputError(_late_start(info, start_s, last.time_s))


def iterate_stamped(
    info: VideoInfo,
    first: int,
    *,
    index: PacketIndex | None = None,
    after_time_s: float | None = None,
    start_s: float | None = None,
    is_skipping: bool = False,
    is_exact: bool = True,
) -> Generator[StampedFrame, None, None]:
    """Yield images from `first` (and near `start_s`) on, or from earlier ones where a seek is not safe.

    Raises `Damage` where the video is damaged. In skip mode frames that earlier damage removed are not in the packet
    index, so it reads from the start.
    """
    if index is None and not is_skipping:
        is_far = first >= SEEK_WORTH_FRAMES or (start_s or 0.0) * info.rate >= SEEK_WORTH_FRAMES
        index = index_packets(info) if is_far else None
    if info.is_counted and start_s is not None:
        first, start_s = max(first, int(start_s * info.rate)), None
    clock = Clock(info.time_base, info.rate)
    begin = 0
    frames: Frames | None = None
    if index is not None and not is_skipping:
        begin = _first_position(index, first, start_s) - (FIELD_REACH if info.is_interlaced else 0)
        if begin > 0 and (info.is_counted or _is_as_before(index, first, after_time_s)):
            frames = decode_from(info, index, begin, is_exact=is_exact)
            clock.start(int(index.pts[0]), index.time_s(begin - 1))
    if frames is None:
        begin, frames = 0, decode_from_start(info, is_skipping=is_skipping)
        clock = Clock(info.time_base, info.rate)
    with closing(frames):
        for position, frame in enumerate(deinterlace(frames) if info.is_interlaced else frames, start=begin):
            time_s = float(position / info.rate) if info.is_counted else clock.read(frame.pts)
            yield StampedFrame(position, time_s, frame)


def _first_position(index: PacketIndex, first: int, start_s: float | None) -> int:
    if start_s is not None:
        tick = index.pts[0] + int(start_s / index.time_base)  # rounded down: a frame too many is dropped later
        first = max(first, int(np.searchsorted(index.pts, tick)))
    return min(first, len(index.pts) - 1)


def _is_as_before(index: PacketIndex, first: int, after_time_s: float | None) -> bool:
    if after_time_s is None or not 0 < first <= len(index.pts):
        return True
    return abs(index.time_s(first - 1) - after_time_s) < 1e-6


def _read_images(
    info: VideoInfo, first: int, start_s: float | None, end_s: float | None, size: tuple[int, int], *, is_skipping: bool
) -> Generator[Frame, None, None]:
    time_s = 0.0
    for number, path in enumerate(plan_images(info.path).files):
        time_s = float(number / info.rate)
        if end_s is not None and time_s >= end_s:
            return
        if number < first or (start_s is not None and time_s < start_s):
            continue
        try:
            image = read_image(path, info.grey_max, max(size))
            if image.shape != (size[1], size[0], 3):
                raise InputError(f"{path}: the image has another size than its header says; replace it")
        except InputError as error:
            if not is_skipping:
                raise TruncatedError(f"{error}; {number} images before it are intact") from error
            log.warning("%s; left out", error)
            continue
        yield Frame(number, time_s, image)
    if start_s is not None and time_s < start_s:
        raise InputError(_late_start(info, start_s, time_s))


def _read_pages(
    info: VideoInfo,
    first: int,
    start_s: float | None,
    end_s: float | None,
    size: tuple[int, int],
    tell: Callable[[str], None],
    *,
    is_skipping: bool,
) -> Generator[Frame, None, None]:
    plan = plan_pages(info.path, info.rate, info.rate if info.is_counted else None)
    if plan is None:
        raise InputError(f"{info.path}: was changed while it was read; run again")
    watch = Watch(info, tell)
    first = max(first, int(np.searchsorted(plan.times_s, start_s)) if start_s is not None else 0)
    if first and first >= len(plan.times_s) and start_s is not None:
        raise InputError(_late_start(info, start_s, plan.times_s[-1]))
    try:
        for number, image in read_pages(info.path, plan, first):
            if end_s is not None and plan.times_s[number] >= end_s:
                return
            shape = (image.shape[1], image.shape[0])
            watch.see(number, plan.times_s[number], *shape)
            scale = 1.0 if shape == (info.width, info.height) else focal_scale(shape, size)
            yield Frame(number, plan.times_s[number], image if shape == size else letterbox(image, *size), scale)
    except InputError as error:  # pages lean on the ones before them: there is no reading on after a bad one
        if is_skipping:
            tell(f"{error}; the frames from there on are skipped")
            return
        raise TruncatedError(f"{error}; the frames before it are intact") from error


def focal_scale(shape: tuple[int, int], size: tuple[int, int]) -> float:
    """Return by how much the focal length of a letterboxed frame differs from that of a frame that fills `size`.

    A camera that is turned or changes its mode keeps its angle of view over the diagonal.
    """
    inner = fit_inside(*shape, *size)
    return float(np.hypot(*inner) / np.hypot(*size))


def _late_start(info: VideoInfo, start_s: float, last_s: float) -> str:
    return f"{info.path}: its last frame is at {last_s:.3f} s, before the start asked for, {start_s} s; start earlier"


def _convert(converter: PixelConverter, stamped: StampedFrame, info: VideoInfo) -> np.ndarray:
    try:
        return converter.convert(stamped.raw)
    except Exception as error:
        raise InputError(
            f"{info.path}: frame {stamped.index} in pixel format {stamped.raw.format.name} cannot be converted to RGB "
            f"({error}); convert the video, e.g. with `ffmpeg -i IN -pix_fmt yuv420p OUT`"
        ) from error


def _truncated(info: VideoInfo, last: StampedFrame | None, damage: Damage) -> TruncatedError:
    count, time_s = (last.index + 1, last.time_s) if last else (0, 0.0)
    whole = f" of {info.duration_s:.2f} s" if info.duration_s else ""
    return TruncatedError(
        f"{info.path}: damaged or cut off after {count} frames, at {time_s:.2f} s{whole}: {damage}; "
        "the frames before are good, copy or download the file again for the rest"
    )
