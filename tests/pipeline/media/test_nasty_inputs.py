"""Every file of the collection of nasty inputs, against the facts written beside it."""

import csv
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from configs.errors import InputError, TruncatedError
from pipeline.media import RandomFrames, probe, read_frames

NAMES = [
    "animation.gif",
    "audio_only.mp4",
    "audio_with_cover_art.mp4",
    "bit_errors.mp4",
    "fps_1.mp4",
    "fps_1000.mp4",
    "fps_240.mp4",
    "grayscale.mp4",
    "hevc_10bit.mp4",
    "image_folder/",
    "image_folder_tricky/",
    "interlaced.avi",
    "large_4096.mp4",
    "late_video_start_with_audio.mp4",
    "natural_corruption_mid_clip.mp4",
    "non_square_pixels.mp4",
    "odd_641x359.mp4",
    "odd_641x359_vp9.webm",
    "one_frame.mp4",
    "rotated_90.mp4",
    "shot_cuts_20_45_60.mp4",
    "starts_mid_gop.ts",
    "text_renamed.mp4",
    "tiny_32x32.mp4",
    "truncated_faststart.mp4",
    "truncated_no_moov.mp4",
    "vfr.mp4",
    "zero_bytes.mp4",
    "zero_people.mp4",
]
UNREADABLE = {
    "audio_only.mp4": "has no video stream (only audio)",
    "audio_with_cover_art.mp4": "only a cover picture and audio",
    "text_renamed.mp4": "is text, not a video",
    "truncated_no_moov.mp4": "the index (moov box) is missing",
    "zero_bytes.mp4": "the file is empty (0 bytes)",
}
COMPARED = [name for name in NAMES if name not in UNREADABLE and "truncated" not in name and "large" not in name]


def facts(test_data: Path) -> dict[str, dict[str, str]]:
    with (test_data / "data/nasty_inputs/FACTS.csv").open() as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def display_size(row: dict[str, str]) -> tuple[int, int]:
    """Return width and height as a viewer shows them, from the coded size, pixel aspect and turn of a facts row."""
    match = re.match(r"(\d+)x(\d+) SAR (?:(\d+):(\d+)|-)", row["size"])
    assert match is not None
    width, height = int(match[1]), int(match[2])
    if match[3]:
        width = round(width * Fraction(int(match[3]), int(match[4])))
    return (height, width) if row["rotation"] == "90" else (width, height)


def test_the_list_of_files_is_complete(test_data: Path) -> None:
    assert set(NAMES) == set(facts(test_data))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNREADABLE and not name.endswith("/")])
def test_count_size_and_rate_are_as_measured(test_data: Path, name: str) -> None:
    row = facts(test_data)[name]
    info = probe(test_data / "data/nasty_inputs" / name)
    times: list[float] = []
    try:
        for frame in read_frames(info):
            assert frame.index == len(times)
            assert frame.image.shape == (info.height, info.width, 3)
            times.append(frame.time_s)
        assert not row["pyav_error"]
    except TruncatedError as error:
        assert row["pyav_error"]
        assert f"after {len(times)} frames, at {times[-1]:.2f} s of 3.00 s" in str(error)
    assert len(times) == int(row["pyav_frames"])
    assert (info.width, info.height) == display_size(row)
    assert (info.codec, info.pixel_format) == (row["codec"], row["pix_fmt"])
    assert (info.rate, info.nominal_rate) == (Fraction(row["avg_fps"]), Fraction(row["r_fps"]))
    assert times[0] == 0.0
    assert (np.diff(times) > 0).all()
    if name != "vfr.mp4":
        np.testing.assert_allclose(times, np.arange(len(times)) / float(info.rate), atol=1e-6)


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_gives_one_line_that_names_it(test_data: Path, name: str) -> None:
    path = test_data / "data/nasty_inputs" / name
    for use in (probe, read_frames, RandomFrames):
        with pytest.raises(InputError) as caught:
            use(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and UNREADABLE[name] in message
        assert "\n" not in message


def test_images_keep_numeric_order_and_bad_ones_are_named(test_data: Path) -> None:
    folder = test_data / "data/nasty_inputs/image_folder_tricky"
    info = probe(folder, image_rate=Fraction(25))
    frames = list(read_frames(info))
    assert len(frames) == info.frame_count == 10  # 1 2 3 4 6 7 9 10 11 12
    assert [f.time_s for f in frames] == [k / 25 for k in range(10)]
    left_out, gaps = info.notes
    assert "left out 2 of 12" in left_out and "7b.png (200x112)" in left_out and "8.jpg (empty)" in left_out
    assert "after 4.jpg, after 7.jpg" in gaps
    from PIL import Image

    for place, number in enumerate([1, 2, 3, 4, 6, 7, 9, 10, 11, 12]):
        assert np.array_equal(frames[place].image, np.array(Image.open(folder / f"{number}.jpg").convert("RGB")))


def test_plain_folder_and_glob_of_it_agree(test_data: Path) -> None:
    folder = test_data / "data/nasty_inputs/image_folder"
    whole, matched = list(read_frames(folder)), list(read_frames(folder / "*.jpg"))
    assert len(whole) == 8 and probe(folder).notes == ()
    assert all(np.array_equal(a.image, b.image) for a, b in zip(whole, matched, strict=True))


def test_variable_rate_keeps_the_times_of_the_source(test_data: Path) -> None:
    kept = [n for n in range(75) if n % 7 != 3 and not 20 <= n <= 29]
    times = [frame.time_s for frame in read_frames(test_data / "data/nasty_inputs/vfr.mp4")]
    np.testing.assert_allclose(times, np.array(kept) / 25, atol=1e-9)


def test_rotation_agrees_with_opencv(test_data: Path) -> None:
    import cv2

    path = test_data / "data/nasty_inputs/rotated_90.mp4"
    found, expected = cv2.VideoCapture(str(path)).read()
    assert found
    first = next(iter(read_frames(path)))
    assert np.array_equal(first.image, expected[..., ::-1])


def test_late_video_start_is_told_and_times_begin_at_zero(test_data: Path) -> None:
    info = probe(test_data / "data/nasty_inputs/late_video_start_with_audio.mp4")
    assert info.start_offset_s == pytest.approx(0.8)
    assert info.has_audio


def test_full_range_grey_uses_the_whole_range(test_data: Path) -> None:
    import av

    path = test_data / "data/nasty_inputs/grayscale.mp4"
    with av.open(str(path)) as container:
        luma = next(container.decode(video=0)).to_ndarray()[:270]
    image = next(iter(read_frames(path))).image
    assert np.abs(image.astype(int) - luma[..., None]).max() <= 1


def comb(image: np.ndarray) -> float:
    """Return how much neighbouring rows differ beyond rows two apart: large where two fields are woven."""
    grey = image.astype(float).mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() / np.abs(grey[2:] - grey[:-2]).mean())


def test_deinterlacing_removes_the_comb(test_data: Path) -> None:
    import av

    path = test_data / "data/nasty_inputs/interlaced.avi"
    with av.open(str(path)) as container:
        woven = [comb(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    smooth = [comb(frame.image) for frame in read_frames(path)]
    assert np.mean(smooth) < 0.9 * np.mean(woven)


@pytest.mark.parametrize("name", COMPARED)
def test_reading_on_from_an_index_gives_the_same_bytes(
    test_data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.media.read.SEEK_WORTH_FRAMES", 0)
    info = probe(test_data / "data/nasty_inputs" / name)
    whole = list(read_frames(info))
    for first in {1, len(whole) * 3 // 4}:
        rest = list(read_frames(info, from_index=first, after_time_s=whole[first - 1].time_s if whole[1:] else None))
        assert [(f.index, f.time_s) for f in rest] == [(f.index, f.time_s) for f in whole[first:]]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(rest, whole[first:], strict=True))


@pytest.mark.parametrize("name", COMPARED)
def test_random_access_gives_the_frames_of_the_stream(test_data: Path, name: str) -> None:
    info = probe(test_data / "data/nasty_inputs" / name)
    whole = list(read_frames(info))
    with RandomFrames(info) as frames:
        assert len(frames) == len(whole)
        places = [len(whole) - 1, 0, len(whole) // 2]
        for place, frame in zip(places, frames.many(places), strict=True):
            assert (frame.index, frame.time_s) == (place, whole[place].time_s)
            assert np.abs(frame.image.astype(int) - whole[place].image).mean() < 2.0
        with pytest.raises(IndexError, match=f"frame {len(whole)} does not exist"):
            frames[len(whole)]


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("shot_cuts_20_45_60.mp4", "decord"),
        ("vfr.mp4", "decord"),
        ("rotated_90.mp4", "av"),
        ("non_square_pixels.mp4", "av"),
        ("interlaced.avi", "av"),
        ("hevc_10bit.mp4", "av"),
        ("starts_mid_gop.ts", "av"),
        ("image_folder/", "images"),
    ],
)
def test_decord_serves_what_it_gets_right(test_data: Path, name: str, backend: str) -> None:
    pytest.importorskip("decord")
    with RandomFrames(test_data / "data/nasty_inputs" / name) as frames:
        assert frames.backend == backend


def test_cut_file_read_in_skip_mode_ends_without_error(test_data: Path) -> None:
    path = test_data / "data/nasty_inputs/truncated_faststart.mp4"
    assert len(list(read_frames(path, on_corrupt="skip"))) >= 38
