"""Files that are no checkpoint, damaged or hostile: refused in one line, with nothing run."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from configs.errors import WeightsError
from dpmesh.stored.checkpoint import listing, read_checkpoint


class Trap:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def refuse(path: Path, words: str) -> None:
    with pytest.raises(WeightsError, match=words) as caught:
        read_checkpoint(path).check_content()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_checkpoint_is_named_and_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, mark = tmp_path / "a.pth.tar", tmp_path / "ran"
    torch.save({"module.a": torch.ones(2), "x": Trap(mark)}, path, _use_new_zipfile_serialization=is_zip)
    refuse(path, r"asks for posix\.mkdir, so it was not read and nothing in it was run")
    assert not mark.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_plain_pickle_is_not_run(tmp_path: Path, protocol: int) -> None:
    path, mark = tmp_path / "a.pth.tar", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Trap(mark), protocol=protocol))
    refuse(path, "nothing in it was run")
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")  # people still have such files
def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    refuse(path, "is no PyTorch checkpoint|nothing in it was run|compressed archive")


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_checkpoint_is_refused(tmp_path: Path, is_zip: bool, share: float) -> None:
    path = tmp_path / "a.pth.tar"
    torch.save({"module.a": torch.ones(5000)}, path, _use_new_zipfile_serialization=is_zip)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refuse(path, "ends early or is damaged|cut or damaged|nothing in it was run")


def test_one_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pth.tar"
    torch.save({"module.a": torch.full((5000,), 3.0)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert read_checkpoint(path).tensors["module.a"].shape == (5000,)
    refuse(path, r"is damaged")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"hello" * 99, b"\x80\x02.", bytes(4000)])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth.tar"
    path.write_bytes(content)
    refuse(path, "damaged|nothing in it was run|holds a")


@pytest.mark.parametrize("suffix", [".pt", ".pth.tar"])
def test_an_archive_with_names_that_are_no_text_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("\u00e4/data.pkl", b"x")
    data = path.read_bytes().replace("\u00e4".encode(), b"\x85\x85")
    path.write_bytes(data)
    refuse(path, "ends early or is damaged")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("packed.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            archive.writestr("data.pkl", "hello")
        refuse(tmp_path / name, "compressed archive|no PyTorch checkpoint|nothing in it was run")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    refuse(tmp_path / "none.pth", "no such file")
    refuse(tmp_path, "is a folder")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds a list and no named tensors"),
        ({}, "holds a dict and no named tensors"),
        ({"module.a": 3}, "'module.a' is a int, no tensor"),
        ({1: torch.ones(2)}, "'1' is a Tensor|no tensor"),
        ({"a": torch.ones(2).to_sparse()}, "a is no plain tensor"),
        ({"a": torch.empty(2, device="meta")}, "a is no plain tensor"),
    ],
)
def test_what_holds_no_plain_tensors_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", words)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("wrapper", [None, "network", "state_dict"])
def test_tensors_are_found_in_a_snapshot(tmp_path: Path, is_zip: bool, wrapper: str | None) -> None:
    state: dict[str, Any] = {"module.a": torch.arange(3.0)}
    content = state if wrapper is None else {"epoch": 3, wrapper: state}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    checkpoint.check_content()
    assert torch.equal(checkpoint.tensors["module.a"], torch.arange(3.0))


def test_a_listing_is_short() -> None:
    assert listing(["b", "a"]) == "a, b"
    assert listing(str(i) for i in range(9)) == "0, 1, 2 and 6 more"


def test_a_tensor_that_repeats_one_stored_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.pt"
    torch.save({"ema": {"x": torch.zeros(1).expand(10**6, 10**6)}}, path)
    with pytest.raises(WeightsError, match=r"x has shape \(1000000, 1000000\) and 4 bytes are stored of it"):
        read_checkpoint(path)
