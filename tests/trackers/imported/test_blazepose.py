"""BlazePose is read out of what ships it, and checked against its own runtime."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from tflite_files import small_file

from configs.errors import InputError, WeightsError
from trackers.imported.blazepose import OUTPUTS, check_against_runtime, read_blazepose
from trackers.imported.tflite import read_tflite

NAME = "pose_landmark_lite.tflite"


@pytest.fixture(scope="module")
def content() -> bytes:
    return small_file(256)


@pytest.mark.parametrize("kind", ["npm archive", "wheel", "folder", "file"])
def test_it_is_read_from_whatever_ships_it(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "package" / NAME
    path.parent.mkdir()
    path.write_bytes(content)
    given = {"folder": tmp_path, "file": path}.get(kind, tmp_path / "archive")
    if kind == "npm archive":
        with tarfile.open(given, "w:gz") as archive:
            archive.add(path, f"package/{NAME}")
    if kind == "wheel":
        with zipfile.ZipFile(given, "w") as wheel:
            wheel.write(path, f"mediapipe/modules/pose_landmark/{NAME}")
    assert set(read_blazepose(given, "lite").config["outputs"]) == set(OUTPUTS)


def test_what_holds_no_such_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("nothing")
    for path in (tmp_path, tmp_path / "text.txt"):
        with pytest.raises(InputError, match=r"holds no pose_landmark_heavy\.tflite; give the archive"):
            read_blazepose(path, "heavy")
    with pytest.raises(InputError, match="variant 'huge': not one of lite, full, heavy"):
        read_blazepose(tmp_path, "huge")


def test_a_damaged_archive_is_told(tmp_path: Path, content: bytes) -> None:
    whole = tmp_path / "whole.tgz"
    (tmp_path / NAME).write_bytes(content)
    with tarfile.open(whole, "w:gz") as archive:
        archive.add(tmp_path / NAME, NAME)
    cut = tmp_path / "cut.tgz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.tgz: "):
        read_blazepose(cut, "lite")


def test_a_network_that_gives_other_numbers_than_its_runtime_is_refused(content: bytes) -> None:
    other = read_tflite(small_file(256, seed=1), OUTPUTS, "small")
    with pytest.raises(WeightsError, match="small: output landmarks differs from the original runtime's by"):
        check_against_runtime(other, content, "small")
    assert max(check_against_runtime(read_tflite(content, OUTPUTS, "small"), content, "small").values()) < 1e-5
