"""What is known of a video before it is read."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts of one video, image folder or animation. `width` and `height` are those of the frames that are read."""

    path: Path
    kind: Literal["video", "images", "gif", "pages"]  # pages: an image file that holds several images
    width: int  # upright, square pixels
    height: int
    stored_width: int  # as coded, before rotation and pixel aspect
    stored_height: int
    rotation_deg: int  # counter-clockwise turn that makes the stored image upright: 0, 90, 180 or 270
    is_mirrored: bool  # flipped left to right after the turn
    sample_aspect: Fraction  # width over height of one stored pixel
    rate: Fraction  # average frames per second
    nominal_rate: Fraction  # the rate the container declares; differs from `rate` in a variable-rate video
    frame_count: int | None  # what the container declares or its duration implies; None = unknown until read
    duration_s: float | None
    start_offset_s: float  # first frame of the image after the start of the container (audio may start earlier)
    start_pts: int | None  # timestamp of the first decodable frame, in ticks
    time_base: Fraction  # seconds per tick
    codec: str
    pixel_format: str
    is_interlaced: bool
    has_audio: bool
    focal_px: float | None  # in pixels of a full-size upright frame, when the camera wrote it into the file
    notes: tuple[str, ...] = ()  # messages for the user: skipped files, gaps in a numbering
    rate_source: str = "the file's timestamps"  # where `rate` comes from, in words
    is_counted: bool = False  # frame k lies at k / rate: the file has no timestamps, or they are overridden
    container: str = ""  # name of the demuxer; empty for images
    colour: "Colour" = field(default_factory=lambda: Colour())
    grey_max: int | None = None  # brightest value of 16-bit grey that holds fewer bits, e.g. 4095; None = all are used


@dataclass(frozen=True, slots=True)
class Colour:
    """How code values mean colours: the code points of ITU-T H.273; 2 = unspecified."""

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


def fit_size(width: int, height: int, max_side_px: int | None) -> tuple[int, int]:
    """Return the size with its longer side at most `max_side_px`, same shape, at least one pixel each way."""
    if max_side_px is None or max(width, height) <= max_side_px:
        return width, height
    scale = Fraction(max_side_px, max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def focal_from_35mm(focal_35mm: float, width: int, height: int) -> float | None:
    """Return the focal length in pixels of an image whose 35 mm equivalent is given in millimetres.

    Source: the equivalence of CIPA DCG-001 is by the diagonal, 43.27 mm on a 36 x 24 mm frame.
    """
    if not 1.0 <= focal_35mm <= 5000.0:
        return None
    return focal_35mm * float(width**2 + height**2) ** 0.5 / 43.2666
