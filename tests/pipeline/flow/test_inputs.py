from pathlib import Path

import pytest

from configs.errors import InputError, SettingsError
from pipeline.flow.inputs import find_clips


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_of_videos_means_its_videos_and_a_folder_of_images_is_one_clip(tmp_path: Path) -> None:
    touch(tmp_path / "v" / "b.mp4", tmp_path / "v" / "a.MOV", tmp_path / "v" / "notes.txt", tmp_path / "i" / "1.jpg")
    assert [clip.name for clip in find_clips([str(tmp_path / "v")])] == ["a", "b"]
    assert [clip.path for clip in find_clips([str(tmp_path / "i")])] == [tmp_path / "i"]


def test_a_glob_gives_each_match_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert [clip.name for clip in find_clips([str(tmp_path / "*.mp4"), str(tmp_path / "a.mp4")])] == ["a", "b"]


def names_of(*given: Path) -> list[str]:
    return [clip.name for clip in find_clips([str(path) for path in given])]


def test_equal_stems_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4", tmp_path / "y" / "a.mov", tmp_path / "y" / "b.mp4")
    assert names_of(tmp_path / "x", tmp_path / "y") == ["x_a", "y_a_mov", "y_a_mp4", "b"]


def test_cameras_of_a_take_keep_their_names_when_one_is_added(tmp_path: Path) -> None:
    cameras = [tmp_path / f"cam{number}" for number in range(3)]
    touch(*(camera / "clip.mp4" for camera in cameras))
    assert names_of(*cameras[1:]) == ["cam1_clip", "cam2_clip"]
    assert names_of(*cameras) == ["cam0_clip", "cam1_clip", "cam2_clip"]
    assert names_of(*reversed(cameras)) == ["cam2_clip", "cam1_clip", "cam0_clip"]


def test_as_many_folders_as_it_takes_go_into_a_name(tmp_path: Path) -> None:
    touch(*(tmp_path / take / "cam1" / "clip.mp4" for take in ("s1", "s2")), tmp_path / "cam2" / "clip.mp4")
    found = names_of(*(sorted(tmp_path.rglob("clip.mp4"))))
    assert found == ["cam2_clip", "s1_cam1_clip", "s2_cam1_clip"]


def test_names_that_read_the_same_are_still_different_and_stable(tmp_path: Path) -> None:
    touch(tmp_path / "a_b" / "c.mp4", tmp_path / "a" / "b_c.mp4", tmp_path / "b" / "c.mp4")
    touch(tmp_path / "d" / "x\n.mp4", tmp_path / "d" / "x\t.mp4")
    given = [tmp_path / "a_b" / "c.mp4", tmp_path / "a" / "b_c.mp4", tmp_path / "b" / "c.mp4", tmp_path / "d"]
    found = dict(zip((clip.path for clip in find_clips([*map(str, given)])), names_of(*given), strict=True))
    again = dict(zip((clip.path for clip in find_clips([*map(str, given[::-1])])), names_of(*given[::-1]), strict=True))
    assert len(set(found.values())) == 5 and found == again


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("...mp4", "clip"),
        ("..mp4", "clip"),
        (".mp4", "mp4"),
        (" .mp4", "clip"),
        (".hidden.mp4", "hidden"),
        ("a b. .mp4", "a b"),
        ("a\nb\x1b[31m.mp4", "a_b_[31m"),
        ("straße.mp4", "straße"),
        ("stra\udcdfe 01.mp4", "stra_e 01"),
        ("a.b.mp4", "a.b"),
    ],
)
def test_a_name_is_one_folder_inside_the_output(tmp_path: Path, name: str, wanted: str) -> None:
    touch(tmp_path / name)
    assert names_of(tmp_path / name) == [wanted]


def test_a_long_name_leaves_room_and_differs_from_one_that_begins_like_it(tmp_path: Path) -> None:
    touch(*(tmp_path / f"{'é' * 120}{end}.mp4" for end in "ab"))
    found = names_of(tmp_path)
    assert len(set(found)) == 2 and all(len(name.encode()) <= 200 for name in found)


def test_a_folder_given_as_dots_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "frames" / "deep" / "1.jpg", tmp_path / "frames" / "1.jpg")
    monkeypatch.chdir(tmp_path / "frames" / "deep")
    for text, name in (("..", "frames"), (".", "deep"), ("../deep/../", "frames")):
        [clip] = find_clips([text])
        assert clip.name == name and clip.path == tmp_path / ("frames" if name == "frames" else "frames/deep")


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_empty_input_is_wrong_usage(text: str) -> None:
    with pytest.raises(SettingsError, match="names nothing"):
        find_clips([text])


@pytest.mark.parametrize("text", ["~nobody_of_this_name/a.mp4", "loop", "x" * 300])
def test_what_cannot_be_looked_up_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError):
        find_clips([text])


def test_the_overlay_of_a_run_is_no_input_unless_it_is_named(tmp_path: Path) -> None:
    run = tmp_path / "out" / "a"
    touch(tmp_path / "a.mp4", run / "overlay.mp4", run / "run.json", run / "nodes.json", run / "1.jpg")
    assert names_of(tmp_path / "**" / "*.mp4") == ["a"]
    assert [clip.path for clip in find_clips([str(run)])] == [run]  # as the folder of images that it is
    assert names_of(run / "overlay.mp4") == ["overlay"]


@pytest.mark.parametrize("text", ["missing.mp4", "empty", "*.avi"])
def test_what_is_not_there_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=text.replace("*", r"\*")):
        find_clips([str(tmp_path / text)])


def test_a_link_keeps_its_own_name_and_a_video_counts_once(tmp_path: Path) -> None:
    touch(tmp_path / "real" / "recording.mp4")
    (tmp_path / "cam01.mp4").symlink_to(tmp_path / "real" / "recording.mp4")
    [clip] = find_clips([str(tmp_path / "cam01.mp4"), str(tmp_path / "real" / "recording.mp4")])
    assert clip.name == "cam01"


def test_a_folder_of_clips_takes_what_cameras_and_discs_write(tmp_path: Path) -> None:
    names = ["A001.MXF", "VTS_01_1.VOB", "cam.h264", "cam.265", "clip.MTS", "old.mpg", "phone.mp4", "raw.y4m"]
    touch(*(tmp_path / name for name in names))
    assert [clip.path.name for clip in find_clips([str(tmp_path)])] == sorted(names)


def test_what_looks_like_a_film_or_picture_and_is_left_out_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "thumb.jpg", tmp_path / "notes.txt", tmp_path / "b.BRAW")
    (tmp_path / "recording").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(400))
    assert [clip.name for clip in find_clips([str(tmp_path)])] == ["a"]
    assert len(caplog.records) == 1
    assert "skipped: b.BRAW, recording, thumb.jpg;" in caplog.text


def test_a_film_under_another_name_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(400))
    with pytest.raises(InputError, match="recording looks like one; give it by name"):
        find_clips([str(tmp_path)])
