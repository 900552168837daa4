"""Images of unusual depth, size and name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configs.errors import InputError
from pipeline.media import probe, read_frames
from pipeline.media.container import FRAME_PIXELS_MAX, check_pixels


def test_grey_images_of_12_bits_share_one_scale(tmp_path: Path) -> None:
    for number, top in enumerate((1000, 4095, 2000)):
        Image.fromarray(np.full((48, 64), top, np.uint16)).save(tmp_path / f"{number}.png")
    frames = list(read_frames(tmp_path))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [62, 255, 125]


def test_grey_images_of_16_bits_are_read_as_before(tmp_path: Path) -> None:
    Image.fromarray(np.full((48, 64), 40_000, np.uint16)).save(tmp_path / "0.png")
    assert int(next(read_frames(tmp_path)).image[0, 0, 0]) == 156


def bomb(path: Path, side: int) -> Path:
    """Write a PNG of a few bytes that declares `side` x `side` pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("side", [13_000, 100_000])
def test_images_too_large_are_refused_by_their_header(tmp_path: Path, side: int) -> None:
    with pytest.raises(InputError, match="million"):
        probe(bomb(tmp_path / "a.png", side))


def test_a_large_image_may_be_read_smaller(tmp_path: Path) -> None:
    assert probe(bomb(tmp_path / "a.png", 13_000), max_side_px=2048).width == 13_000
    Image.new("RGB", (3001, 2001), (50, 60, 70)).save(tmp_path / "b.jpg")
    assert next(read_frames(tmp_path / "b.jpg", max_side_px=640)).image.shape == (427, 640, 3)


def test_the_limit_says_what_to_do() -> None:
    side = int(FRAME_PIXELS_MAX**0.5)
    check_pixels(Path("a.mp4"), side, side)
    with pytest.raises(InputError, match=r"16384x16384 are 268 million pixels.*scale=3840"):
        check_pixels(Path("a.mp4"), 16384, 16384)


@pytest.mark.parametrize("suffix", ["ppm", "pgm", "jfif", "avif", "pnm", "tga"])
def test_a_folder_of_any_image_format_is_one_clip(tmp_path: Path, suffix: str) -> None:
    from pipeline.flow.inputs import find_clips

    kind = {"jfif": "JPEG", "pgm": "PPM", "pnm": "PPM"}.get(suffix, suffix.upper())
    for number in range(3):
        grey = Image.new("L" if suffix == "pgm" else "RGB", (64, 48), 90)
        grey.save(tmp_path / f"{number}.{suffix}", format=kind)
    assert [clip.path for clip in find_clips([str(tmp_path)])] == [tmp_path]
    assert len(list(read_frames(tmp_path))) == 3
    with pytest.raises(InputError, match="give their folder as one clip"):
        find_clips([str(tmp_path / f"*.{suffix}")])


def test_formats_that_nobody_here_reads_are_named_with_what_to_do(tmp_path: Path) -> None:
    from pipeline.flow.inputs import find_clips

    (tmp_path / "IMG_1.HEIC").write_bytes(b"x")
    with pytest.raises(InputError, match=r"IMG_1.HEIC; convert to JPEG"):
        find_clips([str(tmp_path)])
    with pytest.raises(InputError, match=r".heic cannot be read here; convert to JPEG"):
        probe(tmp_path / "IMG_1.HEIC")
