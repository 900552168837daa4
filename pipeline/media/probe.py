"""What a path holds: a video, a GIF or a folder of images, with sizes and rates as a viewer sees them."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from configs.errors import InputError
from pipeline.media.container import check_readable, open_container, pick_stream
from pipeline.media.decode import INTERLACED_ORDERS, Damage, decode_stream
from pipeline.media.images import IMAGE_SUFFIXES, is_glob, plan_images
from pipeline.media.info import VideoInfo, focal_from_35mm

FOLDER_RATE = Fraction(30)
RATE_MAX = 20_000  # above this a declared rate is a container's clock (90000), not a camera's
FOCAL_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focallengthin35mmfilm")


def probe(path: str | Path, *, image_rate: Fraction = FOLDER_RATE) -> VideoInfo:
    """Return what a video file, GIF, image, image folder or glob of images holds; decodes its first frame.

    Args:
        image_rate: frames per second of an image folder, which carries none.

    Raises:
        InputError: when no frame can come out of it.
    """
    path = Path(path)
    if is_glob(path):
        return images_info(path, image_rate)
    check_readable(path)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return images_info(path, image_rate)
    with open_container(path) as container:
        stream = pick_stream(container, path)
        frames = decode_stream(container, stream, path)
        try:
            first = next(frames)
        except (StopIteration, Damage) as error:
            raise InputError(
                f"{path}: no frame can be decoded ({stream.codec_context.name}); copy or download it again"
            ) from error
        return _describe(path, container, stream, first)


def images_info(path: Path, rate: Fraction) -> VideoInfo:
    """Return the facts of an image folder, a glob of images or a single image."""
    plan = plan_images(path)
    return VideoInfo(
        path=path,
        kind="images",
        width=plan.width,
        height=plan.height,
        stored_width=plan.width,
        stored_height=plan.height,
        rotation_deg=0,
        is_mirrored=False,
        sample_aspect=Fraction(1),
        rate=rate,
        nominal_rate=rate,
        frame_count=len(plan.files),
        duration_s=float(len(plan.files) / rate),
        start_offset_s=0.0,
        start_pts=None,
        time_base=1 / rate,
        codec=plan.files[0].suffix.lower().lstrip("."),
        pixel_format="rgb24",
        is_interlaced=False,
        has_audio=False,
        focal_px=plan.focal_px,
        notes=plan.notes,
    )


def _describe(path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame) -> VideoInfo:
    rotation_deg, is_mirrored = _orientation(first)
    aspect, notes = _sample_aspect(stream, path)
    flat_width = max(1, round(first.width * aspect))
    is_sideways = rotation_deg % 180 == 90
    width, height = (first.height, flat_width) if is_sideways else (flat_width, first.height)
    duration_s = _duration(container, stream)
    nominal = _sane_rate(stream.guessed_rate) or _sane_rate(stream.base_rate)
    average = _sane_rate(stream.average_rate)
    if average is None and duration_s and stream.frames > 1:
        average = _sane_rate(Fraction(stream.frames / duration_s).limit_denominator(1001))
    rate = average or nominal or Fraction(25)
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
        nominal_rate=nominal or rate,
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
        notes=notes,
    )


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Return the counter-clockwise turn (0, 90, 180, 270) and whether a left-right flip follows it.

    Source: display matrix of ISO/IEC 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y, with y down.
    """
    held = cast("Mapping[SideDataType, Any]", frame.side_data)
    data = held.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return 0, False
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    is_mirrored = a * d - b * c < 0
    quarters = round(float(np.arctan2(-b, -a if is_mirrored else a)) / (np.pi / 2)) % 4
    return quarters * 90, is_mirrored


def _sample_aspect(stream: VideoStream, path: Path) -> tuple[Fraction, tuple[str, ...]]:
    aspect = stream.sample_aspect_ratio
    if not aspect:
        return Fraction(1), ()
    if not Fraction(1, 8) <= aspect <= 8:
        return Fraction(1), (f"{path}: pixel aspect {aspect} is not believable; pixels are taken as square",)
    return aspect, ()


def _sane_rate(rate: Fraction | None) -> Fraction | None:
    return rate if rate and 0 < rate <= RATE_MAX else None


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
