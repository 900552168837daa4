"""Where every frame of a video lies, from its packets alone, without decoding."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from configs.checks import check_shape
from pipeline.media.container import open_container, pick_stream
from pipeline.media.decode import Pictures, decode_stream
from pipeline.media.info import VideoInfo

TRIES = 3  # key frames tried before reading from the start


@dataclass(frozen=True, slots=True)
class PacketIndex:
    """Timestamps of all frames in presentation order; only built where one packet is one frame."""

    time_base: Fraction
    pts: np.ndarray  # (T,) int64, rising, ticks of the stream
    key_places: np.ndarray  # (K,) int64, rising: which frames are key frames

    def __post_init__(self) -> None:
        check_shape("pts", self.pts, ("T",))
        check_shape("key_places", self.key_places, ("K",))

    def time_s(self, place: int) -> float:
        """Return the seconds from the first frame to the frame at `place`."""
        return float((int(self.pts[place]) - int(self.pts[0])) * self.time_base)


def index_packets(info: VideoInfo) -> PacketIndex | None:
    """Return the index of a video, or None where counting packets is no safe way to count frames.

    Safe means: every packet has its own timestamp and data, none is flagged as damaged, and the first packet is a key
    frame, the first in presentation and the one that the decoder delivers first.
    """
    if info.kind != "video" or info.codec in {"gif", "apng"}:
        return None
    pts: list[int] = []
    keys: list[int] = []
    with open_container(info.path) as container:
        stream = pick_stream(container, info.path)
        time_base = stream.time_base
        is_first = True
        try:
            for packet in container.demux(stream):
                if packet.size == 0 and packet.dts is None and packet.pts is None:
                    continue
                if packet.size == 0 or packet.pts is None or packet.is_corrupt:
                    return None
                if is_first and not packet.is_keyframe:
                    return None
                is_first = False
                if packet.is_discard:  # decoded for what follows, but cut away by an edit list
                    continue
                pts.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except Exception:  # damage: the reader says what is wrong where it meets it
            return None
    ordered = np.unique(np.array(pts, np.int64))
    if time_base is None or not len(ordered) or len(ordered) != len(pts) or ordered[0] != info.start_pts:
        return None
    return PacketIndex(time_base, ordered, np.searchsorted(ordered, np.unique(np.array(keys, np.int64))))


def decode_from(info: VideoInfo, index: PacketIndex, first: int, *, spare_keys: int) -> Pictures | None:
    """Return decoded frames from place `first` on, reached by a seek, or None where a seek proves unsafe.

    A seek is trusted when the frames from a key frame up to `first` come undamaged, each with the timestamp that the
    index gives it.

    Args:
        spare_keys: begin this many key frames earlier than needed, for streams whose key frames lean on older frames.
    """
    needed = int(np.searchsorted(index.key_places, first, side="right")) - 1
    for back in range(TRIES):
        chosen = needed - spare_keys - back
        if chosen < 1:  # the start itself needs no seek
            return None
        frames = _decode_from_key(info, index, int(index.key_places[chosen]), first)
        if frames is not None:
            return frames
    return None


def _decode_from_key(info: VideoInfo, index: PacketIndex, key: int, first: int) -> Pictures | None:
    frames = _frames_after_seek(info, int(index.pts[key]))
    keys = set(index.pts[index.key_places].tolist())
    place: int | None = None
    try:
        for frame in frames:
            if place is None:
                if frame.pts is None or frame.pts not in keys:
                    continue  # it precedes the key frame in presentation and leans on frames before it
                place = int(np.searchsorted(index.pts, frame.pts))
            if place > first or frame.pts != index.pts[place] or frame.is_corrupt:
                break
            if place == first:
                return _chain(frame, frames)
            place += 1
    except Exception:
        # Damage on the way: reading from the start meets it too, and says where.
        frames.close()
        return None
    frames.close()
    return None


def _frames_after_seek(info: VideoInfo, pts: int) -> Pictures:
    container = open_container(info.path)
    try:
        stream = pick_stream(container, info.path)
        container.seek(pts, stream=stream, backward=True)
        yield from decode_stream(container, stream, info.path, is_from_start=False)
    finally:
        container.close()


def _chain(frame: VideoFrame, rest: Pictures) -> Pictures:
    try:
        yield frame
        yield from rest
    finally:
        rest.close()
