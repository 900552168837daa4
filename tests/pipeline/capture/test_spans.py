"""Parts of captures, counted in frames."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configs.errors import InputError, SettingsError
from configs.schema import DecodeSettings
from pipeline.capture.spans import FrameSpan, decode_span, image_numbers, parse_span
from pipeline.media import VideoWriter, probe, read_frames

RATE = Fraction(30000, 1001)


def test_spans_are_read_and_nonsense_refused() -> None:
    assert parse_span("1000:2000") == FrameSpan(1000, 2000)
    assert parse_span("168:") == FrameSpan(168) and parse_span(":9") == FrameSpan(0, 9)
    assert FrameSpan(2, 4).holds(np.arange(6)).tolist() == [False, False, True, True, False, False]
    for text in ("1000", "a:b", "1:2:3", "-4:5"):
        with pytest.raises(SettingsError, match="give first frame and the one to stop before"):
            parse_span(text)
    with pytest.raises(SettingsError, match="ends before it starts"):
        parse_span("5:5")


def test_exactly_the_frames_of_a_span_are_read_from_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 48, RATE) as video:
        for index in range(90):
            video.write(np.full((48, 64, 3), index, np.uint8), index / float(RATE))
    chosen = decode_span(DecodeSettings(), FrameSpan(70, 73), probe(path), None)
    frames = list(read_frames(path, start_s=chosen.start_s, end_s=chosen.end_s))
    assert [frame.index for frame in frames] == [70, 71, 72]


def test_images_of_a_part_keep_their_numbers(tmp_path: Path) -> None:
    for number in (168, 169, 171, 172):
        Image.new("RGB", (8, 8)).save(tmp_path / f"00_16_{number:08d}.jpg")
    numbers = image_numbers(tmp_path)
    assert numbers.tolist() == [168, 169, 171, 172]
    info = probe(tmp_path)
    chosen = decode_span(DecodeSettings(), FrameSpan(169, 172), info, numbers)
    read = [frame.index for frame in read_frames(tmp_path, start_s=chosen.start_s, end_s=chosen.end_s)]
    assert numbers[read].tolist() == [169, 171]
    assert decode_span(DecodeSettings(), FrameSpan(), info, numbers) == DecodeSettings()
    with pytest.raises(InputError, match=r"has no frame in --frames 200:"):
        decode_span(DecodeSettings(), FrameSpan(200), info, numbers)
    Image.new("RGB", (8, 8)).save(tmp_path / "00_16_00000172.png")
    with pytest.raises(InputError, match="has the number of another image"):
        image_numbers(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "thumb.png")
    with pytest.raises(InputError, match=r"thumb.png has no frame number"):
        image_numbers(tmp_path)
