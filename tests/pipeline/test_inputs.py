from pathlib import Path

import pytest

from configs.errors import InputError
from pipeline.inputs import find_clips


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


def test_equal_stems_get_different_folders(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4", tmp_path / "y" / "a.mov")
    names = [clip.name for clip in find_clips([str(tmp_path / "x"), str(tmp_path / "y")])]
    assert len(set(names)) == 3


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
    assert "left out: b.BRAW, recording, thumb.jpg;" in caplog.text


def test_a_film_under_another_name_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(400))
    with pytest.raises(InputError, match="recording looks like one; give it by name"):
        find_clips([str(tmp_path)])
