"""The table of contents of a weights file."""

import json
import os
from pathlib import Path

import pytest

from configs.errors import InputError
from configs.network_files import TensorSizes, read_tensor_sizes


def write_header(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(*shape: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [0, 0]}


def test_the_header_tells_how_much_a_file_holds(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "a": entry(2, 3), "b": entry()}
    assert read_tensor_sizes(write_header(tmp_path / "a", header, bytes(28))) == TensorSizes(2, 7)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a header of 0 bytes"),
        (b"\xff" * 200, "not a .safetensors file, or truncated"),
        ((10).to_bytes(8, "little") + b"{", "truncated"),
        ((2).to_bytes(8, "little") + b"[]", "its header is a list"),
        ((4).to_bytes(8, "little") + b"nope", "not readable as JSON"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_tensor_sizes(tmp_path / "a")


@pytest.mark.parametrize("shape", [[10**12], [-1], ["a"], [True], None])
def test_a_shape_that_cannot_be_is_refused(tmp_path: Path, shape: object) -> None:
    write_header(tmp_path / "a", {"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}, bytes(4))
    with pytest.raises(InputError, match=r"has no shape|names 1000000000000 numbers"):
        read_tensor_sizes(tmp_path / "a")


def test_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in [("pipe", "not a regular file"), ("none", "cannot be read")]:
        with pytest.raises(InputError, match=message):
            read_tensor_sizes(tmp_path / name)
