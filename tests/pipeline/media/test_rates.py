"""Whose frame rate is believed."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media import probe, read_frames

OWN = "the compressed stream itself"


def write_raw(path: Path, codec: str, format_name: str, rate: int, pixel_format: str = "yuv420p") -> Path:
    with av.open(str(path), "w", format=format_name) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "format_name", "rate"),
    [
        ("a.h264", "libx264", "h264", 60),
        ("a.hevc", "libx265", "hevc", 50),
        ("a.m4v", "mpeg4", "m4v", 15),
        ("a.m1v", "mpeg1video", "mpeg1video", 24),
        ("a.m2v", "mpeg2video", "mpeg2video", 30),
    ],
)
def test_a_raw_stream_keeps_its_own_rate(tmp_path: Path, name: str, codec: str, format_name: str, rate: int) -> None:
    path = write_raw(tmp_path / name, codec, format_name, rate)
    info = probe(path)
    assert (info.rate, info.notes) == (rate, ())
    assert info.rate_source.startswith(OWN)
    times = [frame.time_s for frame in read_frames(info)]
    assert times == pytest.approx([k / rate for k in range(12)])


def test_a_stream_that_tells_no_rate_is_a_guess_that_is_told(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.mjpeg", "mjpeg", "mjpeg", 10, "yuvj420p")
    info = probe(path)
    assert (info.rate, info.rate_source) == (25, "a guess")
    assert "decode.rate_hz" in info.notes[0]
    given = probe(path, rate=Fraction(10))
    assert (given.rate, given.notes) == (10, ())
    frames = list(read_frames(given, start_s=0.5))
    assert [frame.index for frame in frames] == [5, 6, 7, 8, 9, 10, 11]
    assert frames[0].time_s == 0.5


def test_an_avi_with_an_impossible_rate_is_counted(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.avi", "mjpeg", "avi", 25, "yuvj420p")
    data = bytearray(path.read_bytes())
    place = data.index(b"strh") + 8 + 20  # dwScale and dwRate of the stream header
    data[place : place + 8] = (1).to_bytes(4, "little") + (1_000_000).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    info = probe(path)
    assert info.rate_source == "a guess"
    assert [frame.time_s for frame in read_frames(info)][:3] == pytest.approx([0, 0.04, 0.08])


def test_the_setting_replaces_timestamps_that_jump(tmp_path: Path) -> None:
    path = tmp_path / "jump.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
            frame.pts = number * 40 + (72_000_000 if number >= 4 else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    lines: list[str] = []
    assert list(read_frames(path, tell=lines.append))[-1].time_s > 72_000
    assert len(lines) == 1
    assert "jump ahead by 20.0 h at frame 4" in lines[0]
    lines.clear()
    assert list(read_frames(path, rate=Fraction(25), tell=lines.append))[-1].time_s == pytest.approx(7 / 25)
    assert not lines
