"""Decoded frames from the start of a video, or from the middle by a seek that proves safe."""

from collections import deque
from itertools import islice

import numpy as np
from av.video.frame import VideoFrame

from configs.errors import InputError
from pipeline.media.container import open_container, pick_stream, reason_of
from pipeline.media.decode import Damage, Frames, decode_stream
from pipeline.media.info import VideoInfo
from pipeline.media.packet_index import PacketIndex

TRIES = 3  # key frames tried before reading from the start
REORDER_MAX = 16  # images an H.264 or HEVC decoder may hold back (ITU-T H.264, A.3.1)
# Decoders that raise or flag the frame when they meet damage. The older ones (MPEG-2, MPEG-4 part 2, WMV) conceal it
# without a word, from whatever was decoded before, and their videos are small: they are read from the start. H.264
# overlooks some damage as well (the bits happen to decode) and then shows what was last in that memory; nothing tells.
OUTSPOKEN_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mjpeg", "prores", "dnxhd", "ffv1"})


def decode_from_start(info: VideoInfo, *, is_skipping: bool = False) -> Frames:
    """Yield the decoded frames of a video; see `decode_stream`."""
    with open_container(info.path) as container:
        stream = pick_stream(container, info.path)
        yield from decode_stream(container, stream, info.path, is_skipping=is_skipping)


def decode_from(info: VideoInfo, index: PacketIndex, first: int, *, is_exact: bool) -> Frames | None:
    """Return decoded frames from place `first` on, reached by a seek, or None where a seek proves unsafe.

    A seek is accepted if every frame from a key frame to `first` is decoded with the timestamp of the index.

    Args:
        is_exact: demand the bytes that reading from the start gives. A decoder conceals damage with whatever it decoded
            before, so this decodes with strict error detection, from one key frame earlier than needed, and where
            damage is met, before `first` or after, the video is read from its start.
    """
    if is_exact and info.codec not in OUTSPOKEN_CODECS:
        return None
    needed = int(np.searchsorted(index.key_positions, first, side="right")) - 1
    for back in range(TRIES):
        chosen = needed - back - (1 if is_exact else 0)
        if chosen < 1:  # the start itself needs no seek
            return None
        key = int(index.key_positions[chosen])
        frames = _frames_after_seek(info, index, key, is_strict=is_exact)
        reached = _advance(frames, index, first)
        if reached is not None:
            return _until_damage(info, reached, frames, first) if is_exact else _chain(reached, frames)
    return None


def _advance(frames: Frames, index: PacketIndex, first: int) -> VideoFrame | None:
    """Return the frame at place `first` when all frames from the first key frame to it are there, else None."""
    keys = set(index.pts[index.key_positions].tolist())
    position: int | None = None
    try:
        for frame in frames:
            if position is None:
                if frame.pts is None or frame.pts not in keys:
                    continue  # it precedes the key frame in presentation and leans on frames before it
                position = int(np.searchsorted(index.pts, frame.pts))
            if position > first or frame.pts != index.pts[position] or frame.is_corrupt:
                break
            if position == first:
                return frame
            position += 1
    except (Damage, InputError):  # reading from the start meets it too, and says where
        pass
    frames.close()
    return None


def _frames_after_seek(info: VideoInfo, index: PacketIndex, key: int, *, is_strict: bool) -> Frames:
    with open_container(info.path) as container:
        stream = pick_stream(container, info.path, is_strict=is_strict)
        try:
            container.seek(int(index.pts[key]), stream=stream, backward=True)
        except Exception as error:
            raise Damage(f"cannot seek: {reason_of(error)}") from error
        yield from decode_stream(container, stream, info.path)


def _until_damage(info: VideoInfo, frame: VideoFrame, rest: Frames, first: int) -> Frames:
    """Yield `frame` and the rest; from the first that damage may have touched on, read from the start instead."""
    frames = _chain(frame, rest)
    held: deque[VideoFrame] = deque()  # frames shown before a damaged one may lean on it
    position = first
    try:
        try:
            for following in frames:
                if following.is_corrupt:
                    break
                held.append(following)
                if len(held) > REORDER_MAX:
                    yield held.popleft()
                    position += 1
            else:
                yield from held
                return
        except Damage:
            pass
    finally:
        frames.close()
    held.clear()
    yield from islice(decode_from_start(info), position, None)


def _chain(frame: VideoFrame, rest: Frames) -> Frames:
    try:
        yield frame
        yield from rest
    finally:
        rest.close()
