"""Files that are written are read again and looked into."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from configs.errors import InputError
from pipeline.media import VideoWriter, probe, read_frames
from pipeline.media.extent import iterate_boxes


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Return a smooth picture, which 4:2:0 keeps well; its red tells the number."""
    y, x = np.mgrid[0:height, 0:width]
    red = np.full((height, width), 10 * number % 250)
    return np.stack([red, x * 200 // width, y * 200 // height], axis=2).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 48), (64, 47), (33, 31), (1, 1)])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_frames_return_with_size_rate_and_colour(tmp_path: Path, width: int, height: int, rate: Fraction) -> None:
    path = tmp_path / "new" / "out.mp4"
    pictures = [picture(number, width, height) for number in range(12)]
    with VideoWriter(path, width, height, rate) as writer:
        for image in pictures:
            writer.write(image)
    info = probe(path)
    assert (info.width, info.height) == (width + width % 2, height + height % 2)
    assert (info.rate, info.nominal_rate, info.frame_count) == (rate, rate, 12)
    frames = list(read_frames(info))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(12) / float(rate), atol=1e-6)
    for frame, image in zip(frames, pictures, strict=True):
        assert np.abs(frame.image[:height, :width].astype(int) - image).mean() < 6
        if width % 2:
            assert np.abs(frame.image[:, -1].astype(int) - frame.image[:, -2]).mean() < 6


def test_a_browser_can_play_it(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 64, 48, Fraction(25)) as writer:
        for number in range(30):
            writer.write(picture(number, 64, 48))
    kinds = [box.kind for box in iterate_boxes(path)]
    assert kinds[0] == "ftyp" and kinds.index("moov") < kinds.index("mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.codec.name, stream.codec_tag, context.pix_fmt) == ("h264", "avc1", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [2.0, 2.04, 2.12, 2.5, 2.533333, 4.0]
    with VideoWriter(tmp_path / "out.mp4", 64, 48, Fraction(25)) as writer:
        for number, time_s in enumerate(times):
            writer.write(picture(number, 64, 48), time_s)
    frames = list(read_frames(tmp_path / "out.mp4"))
    np.testing.assert_allclose([f.time_s for f in frames], np.array(times) - 2.0, atol=1 / 90_000)


def test_nothing_carries_the_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    writer = VideoWriter(path, 64, 48, Fraction(25))
    writer.write(picture(0, 64, 48))
    assert path.read_bytes() == b"old"
    writer.close()
    writer.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4"]
    assert probe(path).frame_count == 1


def test_error_in_the_block_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), VideoWriter(path, 64, 48, Fraction(25)) as writer:
        writer.write(picture(0, 64, 48))
        raise KeyError("stage")
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"old"


def test_no_frame_makes_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 64, 48, Fraction(25)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 64, 48, Fraction(25)) as writer:
        with pytest.raises(ValueError, match=r"got shape \(40, 64, 3\)"):
            writer.write(np.zeros((40, 64, 3), np.uint8))
        with pytest.raises(ValueError, match="float32"):
            writer.write(np.zeros((48, 64, 3), np.float32))
        writer.write(picture(0, 64, 48), 1.0)
        with pytest.raises(ValueError, match=r"time 1\.0 s is not after"):
            writer.write(picture(1, 64, 48), 1.0)
        with pytest.raises(ValueError, match="either every frame carries a time or none"):
            writer.write(picture(1, 64, 48))
        writer.write(picture(1, 64, 48), 1.5)
    assert probe(tmp_path / "out.mp4").frame_count == 2


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match=r"file/out\.mp4: cannot be written"),
        VideoWriter(tmp_path / "file" / "out.mp4", 64, 48, Fraction(25)) as writer,
    ):
        writer.write(picture(0, 64, 48))


def test_frame_buffers_do_not_pile_up(tmp_path: Path) -> None:
    """NumPy reports its buffers to tracemalloc; 300 kept frames would be 17 MB."""
    image = picture(3, 160, 120)
    with VideoWriter(tmp_path / "out.mp4", 160, 120, Fraction(25)) as writer:
        writer.write(image)
        tracemalloc.start()
        for _ in range(300):
            writer.write(image)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 2e6
    tracemalloc.start()
    for _ in read_frames(tmp_path / "out.mp4"):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6


def test_frames_nearer_than_a_tick_come_one_tick_apart(tmp_path: Path) -> None:
    times = [0.0, 0.033333, 0.033338, 0.033339, 0.1]
    with VideoWriter(tmp_path / "a.mp4", 32, 32, Fraction(30)) as video:
        for time in times:
            video.write(picture(0, 32, 32), time)
    found = [frame.time_s for frame in read_frames(tmp_path / "a.mp4")]
    assert len(found) == 5 and np.allclose(found, times, atol=1e-4) and (np.diff(found) > 0).all()


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(12288, 973209641)])
def test_holes_of_hours_are_shortened_and_told(
    tmp_path: Path, rate: Fraction, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((32, 48, 3), 90, np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 48, 32, rate) as video:
        for time_s in (0.0, 0.04, 72_000.0, 72_000.04, 158_400.0):
            video.write(image, time_s)
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([0, 0.04, 1.04, 1.08, 2.08], abs=0.001)
    assert "2 holes of more than 10 s between frames, 44.0 h in all" in caplog.text


def test_what_the_encoder_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise av.error.PatchWelcomeError(1, "not yet implemented")

    video = VideoWriter(tmp_path / "a.mp4", 48, 32, Fraction(25))
    video.write(np.zeros((32, 48, 3), np.uint8), 0.0)
    monkeypatch.setattr(video, "_stream", type("Stream", (), {"encode": refuse})())
    with pytest.raises(InputError, match="cannot be written on"):
        video.write(np.zeros((32, 48, 3), np.uint8), 0.04)
    assert not list(tmp_path.iterdir())


def test_a_signal_at_the_end_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", 32, 32, Fraction(10)) as video:
        video.write(np.zeros((32, 32, 3), np.uint8))
        monkeypatch.setattr("pipeline.media.writer.os.fsync", stopped)
    assert not list(tmp_path.iterdir())


def test_the_bytes_do_not_depend_on_what_memory_held_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(60, 200, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    found, held = set(), []
    for _ in range(12):
        held.append(rng.integers(0, 255, rng.integers(1_000, 2_000_000), dtype=np.uint8))
        del held[: len(held) - 5 : 2]
        with VideoWriter(tmp_path / "clip.mp4", 96, 96, Fraction(12)) as video:
            for number in range(9):
                frame = picture.copy()
                frame[20:60, 4 * number : 4 * number + 20] = 230
                video.write(frame)
        found.add((tmp_path / "clip.mp4").read_bytes())
    assert len(found) == 1
