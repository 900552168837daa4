"""How long a video file should be by its own account: the sure sign of one that was cut off."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EBML_HEADER = b"\x1a\x45\xdf\xa3"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
RIFF_SLACK = 8  # writers disagree on whether the header and the padding byte count


def declared_bytes(path: Path) -> int | None:
    """Return the size that the outermost structure of an MP4, Matroska or AVI file claims; None = it claims none."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"RIFF":
        return int.from_bytes(head[4:8], "little") + 8 - RIFF_SLACK
    if head[:4] == EBML_HEADER:
        return _matroska_bytes(head)
    ends = [box.start + box.size for box in iterate_boxes(path) if box.kind in {"moov", "moof", "mdat"}]
    return max(ends, default=None)


@dataclass(frozen=True, slots=True)
class Box:
    """A top-level box of an MP4 or QuickTime file."""

    kind: str
    start: int
    size: int


def iterate_boxes(path: Path) -> Iterator[Box]:
    """Yield the top-level boxes of an MP4 or QuickTime file in order; a box may reach past the end of the file.

    Source: ISO/IEC 14496-12, 4.2.
    """
    with path.open("rb") as file:
        total = file.seek(0, os.SEEK_END)
        start = 0
        while start + 8 <= total:
            file.seek(start)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if not kind.isalnum() and not kind.strip().isalnum():
                return
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:
                size = total - start
            if size < 8:
                return
            yield Box(kind.decode("latin-1"), start, size)
            start += size


def _matroska_bytes(head: bytes) -> int | None:
    """Return the end of the segment, which holds everything; None for a live recording of unknown length.

    Source: RFC 8794, 4.4 and 6.2.
    """
    size, start = _read_vint(head, 4)
    if size is None or head[start + size : start + size + 4] != MATROSKA_SEGMENT:
        return None
    segment, start = _read_vint(head, start + size + 4)
    return None if segment is None else start + segment


def _read_vint(data: bytes, start: int) -> tuple[int | None, int]:
    """Return a variable-size integer (None = unknown or not there) and where it ends."""
    if start >= len(data) or data[start] == 0:
        return None, start
    length = 9 - data[start].bit_length()
    field = int.from_bytes(data[start : start + length], "big")
    value = field & ((1 << 7 * length) - 1)
    is_unknown = value == (1 << 7 * length) - 1
    return (None if is_unknown else value), start + length
