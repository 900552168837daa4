"""What a path holds: a video, a GIF or a folder of images, with sizes and rates as a viewer sees them."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from configs.errors import InputError
from pipeline.media.container import check_pixels, check_readable, check_video_file, open_container, pick_stream
from pipeline.media.decode import INTERLACED_ORDERS, Damage, decode_stream
from pipeline.media.images import is_glob, plan_images
from pipeline.media.info import Colour, VideoInfo, focal_from_35mm
from pipeline.media.orientation import orientation_of
from pipeline.media.pages import plan_pages
from pipeline.media.pixels import UNTOLD, grey_range
from pipeline.media.rates import choose_rate
from pipeline.media.suffixes import IMAGE_SUFFIXES, UNREAD_SUFFIXES

FOLDER_RATE = Fraction(30)
GREY_FRAMES = 48  # looked at to find how many bits of 16-bit grey are used
FOCAL_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focallengthin35mmfilm")


def probe(
    path: str | Path,
    *,
    image_rate: Fraction = FOLDER_RATE,
    rate: Fraction | None = None,
    max_side_px: int | None = None,
) -> VideoInfo:
    """Return what a video file, animation, image, image folder or glob of images holds; decodes its first frame.

    Args:
        image_rate: frames per second of an image folder, which carries none.
        rate: frames per second whatever the file says: frame k then lies at k / rate.
        max_side_px: how large frames will be read; images that cannot be held in full may be read smaller.

    Raises:
        InputError: when no frame can come out of it.
    """
    path = Path(path)
    if is_glob(path):
        return images_info(path, rate or image_rate, max_side_px)
    check_readable(path)
    if path.is_dir():
        return images_info(path, rate or image_rate, max_side_px)
    check_video_file(path)
    suffix = path.suffix.lower()
    if suffix in UNREAD_SUFFIXES:
        raise InputError(f"{path}: {suffix} cannot be read here; {UNREAD_SUFFIXES[suffix]}")
    if suffix in IMAGE_SUFFIXES:
        return pages_info(path, image_rate, rate, max_side_px) or images_info(path, rate or image_rate, max_side_px)
    with open_container(path) as container:
        stream = pick_stream(container, path)
        check_pixels(path, stream.width or 0, stream.height or 0)
        frames = decode_stream(container, stream, path)
        try:
            first = next(frames)
        except (StopIteration, Damage) as error:
            raise InputError(
                f"{path}: no frame can be decoded ({stream.codec_context.name}); copy or download it again"
            ) from error
        grey_max = _grey_max(first, frames) if first.format.name.startswith("gray16") else None
        return _describe(path, container, stream, first, rate, grey_max)


def images_info(path: Path, rate: Fraction, max_side_px: int | None = None) -> VideoInfo:
    """Return the facts of an image folder, a glob of images or a single image."""
    plan = plan_images(path)
    info = _still_images_info(path, plan.width, plan.height, len(plan.files), rate, plan.grey_max, max_side_px)
    return replace(
        info,
        codec=plan.files[0].suffix.lower().lstrip("."),
        focal_px=plan.focal_px,
        notes=plan.notes,
        rate_source="the settings, as images carry none",
    )


def pages_info(
    path: Path, page_rate: Fraction, rate: Fraction | None, max_side_px: int | None = None
) -> VideoInfo | None:
    """Return the facts of an image file with several images (animated WebP, PNG or AVIF, TIFF pages), else None.

    Args:
        page_rate: frames per second of pages without delays.
        rate: frames per second whatever delays the file has.
    """
    plan = plan_pages(path, page_rate, rate)
    if plan is None:
        return None
    info = _still_images_info(path, plan.width, plan.height, len(plan.times_s), plan.rate, plan.grey_max, max_side_px)
    return replace(
        info,
        kind="pages",
        time_base=Fraction(1, 1000),
        rate_source=plan.rate_source,
        is_counted=not plan.has_delays,
    )


def _still_images_info(
    path: Path, width: int, height: int, count: int, rate: Fraction, grey_max: int | None, max_side_px: int | None
) -> VideoInfo:
    """Return the facts of so many images that are shown one after the other, as a folder of them has them."""
    check_pixels(path, width, height, is_image=True, max_side_px=max_side_px)
    return VideoInfo(
        path=path,
        kind="images",
        width=width,
        height=height,
        stored_width=width,
        stored_height=height,
        rotation_deg=0,
        is_mirrored=False,
        sample_aspect=Fraction(1),
        rate=rate,
        nominal_rate=rate,
        frame_count=count,
        duration_s=float(count / rate),
        start_offset_s=0.0,
        start_pts=None,
        time_base=1 / rate,
        codec=path.suffix.lower().lstrip("."),
        pixel_format="rgb24",
        is_interlaced=False,
        has_audio=False,
        focal_px=None,
        is_counted=True,
        grey_max=grey_max,
    )


def _describe(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first: VideoFrame,
    wanted_rate: Fraction | None,
    grey_max: int | None,
) -> VideoInfo:
    rotation_deg, is_mirrored = orientation_of(first)
    aspect, notes = _sample_aspect(stream, path)
    flat_width = max(1, round(first.width * aspect))
    is_sideways = rotation_deg % 180 == 90
    width, height = (first.height, flat_width) if is_sideways else (flat_width, first.height)
    duration_s = _duration(container, stream)
    found = choose_rate(path, container, stream, duration_s, wanted_rate)
    rate = found.rate
    time_base = stream.time_base or Fraction(1, av.time_base)
    start_s = float(first.pts * time_base) if first.pts is not None else 0.0
    container_start_s = container.start_time / av.time_base if container.start_time is not None else start_s
    count = stream.frames or (round(duration_s * rate) if duration_s else None)
    return VideoInfo(
        path=path,
        kind="gif" if stream.codec_context.codec.canonical_name in {"gif", "apng"} else "video",
        width=width,
        height=height,
        stored_width=first.width,
        stored_height=first.height,
        rotation_deg=rotation_deg,
        is_mirrored=is_mirrored,
        sample_aspect=aspect,
        rate=rate,
        nominal_rate=found.nominal,
        frame_count=count or None,
        duration_s=duration_s,
        start_offset_s=max(0.0, start_s - container_start_s),
        start_pts=first.pts,
        time_base=time_base,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=first.format.name,
        is_interlaced=first.interlaced_frame or stream.codec_context.field_order in INTERLACED_ORDERS,
        has_audio=bool(container.streams.audio),
        focal_px=_focal(container, stream, width, height),
        notes=(*notes, *found.notes),
        rate_source=found.source,
        is_counted=found.is_counted,
        container=container.format.name,
        colour=_colour(stream, first),
        grey_max=grey_max,
    )


def _sample_aspect(stream: VideoStream, path: Path) -> tuple[Fraction, tuple[str, ...]]:
    aspect = stream.sample_aspect_ratio
    if not aspect:
        return Fraction(1), ()
    if not Fraction(1, 8) <= aspect <= 8:
        return Fraction(1), (f"{path}: pixel aspect {aspect} is not believable; pixels are taken as square",)
    return aspect, ()


def _colour(stream: VideoStream, frame: VideoFrame) -> Colour:
    context = stream.codec_context
    tags = [
        of_context if of_frame == UNTOLD else of_frame
        for of_frame, of_context in (
            (frame.colorspace, context.colorspace),
            (frame.color_primaries, context.color_primaries),
            (frame.color_trc, context.color_trc),
        )
    ]
    matrix, primaries, transfer = (UNTOLD if value is None else int(value) for value in tags)
    return Colour(matrix, primaries, transfer)


def _grey_max(first: VideoFrame, rest: Iterator[VideoFrame]) -> int | None:
    brightest = int(first.to_ndarray(format="gray16le").max())
    try:
        for frame in islice(rest, GREY_FRAMES - 1):
            brightest = max(brightest, int(frame.to_ndarray(format="gray16le").max()))
    except Damage:  # the reader says where
        pass
    return grey_range(brightest)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _focal(container: InputContainer, stream: VideoStream, width: int, height: int) -> float | None:
    for metadata in (stream.metadata, container.metadata):
        for key, value in metadata.items():
            if key.lower() in FOCAL_KEYS:
                try:
                    return focal_from_35mm(float(Fraction(value)), width, height)
                except (ValueError, ZeroDivisionError):
                    return None
    return None
