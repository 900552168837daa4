"""How many frames per second a video has, and who says so."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

RATE_MAX = 20_000  # above this a declared rate is a container's clock (90000), not a camera's
STREAM_RATE_MAX = 1_000  # a raw stream's own rate beyond this is a clock, too
GUESS = Fraction(25)
NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS of libavformat: raw streams, whose packets carry no times


@dataclass(frozen=True, slots=True)
class ChosenRate:
    """Frames per second of a video."""

    rate: Fraction
    nominal: Fraction  # the rate the container declares
    source: str  # who says so, in words
    is_counted: bool  # times come from counting frames: there are no timestamps, or they are overridden
    notes: tuple[str, ...] = ()


def choose_rate(
    path: Path, container: InputContainer, stream: VideoStream, duration_s: float | None, wanted: Fraction | None
) -> ChosenRate:
    """Return the rate of a video after its first frame was decoded.

    The setting comes first, then the file's timestamps, then what the compressed stream says of itself (H.264 and HEVC
    timing, MPEG sequence headers), then a guess, which a note tells. A demuxer's default never counts as knowledge.
    """
    nominal = sane_rate(stream.guessed_rate) or sane_rate(stream.base_rate)
    if wanted is not None:
        return ChosenRate(wanted, wanted, "decode.rate_hz; the file's own times are not used", is_counted=True)
    if container.format.flags & NO_TIMESTAMPS:
        own = stream.codec_context.framerate
        if own and 0 < own <= STREAM_RATE_MAX:
            return ChosenRate(own, own, "the compressed stream itself, as the file has no timestamps", is_counted=True)
        return _guessed(path, "has no timestamps and its stream tells no rate")
    average = sane_rate(stream.average_rate)
    if average is None and duration_s and stream.frames > 1:
        average = sane_rate(Fraction(stream.frames / duration_s).limit_denominator(1001))
    rate = average or nominal
    if rate is None:
        declared = stream.average_rate or stream.guessed_rate or stream.base_rate
        if container.format.name == "avi":  # its timestamps are frame numbers times the declared rate
            return _guessed(path, f"declares {float(declared or 0):g} frames per second")
        note = f"{path}: tells no frame rate; {GUESS} is assumed where a time is missing"
        return ChosenRate(GUESS, GUESS, "a guess", is_counted=False, notes=(note,))
    return ChosenRate(rate, nominal or rate, "the file's timestamps", is_counted=False)


def sane_rate(rate: Fraction | None) -> Fraction | None:
    """Return a declared rate that a camera can have, else None."""
    return rate if rate and 0 < rate <= RATE_MAX else None


def _guessed(path: Path, reason: str) -> ChosenRate:
    note = (
        f"{path}: {reason}; {GUESS} frames per second is a guess, and all times and speeds depend on it: "
        "give the right one with --set decode.rate_hz=RATE"
    )
    return ChosenRate(GUESS, GUESS, "a guess", is_counted=True, notes=(note,))
