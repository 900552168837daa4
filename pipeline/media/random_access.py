"""Frames of a video by index."""

import logging
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from configs.errors import InputError
from pipeline.media.container import reason_of
from pipeline.media.decode import Damage
from pipeline.media.images import ImagePlan, plan_images, read_image
from pipeline.media.info import VideoInfo
from pipeline.media.packet_index import PacketIndex, index_packets
from pipeline.media.pages import PagePlan, plan_pages, read_pages
from pipeline.media.pixels import PixelConverter, letterbox
from pipeline.media.probe import probe
from pipeline.media.read import StampedFrame, iterate_stamped
from pipeline.media.tone import HLG, PQ
from pipeline.types import Frame

log = logging.getLogger(__name__)

AGREEMENT_LEVELS = 2.0  # mean difference of 0..255 between two decoders' images that still counts as the same
DECORD_CODECS = frozenset({"h264", "hevc", "mpeg4", "vp8", "vp9", "mpeg2video"})
RESIZABLE = frozenset({"mpegts", "mpeg", "h264", "hevc", "flv"})  # containers of streams that change their size
REACH_FRAMES = 100  # how far behind a key frame the two decoders are compared


class RandomFrames:
    """The frames of a video by index, as the streaming reader gives them at full size. Not for several threads.

    decord serves plain videos (upright, square pixels, progressive, 8 bit, no HDR, undamaged, of one size) after its
    images were compared with PyAV's at the start, in the middle and near the end; PyAV serves all others. Frames that
    a decoder made up over damage may look different from the stream's.
    """

    def __init__(self, source: str | Path | VideoInfo, *, is_decord_tried: bool = True) -> None:
        """
        Args:
            source: a path, or what `probe` said about it.
            is_decord_tried: whether decord may serve the frames; to compare it first is not worth it for a few.

        Raises: as of `probe`.
        """
        self.info = source if isinstance(source, VideoInfo) else probe(source)
        self._converter = PixelConverter(self.info, self.info.width, self.info.height)
        self._plan: ImagePlan | None = plan_images(self.info.path) if self.info.kind == "images" else None
        self._pages: PagePlan | None = None
        if self.info.kind == "pages":
            self._pages = plan_pages(self.info.path, self.info.rate, self.info.rate if self.info.is_counted else None)
        self._index: PacketIndex | None = index_packets(self.info)
        self._stream: Generator[StampedFrame, None, None] | None = None
        self._next = 0
        self._last: Frame | None = None
        self._decord_error: tuple[type[Exception], ...] = ()
        self._decord: Any = self._open_decord() if is_decord_tried else None
        self.backend: Literal["decord", "av", "images"] = (
            "images" if self._plan or self._pages else "decord" if self._decord is not None else "av"
        )
        self._length: int | None = None

    def __len__(self) -> int:
        """Return how many frames can be read; where the packets cannot tell, it decodes all once."""
        if self._length is None:
            self._length = self._count()
        return self._length

    def __getitem__(self, index: int) -> Frame:
        return self.many([index])[0]

    def many(self, indices: Sequence[int]) -> list[Frame]:
        """Return the frames at `indices`, in that order; each is decoded once. Raises `IndexError` outside."""
        for index in indices:
            if not index >= 0:
                raise IndexError(f"{self.info.path}: frame {index} does not exist; the first is 0")
        found = {index: self._read(index) for index in sorted(set(map(int, indices)))}
        return [found[int(index)] for index in indices]

    def near_key(self, index: int, reach: int) -> int:
        """Return the key frame nearest to a frame, which is read without others, or `index` if it is beyond `reach`."""
        if self._index is None or not len(self._index.key_positions):
            return index
        places = self._index.key_positions
        nearest = int(places[np.abs(places - index).argmin()])
        return nearest if abs(nearest - index) <= reach else index

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._decord = self._last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, index: int) -> Frame:
        if self._plan is not None:
            if index >= len(self._plan.files):
                raise self._outside(index)
            return Frame(index, float(index / self.info.rate), read_image(self._plan.files[index], self.info.grey_max))
        if self._pages is not None:
            if index >= len(self._pages.pages):
                raise self._outside(index)
            _, image = next(read_pages(self.info.path, self._pages, index))
            if image.shape != (self.info.height, self.info.width, 3):
                image = letterbox(image, self.info.width, self.info.height)
            return Frame(index, self._pages.times_s[index], image)
        if self._decord is not None and self._index is not None:
            if index >= len(self._index.pts):
                raise self._outside(index)
            try:
                image = self._decord[index].asnumpy()
            except self._decord_error as error:  # damage that PyAV may step over
                log.debug("%s: decord is given up at frame %d: %s", self.info.path, index, reason_of(error))
                self._decord, self.backend = None, "av"
                return self._read_av(index)
            time_s = float(index / self.info.rate) if self.info.is_counted else self._index.time_s(index)
            return Frame(index, time_s, image)
        return self._read_av(index)

    def _read_av(self, index: int) -> Frame:
        """Read on where the wanted frame lies ahead in the same group of pictures, else seek."""
        if self._last is not None and self._last.index == index:
            return self._last
        if self._index is not None and index >= len(self._index.pts):
            raise self._outside(index)
        if self._stream is None or index < self._next or self._is_key_between(self._next, index):
            if self._stream is not None:
                self._stream.close()
            self._stream = iterate_stamped(self.info, index, index=self._index, is_exact=False)
        try:
            for stamped in self._stream:
                self._next = stamped.index + 1
                if stamped.index == index:
                    self._last = Frame(index, stamped.time_s, self._converter.convert(stamped.raw))
                    return self._last
        except Damage as damage:
            self._stream = None
            raise InputError(f"{self.info.path}: frame {index} cannot be read, {damage}") from damage
        self._stream = None
        raise self._outside(index)

    def _is_key_between(self, start: int, stop: int) -> bool:
        if self._index is None:
            return False
        places = self._index.key_positions
        return bool(np.searchsorted(places, start, "left") < np.searchsorted(places, stop, "right"))

    def _outside(self, index: int) -> IndexError:
        return IndexError(f"{self.info.path}: frame {index} does not exist; the video ends before")

    def _count(self) -> int:
        if self._plan is not None:
            return len(self._plan.files)
        if self._pages is not None:
            return len(self._pages.pages)
        if self._index is not None:
            return len(self._index.pts)
        count = 0
        try:
            for stamped in iterate_stamped(self.info, 0):
                count = stamped.index + 1
        except Damage as damage:
            log.warning("%s: %d frames, then %s", self.info.path, count, damage)
        return count

    def _open_decord(self) -> Any:
        info = self.info
        is_plain = (
            info.codec in DECORD_CODECS
            and info.rotation_deg == 0
            and not info.is_mirrored
            and info.sample_aspect == 1
            and not info.is_interlaced
            and info.pixel_format in {"yuv420p", "yuvj420p"}
            and info.colour.transfer not in (PQ, HLG)
            and info.container not in RESIZABLE
        )
        if self._index is None or not is_plain:
            return None
        try:
            import decord
        except (ImportError, OSError):  # no wheel for this platform
            return None
        self._decord_error = (decord.DECORDError, RuntimeError)
        decord.logging.set_level(decord.logging.QUIET)
        try:
            reader = decord.VideoReader(str(info.path.absolute()), num_threads=1)
            reason = self._disagreement(reader, self._index)
        except (*self._decord_error, InputError) as error:
            reason = reason_of(error)
        if reason is not None:
            log.debug("%s: decord is not used: %s", info.path, reason)
            return None
        return reader

    def _disagreement(self, reader: Any, index: PacketIndex) -> str | None:
        count = len(index.pts)
        if len(reader) != count:
            return f"it counts {len(reader)} frames, the packets {count}"
        for place in _places_to_compare(index):
            theirs, ours = reader[place].asnumpy(), self._read_av(place).image
            if theirs.shape != ours.shape:
                return f"frame {place} has shape {theirs.shape}, PyAV gives {ours.shape}"
            difference = float(np.abs(theirs.astype(np.int16) - ours).mean())
            if difference > AGREEMENT_LEVELS:
                return f"frame {place} differs from PyAV's by {difference:.1f} levels"
        return None


def _places_to_compare(index: PacketIndex) -> list[int]:
    keys, count = index.key_positions, len(index.pts)
    ends = np.append(keys[1:], count)
    groups = {0, len(keys) // 2, len(keys) - 1}
    return sorted({0} | {int(min(ends[g] - 1, keys[g] + REACH_FRAMES)) for g in groups})
