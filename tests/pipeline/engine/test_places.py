"""Tests of `pipeline.engine.places`."""

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from configs.errors import InputError, SettingsError
from pipeline.engine.places import expand, fetch, identity_of, is_url, local_path, name_in, read_place


def test_a_url_is_told_from_a_path() -> None:
    assert is_url("s3://bucket/a") and is_url("file:///a") and not is_url("a/b:c") and not is_url("C:/a")
    assert local_path("file:///a/b") == Path("/a/b") and local_path("s3://b/a") is None
    assert name_in("https://host/a/clip.mp4?token=1") == "clip.mp4" and name_in("a/clip.mp4") == "clip.mp4"


def test_an_identity_changes_with_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    first = identity_of(str(path))
    assert identity_of(f"file://{path}") == first
    path.write_bytes(b"other")
    assert identity_of(str(path)) != first
    system = fsspec.filesystem("memory")
    system.pipe_file("/places/a.mp4", b"one")
    first = identity_of("memory://places/a.mp4")
    assert identity_of("memory://places/a.mp4") == first
    system.pipe_file("/places/a.mp4", b"other")
    assert identity_of("memory://places/a.mp4") != first


def test_an_image_folder_has_an_identity_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"1")
    first = identity_of(str(tmp_path))
    (tmp_path / "2.png").write_bytes(b"2")
    assert identity_of(str(tmp_path)) != first


@pytest.mark.parametrize("kind", ["path", "url"])
def test_what_is_not_there_or_empty_is_said(tmp_path: Path, kind: str) -> None:
    place = str(tmp_path) if kind == "path" else "memory://nothing"
    fsspec.filesystem("memory").pipe_file("/nothing/empty.mp4", b"")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InputError, match="no such file"):
        identity_of(f"{place}/none.mp4")
    with pytest.raises(InputError, match="has 0 bytes"):
        identity_of(f"{place}/empty.mp4")


def test_a_url_is_fetched_under_its_name_and_a_path_stays_where_it_is(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/clips/a.mp4", b"video")
    copy = fetch("memory://clips/a.mp4", tmp_path / "new")
    assert copy == tmp_path / "new" / "a.mp4" and copy.read_bytes() == b"video"
    assert fetch(str(copy), tmp_path / "other") == copy and not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="no such file"):
        fetch("memory://clips/none.mp4", tmp_path)
    assert read_place("memory://clips/a.mp4", 10) == b"video"
    with pytest.raises(InputError, match="has 5 bytes"):
        read_place("memory://clips/a.mp4", 4)


def test_a_url_with_a_star_is_all_that_match() -> None:
    for name in ("a.mp4", "b.mp4", "c.txt"):
        fsspec.filesystem("memory").pipe_file(f"/stars/{name}", b"1")
    assert expand("memory://stars/*.mp4") == ["memory:///stars/a.mp4", "memory:///stars/b.mp4"]
    assert expand("memory://stars/c.txt") == ["memory://stars/c.txt"]
    with pytest.raises(InputError, match="no object matches"):
        expand("memory://stars/*.avi")


def test_an_unknown_kind_of_url_is_wrong_usage() -> None:
    with pytest.raises(SettingsError, match="nosuch://a"):
        identity_of("nosuch://a")


def test_paths_need_no_fsspec(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path\na.mp4\n")
    code = (
        "import sys\n"
        "from configs.schema import RunSettings\n"
        "from pipeline.engine.manifest import read_manifest\n"
        "from pipeline.engine.result_store import ResultStore\n"
        f"read_manifest({str(tmp_path / 'clips.csv')!r}, RunSettings())\n"
        f"ResultStore({str(tmp_path / 'out')!r}).check()\n"
        "sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
