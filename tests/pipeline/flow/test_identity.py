import os
from pathlib import Path

import pytest

from configs.errors import InputError
from pipeline.flow import identity
from pipeline.flow.identity import code_identity, files_identity, video_identity
from trackers.keypoint_files.folder import source_files


def test_a_byte_in_the_middle_of_a_video_makes_another_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = bytearray(4 << 20)
    path.write_bytes(data)
    before, state = video_identity(path), path.stat()
    data[len(data) // 2] = 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert video_identity(path) != before


def test_a_video_that_was_moved_or_touched_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    before = video_identity(path)
    os.utime(path, ns=(1, 1))
    assert video_identity(path.rename(tmp_path / "b.mp4")) == before


def test_a_video_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"video")
    first = video_identity(path)
    monkeypatch.setattr("builtins.open", None)
    assert video_identity(path) == first


def test_an_image_folder_is_its_images_names_and_content(tmp_path: Path) -> None:
    for name in ("1.bmp", "2.bmp"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / ".#1").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    found = [video_identity(tmp_path)]
    os.utime(tmp_path / "1.bmp", ns=(1, 1))
    (tmp_path / ".hidden").write_text("y")
    assert video_identity(tmp_path) == found[0]
    (tmp_path / "1.bmp").write_bytes(b"1.bmq")
    os.utime(tmp_path / "1.bmp", ns=(1, 1))
    found.append(video_identity(tmp_path))
    (tmp_path / "2.bmp").rename(tmp_path / "3.bmp")
    found.append(video_identity(tmp_path))
    assert len(set(found)) == 3


def test_what_is_gone_or_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match=r"gone\.mp4: cannot be read"):
        video_identity(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match=r"pipe\.mp4: not a regular file"):
        video_identity(tmp_path / "pipe.mp4")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of nothing: a few files laid out like this program."""
    for name in ("refine/a.py", "refine/deep/b.py", "refine/training/c.py", "pipeline/d.py", "pipeline/cli/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(identity, "SOURCES", tmp_path)
    code_identity.cache_clear()
    yield tmp_path
    code_identity.cache_clear()


@pytest.mark.parametrize(
    ("name", "parts", "is_other"),
    [
        ("refine/a.py", ("refine",), True),
        ("refine/deep/b.py", ("refine",), True),
        ("refine/new.py", ("refine",), True),
        ("refine/training/c.py", ("refine",), False),
        ("refine/__pycache__/a.pyc", ("refine",), False),
        ("pipeline/d.py", ("refine",), False),
        ("pipeline/d.py", ("refine", "pipeline"), True),
        ("pipeline/cli/e.py", ("refine", "pipeline"), False),
    ],
)
def test_code_that_a_result_depends_on_changes_its_identity(
    sources: Path, name: str, parts: tuple[str, ...], is_other: bool
) -> None:
    before = code_identity(*parts)
    code_identity.cache_clear()
    (sources / name).parent.mkdir(exist_ok=True)
    (sources / name).write_text("changed")
    assert (code_identity(*parts) != before) == is_other


def test_code_is_the_same_wherever_it_lies_and_without_sources_it_is_the_version(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_identity("refine")
    (tmp_path / "moved").mkdir()
    (sources / "refine").rename(tmp_path / "moved" / "refine")
    monkeypatch.setattr(identity, "SOURCES", tmp_path / "moved")
    code_identity.cache_clear()
    assert code_identity("refine") == before
    assert code_identity("nothing") == code_identity("nowhere") != before


def test_every_part_that_a_clip_names_has_code() -> None:
    from pipeline import clip

    parts = [*clip.CODE_OF_OBSERVATIONS, *clip.CODE_OF_MOTION, *clip.CODE_OF_EXPORT, *clip.CODE_OF_OVERLAY]
    assert len({code_identity(part) for part in parts}) == len(parts)


@pytest.mark.parametrize("inner", ["", "labels"])
def test_labels_are_known_by_their_content_wherever_the_tool_put_them(tmp_path: Path, inner: str) -> None:
    (tmp_path / inner).mkdir(exist_ok=True)
    label = tmp_path / inner / "a_1.txt"
    label.write_text("0 0.5 0.5 0.1 0.1")
    before = files_identity(source_files(tmp_path), tmp_path)
    label.write_text("0 0.5 0.5 0.1 0.2")
    assert files_identity(source_files(tmp_path), tmp_path) != before
