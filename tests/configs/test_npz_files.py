"""Files of arrays that are damaged or lie: refused before memory is taken, and only where the array is needed."""

import io
import os
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from configs.npz_files import open_npz, read_npz


def write_member(path: Path, data: bytes, *, name: str = "x.npy", kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr(name, data)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape: tuple[int, ...], descr: object = "<f4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_only_the_arrays_asked_for_are_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.ones((2, 3)), names=np.array({"a": 1}, object))
    assert read_npz(tmp_path / "a.npz", ["poses", "trans"])["poses"].shape == (2, 3)
    with pytest.raises(ValueError, match=r"names holds Python objects.*save it as a plain array"):
        read_npz(tmp_path / "a.npz")
    with open_npz(tmp_path / "a.npz") as file:
        assert {name: h.shape for name, h in file.headers.items()} == {"poses": (2, 3), "names": ()}


@pytest.mark.parametrize(
    "array",
    [np.arange(5, dtype=">f8"), np.zeros((0, 3)), np.array(3.5), np.array(["é", "b"]), np.array([True]),
     np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float16([1.5])],
)  # fmt: skip
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, array: np.ndarray, save) -> None:
    save(tmp_path / "a.npz", x=array)
    found = read_npz(tmp_path / "a.npz")["x"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header((10**12, 10)) + bytes(80), r"x declares shape \(1000000000000, 10\) of <f4, which is not the 80 bytes"),
        (header((10**12,), "<U0"), "takes 953,674 MiB"),  # text without letters needs no bytes, and yet an array
        (header((-3, 2)), r"x declares the shape \(-3, 2\)"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(10**6), "its header has 4294967295 bytes"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "x is damaged"),
        (b"\x93NUMPY\x01\x00\x00\x20" + b"[" * 8192, "x is damaged"),
        (npy(np.zeros(3, [("a", "f4")])), "x is of type"),
        (b"", "x is damaged"),
    ],
)
def test_a_header_that_lies_is_refused_and_no_memory_taken(tmp_path: Path, data: bytes, message: str) -> None:
    path = write_member(tmp_path / "a.npz", data)
    tracemalloc.start()
    with pytest.raises(ValueError, match=message):
        read_npz(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


def test_zeros_that_unpack_to_more_than_is_allowed_are_not_unpacked(tmp_path: Path) -> None:
    path = write_member(tmp_path / "a.npz", header((2**22,)) + bytes(2**24))
    assert path.stat().st_size < 2**16
    assert len(read_npz(path)["x"]) == 2**22
    with pytest.raises(ValueError, match=r"x with shape \(4194304,\) of <f4 takes 16 MiB, at most 8 are read"):
        read_npz(path, bytes_max=2**23)


def test_many_small_arrays_count_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{f"x{k}": np.zeros(1000) for k in range(10)})
    with pytest.raises(ValueError, match="at most 0 are read"):
        read_npz(tmp_path / "a.npz", bytes_max=50_000)


def test_a_directory_that_promises_more_than_is_stored_is_refused(tmp_path: Path) -> None:
    data = write_member(tmp_path / "a.npz", npy(np.zeros(100)), kind=zipfile.ZIP_STORED).read_bytes()
    place = data.rfind(b"PK\x01\x02") + 24
    (tmp_path / "a.npz").write_bytes(data[:place] + (2**30).to_bytes(4, "little") + data[place + 4 :])
    with pytest.raises(ValueError, match="x declares 1073741824 bytes, which the 928 stored cannot hold"):
        read_npz(tmp_path / "a.npz")


def test_a_name_twice_another_compression_and_a_password_are_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        warnings.simplefilter("ignore")
        for value in (1.0, 2.0):
            archive.writestr("x.npy", npy(np.array(value)))
    write_member(tmp_path / "lzma.npz", npy(np.zeros(3)), kind=zipfile.ZIP_LZMA)
    data = bytearray(write_member(tmp_path / "locked.npz", npy(np.zeros(3))).read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.npz").write_bytes(data)
    for name, message in [
        ("twice", "holds x twice"),
        ("lzma", "compressed as NumPy does not"),
        ("locked", "encrypted"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_npz(tmp_path / f"{name}.npz")


def test_a_flipped_byte_is_found_by_its_checksum(tmp_path: Path) -> None:
    data = bytearray(write_member(tmp_path / "a.npz", npy(np.zeros(1000)), kind=zipfile.ZIP_STORED).read_bytes())
    data[5000] = 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match="x is damaged"):
        read_npz(tmp_path / "a.npz")


def test_what_is_no_archive_says_what_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "npy.npz")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("no arrays\n" * 100)
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    for name, message in [
        ("npy", "a single array"), ("empty", "not an .npz file"), ("text", "not an .npz file"),
        ("pipe", "not a regular file"), ("folder", "not a regular file"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            read_npz(tmp_path / f"{name}.npz")


def test_a_table_of_contents_of_a_million_names_is_refused_unread(tmp_path: Path) -> None:
    end = b"PK\x05\x06" + bytes(8) + (50_000_000).to_bytes(4, "little") + bytes(6)
    (tmp_path / "a.npz").write_bytes(bytes(1000) + end)
    with pytest.raises(ValueError, match="table of contents of 50000000 bytes"):
        read_npz(tmp_path / "a.npz")


def test_a_name_with_control_characters_is_shown_escaped(tmp_path: Path) -> None:
    path = write_member(tmp_path / "a.npz", b"no array", name="\x1b[2Jx\n.npy")
    with pytest.raises(ValueError) as caught:
        read_npz(path)
    assert str(caught.value).isprintable() and r"\x1b[2Jx\n" in str(caught.value)
