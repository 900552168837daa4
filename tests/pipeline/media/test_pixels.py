"""Colours, alpha, grey and sizes of decoded pictures."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media import RandomFrames, probe, read_frames

COLOURS = ((255, 255, 255), (0, 0, 0), (200, 30, 40), (30, 180, 60), (20, 40, 210), (128, 128, 128), (220, 180, 150))
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593), 2: (0.299, 0.114)}  # red, blue: BT.709 ...


def coded(colour: tuple[int, int, int], matrix: int, *, is_full: bool, bits: int) -> tuple[int, int, int]:
    """Return Y, Cb, Cr of ITU-R BT.709, BT.601 or BT.2020 for an RGB colour."""
    red_weight, blue_weight = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in colour)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    chroma = [(blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))]
    step = 2 ** (bits - 8)
    if is_full:
        top = 256 * step - 1
        return round(luma * top), round(chroma[0] * top + 128 * step), round(chroma[1] * top + 128 * step)
    return tuple(round(v * step) for v in (219 * luma + 16, 224 * chroma[0] + 128, 224 * chroma[1] + 128))  # type: ignore[return-value]


def bars(matrix: int, *, is_full: bool, pixel_format: str) -> av.VideoFrame:
    """Return a frame of one bar per colour."""
    bits = 10 if "10" in pixel_format else 8
    kind = np.uint16 if bits > 8 else np.uint8
    frame = av.VideoFrame(16 * len(COLOURS), 16, pixel_format)
    for number, plane in enumerate(frame.planes):
        values = np.zeros((plane.height, plane.line_size // kind().itemsize), kind)
        width = plane.width // len(COLOURS)
        for place, colour in enumerate(COLOURS):
            values[:, place * width : (place + 1) * width] = coded(colour, matrix, is_full=is_full, bits=bits)[number]
        plane.update(values.tobytes())
    return frame


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_colours_of_every_matrix_and_range_come_back(
    tmp_path: Path, matrix: int, is_full: bool, pixel_format: str
) -> None:
    path = tmp_path / "bars.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16 * len(COLOURS), 16, pixel_format
        stream.options = {"qp": "0"}
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if is_full else 1
        for number in range(3):
            frame = bars(matrix, is_full=is_full, pixel_format=pixel_format)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    streamed = next(read_frames(path)).image
    with RandomFrames(path) as frames:
        for image in (streamed, frames[0].image):
            assert np.abs(image[8, 8::16].astype(int) - COLOURS).max() <= 3


def write_circle(container: av.container.OutputContainer, size: tuple[int, int], first: int, count: int = 12) -> None:
    """Encode frames with a disc of a quarter of the shorter side into an open transport stream."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = *size, "yuv420p"
    codec.time_base, codec.framerate, codec.options = Fraction(1, 25), Fraction(25), {"crf": "10", "bf": "0", "g": "4"}
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    disc = np.hypot(x - size[0] / 2, y - size[1] / 2) < min(size) / 4
    image = np.repeat(np.where(disc, 250, 60).astype(np.uint8)[..., None], 3, axis=2)
    for number in [*range(first, first + count), None]:
        frame = None
        if number is not None:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
        for packet in codec.encode(frame):
            packet.stream, packet.time_base = container.streams.video[0], Fraction(1, 25)
            container.mux(packet)


@pytest.fixture
def turning(tmp_path: Path) -> Path:
    """A stream of 160x96 that goes on as 96x160 after 12 frames."""
    path = tmp_path / "turning.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        write_circle(container, (160, 96), 0)
        write_circle(container, (96, 160), 12)
    return path


def extent(image: np.ndarray) -> tuple[int, int]:
    bright = image[..., 1] > 150
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


def test_a_circle_stays_a_circle_where_the_size_changes_and_one_line_tells(turning: Path) -> None:
    lines: list[str] = []
    frames = list(read_frames(turning, tell=lines.append))
    assert {frame.image.shape for frame in frames} == {(96, 160, 3)}
    for frame in (frames[3], frames[-1]):
        width, height = extent(frame.image)
        assert abs(width - height) <= 1
    assert frames[-1].image[:, :40].max() < 8  # bars at both sides
    assert len(lines) == 1
    assert "from 160x96 to 96x160 at frame 12" in lines[0]
    assert frames[0].focal_scale == 1.0
    inner = np.hypot(58, 96)  # a turned camera keeps its angle over the diagonal
    assert frames[-1].focal_scale == pytest.approx(inner / np.hypot(160, 96), rel=0.01)


def test_resuming_and_reading_at_random_fit_into_the_first_size(turning: Path) -> None:
    frames = list(read_frames(turning, tell=lambda line: None))
    again = list(read_frames(turning, from_index=20, tell=lambda line: None))
    assert [frame.index for frame in again] == [20, 21, 22, 23]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, frames[20:], strict=True))
    with RandomFrames(turning) as random:
        for index in (22, 3, 13):
            assert np.array_equal(random[index].image, frames[index].image)


def write_bgrx_avi(path: Path, image: np.ndarray, padding: int) -> None:
    """Write an uncompressed 32-bit AVI of two frames by hand (BI_RGB: bottom row first, fourth byte unused)."""
    height, width = image.shape[:2]
    rows = np.full((height, width, 4), padding, np.uint8)
    rows[..., :3] = image[::-1, :, ::-1]
    rows[0, 0, 3] = 7  # not even all the same
    data = rows.tobytes()

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body

    main = struct.pack("<10I", 40_000, 0, 0, 0x10, 2, 0, 1, len(data), width, height) + bytes(16)
    head = (
        b"vidsDIB "
        + struct.pack("<10I", 0, 0, 0, 1, 25, 0, 2, len(data), 0, 0)
        + struct.pack("<4H", 0, 0, width, height)
    )
    layout = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(data), 0, 0, 0, 0)
    streams = b"strl" + chunk(b"strh", head) + chunk(b"strf", layout)
    header = b"hdrl" + chunk(b"avih", main) + chunk(b"LIST", streams)
    movie = b"movi" + chunk(b"00db", data) * 2
    index = b"".join(b"00db" + struct.pack("<3I", 0x10, 4 + k * (len(data) + 8), len(data)) for k in range(2))
    body = b"AVI " + chunk(b"LIST", header) + chunk(b"LIST", movie) + chunk(b"idx1", index)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("padding", [0, 255, 90])
def test_padding_of_an_uncompressed_avi_is_no_alpha(tmp_path: Path, padding: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    write_bgrx_avi(tmp_path / "raw.avi", image, padding)
    frames = list(read_frames(tmp_path / "raw.avi"))
    assert len(frames) == 2
    assert np.array_equal(frames[1].image, image)


def test_grey_of_12_bits_inside_16_is_as_bright_as_its_content(tmp_path: Path) -> None:
    path = tmp_path / "grey.mkv"
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(ramp if number else ramp // 8, format="gray16le")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = list(read_frames(path))
    assert probe(path).grey_max == 4095
    assert np.abs(frames[2].image[0, :, 0] - np.linspace(0, 255, 64)).max() <= 1
    assert frames[0].image.max() < 40


def test_a_pipe_or_device_is_refused_at_once(tmp_path: Path) -> None:
    from configs.errors import InputError

    for name in ("clip.mp4", "clip.png", "clip.h264"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="not a regular file but a pipe"):
            probe(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file but a device"):
        probe("/dev/zero")
