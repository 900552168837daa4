"""Where every frame of a video lies, from its packets alone, without decoding."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import numpy as np

from configs.checks import Shaped
from pipeline.media.container import open_container, pick_stream
from pipeline.media.info import VideoInfo


@dataclass(frozen=True, slots=True)
class PacketIndex(Shaped):
    """Timestamps of all frames in presentation order; only built where one packet is one frame."""

    time_base: Fraction
    pts: Annotated[np.ndarray, "T"]  # int64, rising, ticks of the stream
    key_positions: Annotated[np.ndarray, "K"]  # int64, rising: which frames are key frames

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
