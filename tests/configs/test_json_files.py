"""JSON from outside: what is read, and what each damage is called."""

import json
import os
from pathlib import Path

import pytest

from configs.errors import InputError
from configs.json_files import read_json


def write(folder: Path, data: bytes) -> Path:
    path = folder / "a.json"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_every_unicode_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    assert read_json(write(tmp_path, '{"é": [1, 2.5, null]}'.encode(encoding))) == {"é": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1 column 1"),
        (b"{", "not readable as JSON"),
        ('{"é": 1}'.encode("latin-1"), "byte 2 is no utf-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b"[" + b"9" * 5000 + b"]", "more than 18 digits"),
        (b"[-" + b"9" * 30 + b"]", "more than 18 digits"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
    ],
)
def test_what_is_no_json_is_told_with_the_file(tmp_path: Path, data: bytes, words: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_is_a_number_where_asked_for(tmp_path: Path) -> None:
    value = read_json(write(tmp_path, b"[NaN, Infinity, 10]"), is_nan_allowed=True)
    assert json.dumps(value) == "[NaN, Infinity, 10]"


def test_a_fifo_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path):
        with pytest.raises(InputError, match=r"is a (named pipe|folder); give a JSON file"):
            read_json(path)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 3 bytes, at most 2 are read"):
        read_json(write(tmp_path, b"[1]"), bytes_max=2)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "none.json")
