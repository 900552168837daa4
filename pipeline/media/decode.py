"""Compressed packets -> decoded images, with the rules for damage and interlacing."""

import logging
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.media.container import reason_of
from pipeline.media.extent import declared_bytes

log = logging.getLogger(__name__)

INTERLACED_ORDERS = range(2, 6)  # AV_FIELD_TT, BB, TB, BT of libavcodec's AVFieldOrder


Frames = Generator[VideoFrame, None, None]


class Damage(Exception):
    """A stream cannot be decoded further, or ends before its container says. The message is the reason alone."""


def decode_stream(
    container: InputContainer,
    stream: VideoStream,
    path: Path,
    *,
    is_skipping: bool = False,
) -> Frames:
    """Yield decoded frames in presentation order from where the container stands.

    Packets before the first decodable frame are dropped silently (a recording that begins inside a group of pictures).

    Args:
        is_skipping: leave undecodable packets out and go on; else raise `Damage` at the first. Frames the decoder still
            held back for reordering are not yielded then: frames between them may be among the lost.
    """
    decode = stream.codec_context.decode
    # Broadcast streams flag any lost transport packet; their decoders conceal it and players go on.
    is_flag_fatal = not is_skipping and container.format.name != "mpegts"
    frames_seen = left_out = 0
    reason: str | None = None
    packets = iter(container.demux(stream))
    while True:
        try:
            packet: Packet[VideoStream] = next(packets)
        except StopIteration:
            break
        except Exception as error:
            reason = f"cannot be read on: {reason_of(error)}"
            break
        if packet.size == 0:  # the demuxer's end marker, or a dropped frame of an AVI, which decoders refuse
            continue
        if packet.is_corrupt and is_flag_fatal:
            reason = "a compressed frame is cut off"
            break
        try:
            frames = decode(packet)
        except Exception as error:
            if frames_seen and not is_skipping:
                raise Damage(f"a compressed frame cannot be decoded: {reason_of(error)}") from error
            left_out += 1
            continue
        frames_seen += len(frames)
        yield from frames
    reason = reason or _missing_end(stream, path)
    if reason is None or is_skipping:
        try:
            frames = decode(None)
        except Exception as error:
            frames, reason = [], reason or f"the last frames cannot be decoded: {reason_of(error)}"
        yield from frames
    if reason and not is_skipping:
        raise Damage(reason)
    if is_skipping and (reason or left_out):
        log.warning("%s: %d compressed frames left out%s", path, left_out, f"; {reason}" if reason else "")


def _missing_end(stream: VideoStream, path: Path) -> str | None:
    """Return how the container says that more should have come, or None."""
    size = path.stat().st_size
    indexed = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    wanted = max(indexed, declared_bytes(path) or 0)
    return f"the file has {size} of at least {wanted} bytes" if wanted > size else None


def deinterlace(frames: Frames) -> Frames:
    """Yield one progressive frame per frame, with the timestamps of the input. Reaches one frame back and ahead."""
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    stamps: deque[int | None] = deque()
    damage: Damage | None = None
    try:
        for frame in frames:
            found = (frame.width, frame.height, frame.format.name)
            if graph is not None and found != shape:  # a filter is built for one size
                graph.push(None)
                yield from _pull(graph, stamps)
                graph = None
            if graph is None:
                graph, shape = _deinterlacer(frame), found
            stamps.append(frame.pts)
            graph.push(frame)
            yield from _pull(graph, stamps)
    except Damage as error:  # the last good frame is still inside the filter
        damage = error
    if graph is not None:
        graph.push(None)
        yield from _pull(graph, stamps)
    if damage is not None:
        raise damage


def _deinterlacer(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    # A stream whose container says "interlaced" while its frames do not is forced; else only flagged frames change.
    field_filter = graph.add("bwdif", f"mode=send_frame:deint={'interlaced' if frame.interlaced_frame else 'all'}")
    sink = graph.add("buffersink")
    source.link_to(field_filter)
    field_filter.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: Graph, stamps: deque[int | None]) -> Frames:
    while stamps:
        try:
            frame = cast(VideoFrame, graph.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        frame.pts = stamps.popleft()
        yield frame
