import errno
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from configs.npz_files import read_npz
from pipeline.flow.atomic import npz_bytes, write_bytes, write_json, write_npz


def test_arrays_come_back_and_the_bytes_depend_on_them_alone(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "text": np.asarray("neutral"), "none": np.zeros((0, 4))}
    write_npz(tmp_path / "x" / "one.npz", arrays)
    found = read_npz(tmp_path / "x" / "one.npz")
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert npz_bytes(arrays) == (tmp_path / "x" / "one.npz").read_bytes()


def test_python_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="gender"):
        npz_bytes({"gender": np.array(["a", None], dtype=object)})


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("pipeline.flow.atomic.os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_damaged_archive_is_a_value_error(tmp_path: Path, kept: int) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.arange(1000)})
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[:kept])
    with pytest.raises(ValueError):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(4000,), }", b"(4000,),  "),  # of an array's header, which NumPy reads as Python
        (b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff"),  # the version of the archive
    ],
)
def test_damage_of_any_kind_is_a_value_error(tmp_path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("x.npy", "w") as member:
        np.save(member, np.arange(4000))
    whole = (tmp_path / "a.npz").read_bytes()
    assert old in whole
    (tmp_path / "a.npz").write_bytes(whole.replace(old, new))
    with pytest.raises(ValueError):
        read_npz(tmp_path / "a.npz")


def test_an_error_names_the_file_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"pipeline.flow.atomic.os.{name}", full)
            with pytest.raises(OSError) as raised:
                write_bytes(tmp_path / "file", b"new")
        assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / "file"))
        assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_utf8_makes_json_that_strict_readers_take(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"input": "stra\udcdfe \u65e5.mp4"})
    text = (tmp_path / "x.json").read_bytes().decode()
    assert json.loads(text)["input"] == "stra\\udcdfe \u65e5.mp4"
