"""Reading parts, resuming, damage: on clips made for the purpose."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from configs.errors import InputError, SettingsError, TruncatedError
from pipeline.media import RandomFrames, probe, read_frames
from pipeline.media import read as read_module
from pipeline.media.decode import Damage
from pipeline.media.images import plan_images
from pipeline.media.packet_index import index_packets
from pipeline.types import Frame

ClipMaker = Callable[..., Path]
INTERLACED_FLAGS = 0x40000 | 0x20000000  # AV_CODEC_FLAG_INTERLACED_DCT and _ME
X265 = "log-level=none:keyint=10:min-keyint=10:bframes=3:scenecut=0:open-gop=1"


def interlace(stream: av.VideoStream) -> None:
    stream.codec_context.flags |= INTERLACED_FLAGS


KINDS: dict[str, dict] = {
    "b_frames.mp4": {"options": {"x264-params": "b-pyramid=normal:bframes=3:scenecut=0"}},
    "open_group.mp4": {"options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}},
    "open_group.ts": {"options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}},
    "hevc_open_group.mp4": {"codec": "libx265", "options": {"x265-params": X265}},
    "hidden_frames.webm": {"codec": "libvpx-vp9", "options": {"auto-alt-ref": "1", "lag-in-frames": "10"}},
    "variable.mp4": {"ticks": [40 * i + (13 if i % 3 else 0) + (500 if i > 30 else 0) for i in range(60)]},
    "interlaced.mp4": {"options": {"x264-params": "tff=1:bframes=2"}, "prepare": interlace},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "no_stamps.h264": {},
    "motion.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
}
SOUGHT = {"b_frames.mp4", "open_group.mp4", "open_group.ts", "hevc_open_group.mp4", "variable.mp4", "interlaced.mp4"}


def same(found: list[Frame], expected: list[Frame]) -> bool:
    return [(f.index, f.time_s, f.image.tobytes()) for f in found] == [
        (f.index, f.time_s, f.image.tobytes()) for f in expected
    ]


def read_until_damage(path: Path, **options: object) -> tuple[list[Frame], str | None]:
    frames: list[Frame] = []
    try:
        for frame in read_frames(path, **options):  # type: ignore[arg-type]
            frames.append(frame)
    except TruncatedError as error:
        return frames, str(error)
    return frames, None


@pytest.mark.parametrize("name", KINDS)
def test_reading_on_gives_the_same_bytes_and_seeks_where_it_can(
    make_clip: ClipMaker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "SEEK_WORTH_FRAMES", 0)
    reached_by_seek: list[bool] = []

    def watch(*args: object, **options: object) -> object:
        frames = decode_from(*args, **options)  # type: ignore[arg-type]
        reached_by_seek.append(frames is not None)
        return frames

    decode_from = read_module.decode_from
    monkeypatch.setattr(read_module, "decode_from", watch)
    info = probe(make_clip(name, **KINDS[name]))
    whole = list(read_frames(info))
    assert len(whole) == 60
    for first in (1, 29, 30, 31, 47, 59, 60, 1000):
        assert same(list(read_frames(info, from_index=first)), whole[first:])
    assert any(reached_by_seek) == (name in SOUGHT | {"hidden_frames.webm", "fragments.mp4", "motion.avi"})


@pytest.mark.parametrize("name", KINDS)
def test_random_access_gives_the_same_frames(make_clip: ClipMaker, name: str) -> None:
    info = probe(make_clip(name, **KINDS[name]))
    whole = list(read_frames(info))
    with RandomFrames(info) as frames:
        places = [59, 3, 37, 36, 38, 20, 3]
        assert len(frames) == 60
        assert same(frames.many(places), [whole[place] for place in places])


def test_a_time_that_does_not_fit_makes_it_read_from_the_start(
    make_clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "SEEK_WORTH_FRAMES", 0)
    monkeypatch.setattr(read_module, "decode_from", lambda *a, **k: pytest.fail("sought"))
    info = probe(make_clip())
    whole = list(read_frames(info))
    assert same(list(read_frames(info, from_index=40, after_time_s=whole[39].time_s + 0.04)), whole[40:])


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.0), (1.21, None), (None, 0.33), (0.0, 0.04), (1.999, 2.001)])
def test_a_part_holds_the_frames_of_its_seconds(
    make_clip: ClipMaker, start_s: float | None, end_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip()
    whole = list(read_frames(path))
    wanted = [f for f in whole if (start_s or 0.0) <= f.time_s < (end_s if end_s is not None else 99.0)]
    assert wanted
    assert same(list(read_frames(path, start_s=start_s, end_s=end_s)), wanted)
    monkeypatch.setattr(read_module, "SEEK_WORTH_FRAMES", 0)
    assert same(list(read_frames(path, start_s=start_s, end_s=end_s)), wanted)


def test_parts_that_cannot_be_are_refused(make_clip: ClipMaker) -> None:
    path = make_clip()
    with pytest.raises(SettingsError, match=r"ends at 1\.0 s, before it starts at 2\.0 s"):
        read_frames(path, start_s=2.0, end_s=1.0)
    with pytest.raises(SettingsError, match="on_corrupt is 'ignore'"):
        read_frames(path, on_corrupt="ignore")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"last frame is at 2\.360 s, before the start asked for, 50"):
        list(read_frames(path, start_s=50.0))


def test_large_frames_are_shrunk_to_the_side_asked_for(make_clip: ClipMaker) -> None:
    path = make_clip(size=(128, 96), frames=3)
    small = list(read_frames(path, max_side_px=50))
    assert [f.image.shape for f in small] == [(38, 50, 3)] * 3
    assert [f.image.shape for f in read_frames(path, max_side_px=128)] == [(96, 128, 3)] * 3
    full = next(iter(read_frames(path))).image
    assert abs(small[0].image.mean() - full.mean()) < 2.0


@pytest.mark.parametrize("name", ["fast.mp4", "late.mp4", "clip.mkv", "clip.ts", "clip.avi", "clip.gif"])
def test_file_cut_anywhere_gives_its_frames_or_one_line(make_clip: ClipMaker, name: str) -> None:
    kinds: dict[str, dict] = {
        "fast.mp4": {"container_options": {"movflags": "faststart"}},
        "clip.avi": {"codec": "mpeg4"},
        "clip.gif": {"codec": "gif", "pixel_format": "rgb8", "frames": 20},
    }
    path = make_clip(name, **kinds.get(name, {}))
    data = path.read_bytes()
    whole = list(read_frames(path))
    cut = path.with_name(f"cut_{name}")
    told = 0
    for size in sorted(random.Random(name).sample(range(1, len(data)), 20)):
        cut.write_bytes(data[:size])
        try:
            frames, message = read_until_damage(cut)
        except InputError as error:
            assert "\n" not in str(error)
            told += 1
            continue
        assert len(frames) <= len(whole)
        if name in {"fast.mp4", "clip.avi", "clip.mkv"}:
            assert message is not None and f"after {len(frames)} frames" in message and "\n" not in message
            assert same(frames, whole[: len(frames)])
        told += message is not None
        list(read_frames(cut, on_corrupt="skip"))
    assert told >= {"fast.mp4": 20, "late.mp4": 20, "clip.avi": 20, "clip.mkv": 20}.get(name, 0)


def test_damage_anywhere_never_leaves_the_readers_by_another_error(make_clip: ClipMaker) -> None:
    path = make_clip()
    data = path.read_bytes()
    bad = path.with_name("bad.mp4")
    chance = random.Random(5)
    for _ in range(20):
        broken = bytearray(data)
        for _ in range(8):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        bad.write_bytes(broken)
        try:
            frames, _ = read_until_damage(bad)
            assert [f.index for f in frames] == list(range(len(frames)))
            with RandomFrames(bad) as random_frames:
                random_frames.many([0, 41])
        except (InputError, IndexError):
            continue


def test_damage_in_the_middle_stops_or_is_left_out(make_clip: ClipMaker) -> None:
    path = make_clip(options={"x264-params": "bframes=0:scenecut=0"}, container_options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        places = [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]
    data = bytearray(path.read_bytes())
    start, size = places[25]
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    frames, message = read_until_damage(path)
    assert message is not None and f"damaged or cut off after {len(frames)} frames" in message
    assert 20 <= len(frames) <= 25
    skipped = list(read_frames(path, on_corrupt="skip"))
    assert [f.index for f in skipped] == list(range(59))
    assert [round(25 * f.time_s) for f in skipped] == [n for n in range(60) if n != 25]
    rest = list(read_frames(path, on_corrupt="skip", from_index=40))
    assert same(rest, skipped[40:])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "no such file"),
        ("empty.mp4", b"", "the file is empty"),
        ("noise.mp4", bytes(range(256)) * 8, "not a video that can be opened"),
        ("notes.mp4", b"dear diary\n", "is text, not a video"),
        ("empty.jpg", b"", "the file is empty (0 bytes)"),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "is text, not a video"),
    ],
)
def test_what_is_no_video_is_named_in_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for use in (probe, read_frames, RandomFrames):
        with pytest.raises(InputError) as caught:
            use(path)
        assert str(caught.value).startswith(str(path)) and message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_folder_without_images_and_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(InputError, match="no images found"):
        probe(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="not a regular file"):
        probe(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="no images found"):
        probe(tmp_path / "*.png")


def test_file_without_read_permission_is_named(make_clip: ClipMaker) -> None:
    path = make_clip(frames=2)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root reads everything
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="permission denied"):
            probe(path)
    finally:
        os.seteuid(user)


def test_animation_keeps_the_delay_of_every_picture(tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.full((24, 32, 3), 40 * k, np.uint8)) for k in range(5)]
    path = tmp_path / "slow.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 300, 50, 200, 100])
    assert probe(path).kind == "gif"
    frames = list(read_frames(path))
    assert [f.time_s for f in frames] == pytest.approx([0.0, 0.1, 0.4, 0.45, 0.65])
    assert [int(f.image.mean()) for f in frames] == [0, 40, 80, 120, 160]


def test_sideways_and_see_through_images_come_out_upright_over_black(tmp_path: Path) -> None:
    upright = np.zeros((20, 30, 4), np.uint8)
    upright[:10, :15] = (200, 100, 50, 255)
    upright[10:] = (255, 255, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    exif.get_ifd(0x8769)[0xA405] = 26
    Image.fromarray(np.rot90(upright, 1)).save(tmp_path / "1.png", exif=exif)
    info = probe(tmp_path)
    assert (info.width, info.height) == (30, 20)
    assert info.focal_px == pytest.approx(26 / 43.2666 * (30**2 + 20**2) ** 0.5)
    image = next(iter(read_frames(info))).image
    assert (image[:10, :15] == (200, 100, 50)).all() and (image[10:] == 0).all()


def test_broken_picture_in_a_folder_is_left_out_by_name(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(np.full((20, 30, 3), 50 * number, np.uint8)).save(tmp_path / f"{number}.jpg")
    whole = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3b.jpg").write_bytes(whole[:-4])
    info = probe(tmp_path)
    assert "2.jpg (unreadable), 3b.jpg (cut off)" in info.notes[0]
    assert [round(f.image.mean() / 50) for f in read_frames(info)] == [0, 1, 3]
    assert [f.index for f in read_frames(info, from_index=1)] == [1, 2]
    assert [f.time_s for f in read_frames(probe(tmp_path, image_rate=Fraction(10)))] == [0.0, 0.1, 0.2]


def test_images_after_one_that_is_skipped_keep_their_places(tmp_path: Path) -> None:
    for number in range(4):
        Image.fromarray(np.full((20, 30, 3), 50 * number, np.uint8)).save(tmp_path / f"{number}.bmp")
    whole = (tmp_path / "1.bmp").read_bytes()
    (tmp_path / "1.bmp").write_bytes(whole[: len(whole) // 2])  # its header is whole
    frames = list(read_frames(tmp_path, on_corrupt="skip"))
    assert [plan_images(tmp_path).files[f.index].name for f in frames] == ["0.bmp", "2.bmp", "3.bmp"]
    assert [round(f.image.mean() / 50) for f in frames] == [f.index for f in frames] == [0, 2, 3]
    for first, kept in ((1, 1), (2, 1), (3, 2)):
        assert same(list(read_frames(tmp_path, on_corrupt="skip", from_index=first)), frames[kept:])
    assert [f.index for f in read_frames(tmp_path, on_corrupt="skip", start_s=0.05)] == [2, 3]
    found, message = read_until_damage(tmp_path)
    assert [f.index for f in found] == [0] and message is not None and "1 images before it are intact" in message


@pytest.mark.parametrize(("degrees", "mirrored"), [(0, False), (90, False), (180, False), (270, False), (90, True)])
def test_display_matrix_is_applied(make_clip: ClipMaker, degrees: int, mirrored: bool) -> None:
    plain = next(iter(read_frames(make_clip(frames=2)))).image
    turned = make_clip(
        "turned.mp4", frames=2, prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored)
    )
    info = probe(turned)
    with av.open(str(turned)) as container:
        assert next(container.decode(video=0)).rotation % 180 == degrees % 180
    image = next(iter(read_frames(info))).image
    assert image.shape == ((64, 48, 3) if degrees % 180 else (48, 64, 3))
    assert info.is_mirrored == mirrored
    expected = np.rot90(plain, info.rotation_deg // 90)
    assert np.array_equal(image, expected[:, ::-1] if mirrored else expected)


def test_index_is_not_built_where_packets_do_not_tell_frames(make_clip: ClipMaker) -> None:
    index = index_packets(probe(make_clip("b.mp4", options={"bf": "3"})))
    assert index is not None and index.key_positions.tolist() == [0, 10, 20, 30, 40, 50]
    assert index.time_s(59) == pytest.approx(59 / 25)
    assert index_packets(probe(make_clip("no_stamps.h264"))) is None
    assert index_packets(probe(make_clip("a.gif", codec="gif", pixel_format="rgb8", frames=3))) is None


def test_cut_interlaced_file_keeps_its_last_good_frame(make_clip: ClipMaker) -> None:
    options = {"options": {"x264-params": "tff=1:bframes=0"}, "container_options": {"movflags": "faststart"}}
    path = make_clip("interlaced.mp4", prepare=interlace, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert probe(path).is_interlaced
    with av.open(str(path)) as container:
        decoded = 0
        with pytest.raises(av.error.InvalidDataError):
            for _ in container.decode(video=0):
                decoded += 1
    frames, message = read_until_damage(path)
    assert message is not None and len(frames) == decoded > 20


def test_damage_after_the_seek_gives_the_bytes_of_reading_from_the_start(
    make_clip: ClipMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "SEEK_WORTH_FRAMES", 0)
    path = make_clip(size=(160, 96), options={"x264-params": "bframes=2:scenecut=0:threads=1"})
    whole_file = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries]
    noticed = 0
    for start, size in packets[29:56:3]:
        data = bytearray(whole_file)
        data[start + size // 4 : start + size] = b"\xaa" * (size - size // 4)
        path.write_bytes(data)
        whole, message = read_until_damage(path)
        flagged: list[int] = []
        with suppress(Damage):
            flagged.extend(p.index for p in read_module.iterate_stamped(probe(path), 0) if p.raw.is_corrupt)
        if not flagged and message is None:
            continue  # now and then the decoder takes damaged bytes for good ones; which, depends on the encoder
        noticed += 1
        assert min(flagged, default=len(whole)) > 25
        rest, message_of_rest = read_until_damage(path, from_index=25, after_time_s=whole[24].time_s)
        assert same(rest, whole[25:])
        assert message_of_rest == message
    assert noticed >= 3


def test_the_nearest_key_frame_is_given_within_reach(make_clip: ClipMaker) -> None:
    with RandomFrames(make_clip(frames=60, group=20, options={"sc_threshold": "0"}), is_decord_tried=False) as frames:
        assert frames.backend == "av"
        assert [frames.near_key(index, 6) for index in (0, 5, 10, 15, 38, 46, 59)] == [0, 0, 10, 20, 40, 40, 59]
        assert frames[frames.near_key(38, 6)].index == 40
