"""Tests of `pipeline.engine.manifest`."""

from pathlib import Path

import polars
import pytest

from configs.errors import InputError, SettingsError
from configs.schema import PrivacySettings, RunSettings
from pipeline.engine.manifest import BadRow, Row, find_rows, read_manifest

BASE = RunSettings()


def manifest(folder: Path, text: str) -> str:
    path = folder / "clips.csv"
    path.write_text(text)
    return str(path)


def reasons(rows: list[Row | BadRow]) -> list[str]:
    return [row.reason if isinstance(row, BadRow) else "" for row in rows]


def test_a_row_has_a_name_settings_and_paths_from_where_the_manifest_lies(tmp_path: Path) -> None:
    place = manifest(
        tmp_path,
        "video,name,start,end,keypoints,settings,colour\n"
        "a/clip.mp4,first,1.5,3,points.json,refine.mode=smooth link.frames_min=2,red\n"
        "s3://bucket/b.mp4,,,,,,blue\n",
    )
    first, second = read_manifest(place, BASE)
    assert isinstance(first, Row) and isinstance(second, Row)
    assert (first.number, first.name, first.source) == (1, "first", str(tmp_path / "a/clip.mp4"))
    chosen = first.settings(BASE)
    assert (chosen.decode.start_s, chosen.decode.end_s, chosen.refine.mode) == (1.5, 3.0, "smooth")
    assert chosen.detect.keypoints == tmp_path / "points.json"
    assert (second.name, second.source) == ("b", "s3://bucket/b.mp4")
    assert second.settings(BASE) is BASE


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    columns = {"path": ["a.mp4", "b.mp4"], "start": [None, 2.5], "sha256": ["AB", None]}
    polars.DataFrame(columns).write_parquet(tmp_path / "clips.parquet")
    text = "path,start,sha256\na.mp4,,AB\nb.mp4,2.5,\n"
    assert read_manifest(str(tmp_path / "clips.parquet"), BASE) == read_manifest(manifest(tmp_path, text), BASE)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (",a,,,,", "row 1: names no clip"),
        ("a.mp4,a/b,,,,", "row 1: name 'a/b' cannot name a folder"),
        ("a.mp4,_store,,,,", "row 1: name '_store' cannot name a folder"),
        ("a.mp4,a,soon,,,", "row 1: start is 'soon', which is no number of seconds"),
        ("a.mp4,a,nan,,,", "row 1: start is 'nan', which is no number of seconds"),
        ("a.mp4,a,3,2,,", "row 1: end 2 is not after start 3"),
        ("a.mp4,a,,,,detect.colour=red", "row 1: detect.colour: there is no such setting"),
        ("a.mp4,a,,,,'", 'row 1: settings are "\'"'),
        ("a.mp4,a,,,,detect.keypoints=x.json", "row 1: settings name detect.keypoints"),
    ],
)
def test_a_row_that_is_wrong_says_why_and_costs_only_itself(tmp_path: Path, cells: str, reason: str) -> None:
    place = manifest(tmp_path, f"path,name,start,end,keypoints,settings\n{cells}\nb.mp4,b,,,,\n")
    bad, good = read_manifest(place, BASE)
    assert isinstance(bad, BadRow) and bad.reason.startswith(reason), bad
    assert isinstance(good, Row)


def test_rows_with_one_file_name_get_names_that_do_not_depend_on_their_order(tmp_path: Path) -> None:
    there = read_manifest(manifest(tmp_path, "path\na/x.mp4\nb/x.mp4\nc.mp4\n"), BASE)
    back = read_manifest(manifest(tmp_path, "path\nc.mp4\nb/x.mp4\na/x.mp4\n"), BASE)
    assert {(row.name, row.source) for row in there} == {(row.name, row.source) for row in back}
    assert len({row.name for row in there}) == 3 and not any(reasons(there))


def test_the_second_row_of_a_name_is_bad(tmp_path: Path) -> None:
    rows = read_manifest(manifest(tmp_path, "path,name\na.mp4,x\nb.mp4,x\na.mp4,\na.mp4,\n"), BASE)
    assert reasons(rows)[0] == reasons(rows)[2] == ""
    assert reasons(rows)[1].startswith("row 2: name 'x' is that of row 1")
    assert "is that of row 3" in reasons(rows)[3]


def test_names_of_anonymous_clips_do_not_tell_the_files(tmp_path: Path) -> None:
    base = RunSettings(
        privacy=PrivacySettings(is_anonymous=True), overlay={"background": "gray", "is_sound_kept": False}
    )
    row = read_manifest(manifest(tmp_path, "path\nsmith.mp4\n"), base)[0]
    assert row.name.startswith("clip_") and "smith" not in row.name


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a,b\n1,2\n", "has no column named path, url, video or file but a, b"),
        (b"path\n", "has no rows"),
        (b"", "not readable as a table"),
        (b"path\n\xff.mp4\n", "no UTF-8"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "clips.csv").write_bytes(data)
    with pytest.raises(InputError, match=reason):
        read_manifest(str(tmp_path / "clips.csv"), BASE)
    (tmp_path / "clips.parquet").write_bytes(data)
    with pytest.raises(InputError, match="not readable as a table"):
        read_manifest(str(tmp_path / "clips.parquet"), BASE)


def test_inputs_without_a_manifest_are_rows_too(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    rows = find_rows([str(tmp_path / "a.mp4"), "s3://bucket/b.mp4"], BASE)
    assert [(row.name, row.source) for row in rows] == [("a", str(tmp_path / "a.mp4")), ("b", "s3://bucket/b.mp4")]
    with pytest.raises(SettingsError, match="give one manifest"):
        find_rows([str(tmp_path / "a.mp4"), "clips.csv"], BASE)
