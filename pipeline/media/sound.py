"""The sound of a clip, encoded anew as AAC beside the overlay, in step with its frames."""

import logging
from collections.abc import Iterator
from typing import Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from configs.errors import InputError
from pipeline.media.container import open_container, reason_of
from pipeline.media.info import VideoInfo

log = logging.getLogger(__name__)

RATE_HZ = 48_000
FRAME_SAMPLES = 1024  # what an AAC frame holds
DRIFT_SAMPLES = RATE_HZ // 20  # below it stamps jitter; beyond it there is a hole, or sound comes twice
SILENCE_MAX_S = 60.0  # a longer one is a jump of the clock; sound ends there
SEEK_SLACK_S = 1.0


class Sound:
    """The sound of a video from a chosen time on. Use as a context manager; damage ends it with a line in the log.

    Times are seconds from the first frame of the video, as in `Frame.time_s`.
    """

    def __init__(self, info: VideoInfo) -> None:
        """Open the first audio stream; if it cannot be opened, warn and write nothing."""
        self._path = info.path
        self._video_start_s = float((info.start_pts or 0) * info.time_base)
        self._container: InputContainer | None = None
        self._stream: AudioStream | None = None
        self._target: tuple[OutputContainer, AudioStream] | None = None
        self._pending = np.zeros((2, 0), np.float32)
        self._taken = self._sent = 0  # samples, since the start
        if info.kind != "video" or not info.has_audio:
            return
        try:
            self._container = open_container(info.path)
            stream = next(stream for stream in self._container.streams.audio)
            if stream.codec_context is None:
                raise InputError("no decoder for its codec")
            self._stream = stream
        except Exception as error:
            self._end(error)

    def start(self, output: OutputContainer, start_s: float) -> None:
        """Add a stream to a file that is written, before its first packet; sound begins at `start_s`."""
        if self._container is None or self._stream is None:
            return
        self._start_s = start_s
        if start_s > SEEK_SLACK_S:
            try:
                self._container.seek(int((start_s - SEEK_SLACK_S + self._video_start_s) * av.time_base))
            except Exception as error:
                self._end(error)
                return
        self._target = (output, output.add_stream("aac", rate=RATE_HZ, layout="stereo"))
        self._blocks = self._read()

    def write_until(self, time_s: float) -> None:
        """Write the sound up to a time that was reached."""
        if self._target is None:
            return
        wanted = round((time_s - self._start_s) * RATE_HZ)
        while self._stream is not None and self._taken < wanted:
            try:
                block = next(self._blocks, None)
            except Exception as error:
                self._end(error)
                break
            if block is None:
                self._end(None)
                break
            self._take(*block)
        self._send(min(wanted, self._taken))

    def finish(self, end_s: float) -> None:
        """Write what is left before the end of the video."""
        if self._target is None:
            return
        self.write_until(end_s)
        output, stream = self._target
        if self._pending.shape[1] and (left := round((end_s - self._start_s) * RATE_HZ) - self._sent) > 0:
            self._encode(self._pending[:, : min(left, FRAME_SAMPLES)])
        for packet in stream.encode(None):
            output.mux(packet)
        self._target = None

    def close(self) -> None:
        """Close the clip."""
        container, self._container, self._stream, self._target = self._container, None, None, None
        if container is not None:
            container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield blocks of samples (2, N) float32, each with the time it starts at."""
        if self._container is None:
            return
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE_HZ)
        next_s = self._start_s
        for frame in self._container.decode(self._stream):
            if not isinstance(frame, AudioFrame):
                continue
            if frame.pts is not None and frame.time_base is not None:
                next_s = float(frame.pts * frame.time_base) - self._video_start_s
            frame.pts = None  # the place is kept here; the resampler would fill holes on its own
            for block in resampler.resample(frame):
                samples = block.to_ndarray()
                yield next_s, samples
                next_s += samples.shape[1] / RATE_HZ

    def _take(self, time_s: float, samples: np.ndarray) -> None:
        """Keep a block at its place: a hole before it is silence, what was there already is left out."""
        drift = round((time_s - self._start_s) * RATE_HZ) - self._taken
        if drift > SILENCE_MAX_S * RATE_HZ:
            self._end(InputError(f"its clock jumps by {drift / RATE_HZ:.0f} s"))
            return
        if drift > DRIFT_SAMPLES or (not self._taken and drift > 0):
            samples = np.concatenate([np.zeros((2, drift), np.float32), samples], axis=1)
        elif drift < -DRIFT_SAMPLES or (not self._taken and drift < 0):
            samples = samples[:, -drift:]
        self._pending = np.concatenate([self._pending, samples], axis=1)
        self._taken += samples.shape[1]

    def _send(self, wanted: int) -> None:
        while self._sent + FRAME_SAMPLES <= wanted:
            self._encode(self._pending[:, :FRAME_SAMPLES])

    def _encode(self, samples: np.ndarray) -> None:
        if self._target is None:
            return
        output, stream = self._target
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE_HZ, self._sent
        for packet in stream.encode(frame):
            output.mux(packet)
        self._pending = self._pending[:, samples.shape[1] :]
        self._sent += samples.shape[1]

    def _end(self, error: Exception | None) -> None:
        if error is not None:
            at = f"ends at {self._taken / RATE_HZ:.1f} s" if self._taken else "is left out"
            log.warning("%s: the sound %s (%s); the overlay goes on", self._path.name, at, reason_of(error))
        self._stream = None
