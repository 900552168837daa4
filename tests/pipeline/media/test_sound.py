"""The sound of a clip beside its overlay: in step, whatever part is shown and whenever sound begins or ends."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from pipeline.media import probe
from pipeline.media.sound import Sound
from pipeline.media.writer import VideoWriter

SIZE, RATE, AUDIO_HZ = 32, 25, 44_100


def make_clip(
    path: Path, *, beep_s: float, codec: str = "aac", video_from_s: float = 0.0, length_s: float = 3.0
) -> Path:
    """Write a clip whose sound is silence, then a tone for 0.2 s; times are those of its picture."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=RATE)
        video.width = video.height = SIZE
        video.pix_fmt = "yuv420p"
        audio = output.add_stream(codec, rate=AUDIO_HZ, layout="mono")
        for number in range(round(length_s * RATE)):
            frame = VideoFrame.from_ndarray(np.full((SIZE, SIZE, 3), 128, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number + round(video_from_s * RATE), Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        count = round((length_s + video_from_s) * AUDIO_HZ)
        time_s = np.arange(count) / AUDIO_HZ - video_from_s
        wave = np.where((time_s >= beep_s) & (time_s < beep_s + 0.2), 0.5 * np.sin(time_s * 2 * np.pi * 880), 0.0)
        for start in range(0, count, 1024):
            part = (wave[None, start : start + 1024] * 32767).astype(np.int16)
            block = AudioFrame.from_ndarray(part, format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = AUDIO_HZ, start, Fraction(1, AUDIO_HZ)
            output.mux(audio.encode(block))
        output.mux(audio.encode(None))
    return path


def write_overlay_of(clip: Path, path: Path, *, start_s: float, end_s: float) -> Path:
    with Sound(probe(clip)) as sound, VideoWriter(path, SIZE, SIZE, Fraction(RATE), sound=sound) as video:
        for number in range(round(start_s * RATE), round(end_s * RATE)):
            video.write(np.zeros((SIZE, SIZE, 3), np.uint8), number / RATE)
    return path


def loud_span(path: Path) -> tuple[float, float]:
    """Return when the sound of a file is loud, in seconds from its first picture."""
    with av.open(str(path)) as container:
        samples, first_s = [], None
        for frame in container.decode(audio=0):
            first_s = frame.time if first_s is None else first_s
            samples.append(np.abs(frame.to_ndarray()).max(axis=0))
    loud = np.flatnonzero(np.concatenate(samples) > 0.1)
    assert first_s is not None
    return first_s + loud[0] / frame.sample_rate, first_s + loud[-1] / frame.sample_rate


@pytest.mark.parametrize(
    ("name", "codec", "video_from_s", "start_s"),
    [
        ("a.mp4", "aac", 0.0, 0.0),
        ("a.mp4", "aac", 0.0, 1.2),
        ("a.mkv", "pcm_s16le", 0.0, 0.6),
        ("a.mkv", "aac", 0.8, 0.0),
    ],
)
def test_a_tone_is_heard_at_its_frame(
    tmp_path: Path, name: str, codec: str, video_from_s: float, start_s: float
) -> None:
    clip = make_clip(tmp_path / name, beep_s=2.0, codec=codec, video_from_s=video_from_s)
    overlay = write_overlay_of(clip, tmp_path / "o.mp4", start_s=start_s, end_s=2.8)
    begin, end = loud_span(overlay)
    assert begin == pytest.approx(2.0 - start_s, abs=0.03)
    assert end == pytest.approx(2.2 - start_s, abs=0.03)
    with av.open(str(overlay)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert float(container.duration / av.time_base) == pytest.approx(2.8 - start_s, abs=0.1)


def test_sound_that_ends_early_leaves_the_pictures_whole(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv", beep_s=0.5, length_s=1.0)
    overlay = write_overlay_of(clip, tmp_path / "o.mp4", start_s=0.0, end_s=3.0)
    with av.open(str(overlay)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 75


def test_damaged_sound_is_told_and_the_pictures_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip(tmp_path / "a.mkv", beep_s=0.5, codec="flac")
    info = probe(clip)

    def broken() -> Iterator[tuple[float, np.ndarray]]:
        raise OSError(5, "Input/output error")
        yield

    with caplog.at_level(logging.WARNING), Sound(info) as sound:
        monkeypatch.setattr(sound, "_read", broken)
        with VideoWriter(tmp_path / "o.mp4", SIZE, SIZE, Fraction(RATE), sound=sound) as video:
            for number in range(10):
                video.write(np.zeros((SIZE, SIZE, 3), np.uint8), number / RATE)
    assert "the sound is left out (Input/output error)" in caplog.text
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10


def test_a_silent_clip_has_a_silent_overlay(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", SIZE, SIZE, Fraction(RATE)) as video:
        for number in range(5):
            video.write(np.zeros((SIZE, SIZE, 3), np.uint8), number / RATE)
    overlay = write_overlay_of(tmp_path / "a.mp4", tmp_path / "o.mp4", start_s=0.0, end_s=0.2)
    with av.open(str(overlay)) as container:
        assert not container.streams.audio
