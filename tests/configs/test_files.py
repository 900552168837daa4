import os
import socket
from pathlib import Path

import pytest

from configs.errors import InputError, WeightsError
from configs.files import check_regular, check_regular_or_folder


def test_a_regular_file_passes_also_behind_a_link(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"abc")
    (tmp_path / "link").symlink_to(path)
    assert check_regular(path, "a file").st_size == 3
    assert check_regular(tmp_path / "link", "a file").st_size == 3


def test_a_pipe_a_socket_a_device_and_a_folder_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in (
            (tmp_path / "pipe", "a named pipe"),
            (tmp_path / "link", "a named pipe"),
            (tmp_path / "socket", "a socket"),
            (Path("/dev/zero"), "a device"),
            (tmp_path, "a folder"),
        ):
            with pytest.raises(InputError, match=f"{path}: is {kind}; give a JSON file"):
                check_regular(path, "a JSON file")
            if path != tmp_path:
                with pytest.raises(WeightsError, match=kind):
                    check_regular_or_folder(path, "weights", error=WeightsError)
    check_regular_or_folder(tmp_path, "weights")


def test_what_is_missing_or_too_large_or_no_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(InputError, match="has 5 bytes, at most 4 are read"):
        check_regular(tmp_path / "large", "a file", bytes_max=4)
    with pytest.raises(InputError, match=r"nowhere: cannot be read \(No such file"):
        check_regular(tmp_path / "nowhere", "a file")
    with pytest.raises(InputError, match="not a valid path"):
        check_regular(tmp_path / "a\0b", "a file")
