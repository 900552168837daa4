"""Image files that hold several pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from configs.errors import InputError, TruncatedError
from pipeline.media import RandomFrames, probe, read_frames


def pictures(count: int = 6, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    return [Image.new("RGB", size, (30 * k + 20, 10, 200)) for k in range(count)]


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif"])
def test_an_animation_is_read_with_its_delays(tmp_path: Path, name: str) -> None:
    first, *rest = pictures()
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=[100, 200, 100, 100, 100, 100], loop=0)
    info = probe(tmp_path / name)
    assert (info.kind, info.frame_count, info.rate_source) == ("pages", 6, "the file's delays")
    frames = list(read_frames(info))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.4, 0.5, 0.6])
    assert [abs(int(frame.image[0, 0, 0]) - 30 * k - 20) <= 8 for k, frame in enumerate(frames)] == [True] * 6
    assert np.array_equal(next(read_frames(info, from_index=4)).image, frames[4].image)
    assert [frame.index for frame in read_frames(info, start_s=0.3, end_s=0.5)] == [2, 3]
    with RandomFrames(info) as random:
        assert len(random) == 6
        assert np.array_equal(random[3].image, frames[3].image)


def test_pages_of_a_tiff_keep_their_proportions_and_come_at_the_rate_of_folders(tmp_path: Path) -> None:
    first, *rest = pictures(5)
    rest[2] = Image.new("RGB", (24, 48), (255, 255, 255))
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)
    lines: list[str] = []
    frames = list(read_frames(tmp_path / "a.tif", tell=lines.append))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 30 for k in range(5)])
    assert frames[3].image[:, :19].max() == 0
    assert frames[3].image[:, 22:42].min() == 255
    assert "from 64x48 to 24x48 at frame 3" in lines[0]


def test_an_animation_cut_off_gives_the_pictures_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(5)]
    noise[0].save(tmp_path / "a.tif", save_all=True, append_images=noise[1:])
    data = bytearray((tmp_path / "a.tif").read_bytes())
    place = data.index(noise[3].tobytes()[:64])
    info = probe(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(data[: place + 64])
    with pytest.raises((TruncatedError, InputError)):
        list(read_frames(info))


def test_a_folder_tells_that_only_first_pictures_are_read(tmp_path: Path) -> None:
    first, *rest = pictures(3)
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, duration=100)
    first.save(tmp_path / "b.webp")
    info = probe(tmp_path)
    assert info.frame_count == 2
    assert "1 of 2 images hold several pictures" in info.notes[0]


def test_a_preview_page_of_a_tiff_is_no_frame(tmp_path: Path) -> None:
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif"), True) as target:
        pictures()[0].save(target, format="TIFF")
        target.newFrame()
        pictures()[1].save(target, format="TIFF", tiffinfo={254: 1})
    assert probe(tmp_path / "a.tif").kind == "images"
