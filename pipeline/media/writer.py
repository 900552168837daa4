"""H.264 files that browsers play, written whole or not at all."""

import logging
import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from configs.checks import check_shape
from configs.errors import InputError
from configs.failure import NO_SPACE, describe_failure
from pipeline.device import cpu_flags
from pipeline.media.container import reason_of
from pipeline.media.sound import Sound

log = logging.getLogger(__name__)

TICKS_PER_S = 90_000  # the clock of MPEG systems: exact for 24, 25, 30, 50, 60 and 30000/1001 frames per second
QUALITY_CRF = 20
HOLE_MAX_S = 10.0  # a longer hole between two frames is shown as one of `HOLE_SHOWN_S`; MP4 holds none of 7 hours
HOLE_SHOWN_S = 1.0
BT709 = 1  # the code of matrix, primaries and transfer alike (ITU-T H.273)


def _repeatable() -> dict[str, str]:
    """Return options that keep x264 (core 165) from AVX-512: with it, the bytes depend on what memory held before.

    Its look ahead reads memory that nothing has written: of 100 files of the same nine frames, 30 were different.
    """
    return {"x264-params": "asm=avx2"} if any(flag.startswith("avx512") for flag in cpu_flags()) else {}


class VideoWriter:
    """Writes RGB frames as H.264 4:2:0 in MP4, index first, BT.709. Use as a context manager.

    The file appears under its name only when `close` succeeds; an error inside the `with` block removes what was
    written. An odd side gets its last row or column twice, as 4:2:0 wants even sides. Where nothing is shown for more
    than 10 s (a time lapse, timestamps that jump) the video goes on after 1 s, and one line tells.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        rate: Fraction,
        *,
        crf: int = QUALITY_CRF,
        sound: Sound | None = None,
    ) -> None:
        """Prepare a file; nothing is opened before the first frame.

        Args:
            width, height: size of the frames that will come.
            rate: frames per second, used where frames come without a time.
            crf: x264's constant quality: 0 lossless, 51 worst.
            sound: what is heard beside frames that carry times; closed by whoever opened it.
        """
        if width < 1 or height < 1 or rate <= 0:
            raise ValueError(f"a video of {width}x{height} at {rate} frames/s cannot be written; all must be above 0")
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.width, self.height, self.rate, self.crf = width, height, Fraction(rate), crf
        self.frames_written = 0
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._sound = sound
        self._reformatter = VideoReformatter()
        self._is_timed = False
        self._last_pts, self._last_s = -1, -math.inf
        self._holes, self._left_out_s = 0, 0.0

    def write(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Append a frame.

        Args:
            image: (height, width, 3) uint8 RGB.
            time_s: when it is shown, rising from frame to frame; give it for every frame or for none. The first
                frame's time becomes the start of the video.
        """
        check_shape("image", image, (self.height, self.width, 3))
        if image.dtype != np.uint8:
            raise ValueError(f"image: got {image.dtype}, expected uint8")
        if self._stream is None:
            self._is_timed = time_s is not None
            self._start_s = time_s or 0.0
            self._open()
        if self._is_timed != (time_s is not None):
            raise ValueError(f"frame {self.frames_written}: either every frame carries a time or none does")
        if time_s is None:
            pts = self.frames_written
        else:
            if time_s <= self._last_s:
                raise ValueError(
                    f"frame {self.frames_written}: time {time_s} s is not after the last, {self._last_s} s"
                )
            if self.frames_written and time_s - self._last_s > HOLE_MAX_S:
                self._holes += 1
                self._left_out_s += time_s - self._last_s - HOLE_SHOWN_S
                if self._sound is not None:  # it would go on beside other frames
                    self._sound.finish(self._last_s + float(1 / self.rate))
            offset_s = time_s - self._start_s - self._left_out_s
            # Frames nearer to each other than a tick come one tick apart.
            pts = max(round(offset_s * TICKS_PER_S), self._last_pts + 1)
            self._last_s = time_s
        self._last_pts = pts
        self._encode(self._to_frame(image, pts))
        if self._sound is not None and time_s is not None:
            self._sound.write_until(time_s)
        self.frames_written += 1

    def close(self) -> None:
        """Finish the file and give it its name. Without a frame there is no file."""
        if self._container is None or self._stream is None:
            return
        try:
            if self._sound is not None and self._is_timed:
                self._sound.finish(self._last_s + float(1 / self.rate))
            self._encode(None)
            self._container.close()
            self._container = self._stream = None
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            self.part.replace(self.path)
        except (OSError, ValueError, av.FFmpegError) as error:
            self.abort()
            raise self._problem("finished", error, "check space and rights") from error
        except BaseException:  # a signal, while the last frames are encoded
            self.abort()
            raise
        if self._holes:
            hole_h = (self._left_out_s + self._holes * HOLE_SHOWN_S) / 3600
            log.warning(
                "%s: %d holes of more than %g s between frames, %.1f h in all, are shown as %g s each",
                self.path, self._holes, HOLE_MAX_S, hole_h, HOLE_SHOWN_S,
            )  # fmt: skip

    def abort(self) -> None:
        """Drop what was written; the name stays as it was."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            with suppress(OSError, ValueError, av.FFmpegError):  # a full disk: the file goes away below
                container.close()
        with suppress(OSError):  # the folder was never there
            self.part.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self.part.absolute()), "w", format="mp4", options={"movflags": "faststart"})
        except (OSError, ValueError, av.FFmpegError) as error:
            raise self._problem("written", error, "choose another path") from error
        # With times, the rate only guides the encoder, which takes no frame per day and no 65537th of a second.
        rate = min(max(self.rate, Fraction(1)), Fraction(1000)).limit_denominator(1001) if self._is_timed else self.rate
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width = self.width + self.width % 2
        stream.height = self.height + self.height % 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(self.crf), "preset": "veryfast", **_repeatable()}
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS_PER_S) if self._is_timed else 1 / self.rate
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        self._stream = stream
        if self._sound is not None and self._is_timed:
            self._sound.start(self._container, self._start_s)

    def _to_frame(self, image: np.ndarray, pts: int) -> VideoFrame:
        if self.width % 2 or self.height % 2:
            image = np.pad(image, ((0, self.height % 2), (0, self.width % 2), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts = pts
        return frame

    def _problem(self, what: str, error: Exception, advice: str) -> InputError:
        number = getattr(error, "errno", None)
        if number in NO_SPACE:  # FFmpeg's errors carry the system's numbers
            return InputError(describe_failure(OSError(number, os.strerror(number), str(self.path))))
        return InputError(f"{self.path}: cannot be {what} ({reason_of(error)}); {advice}")

    def _encode(self, frame: VideoFrame | None) -> None:
        if self._container is None or self._stream is None:
            raise ValueError(f"{self.path}: is closed; open a new one")
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, ValueError, av.FFmpegError) as error:
            self.abort()
            raise self._problem("written on", error, "check the disk") from error
