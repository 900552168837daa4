"""Tests of `pipeline.engine.objects`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from pipeline.engine.objects import Objects, UrlObjects, open_objects


@pytest.fixture(params=["folder", "memory", "plain", pytest.param("s3", marks=pytest.mark.slow)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    """Return a folder, a store with a conditional write, one without, and S3 as moto answers for it."""
    if request.param == "folder":
        yield open_objects(str(tmp_path / "store"))
        return
    if request.param == "s3":
        yield open_objects(request.getfixturevalue("bucket"))
        return
    found = open_objects(f"memory://objects{tmp_path}")
    assert isinstance(found, UrlObjects) and found.is_exclusive
    if request.param == "plain":
        found.is_exclusive = found._is_whole = False
    yield found
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a place in an S3 bucket of a server on this machine."""
    server = pytest.importorskip("moto.server", reason="moto is not installed (extra `cluster-test`)")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (extra `cluster`)")
    running = server.ThreadedMotoServer("127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    for name, value in {
        "ENDPOINT_URL": f"http://{host}:{port}",
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{uuid4().hex[:8]}"  # the server's memory is that of the process
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}/out"
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def test_an_object_is_read_as_it_was_written(objects: Objects) -> None:
    assert objects.read("a/b") is None and not objects.has("a/b") and objects.names("a") == []
    objects.put("a/b", b"one")
    objects.put("a/b", b"two")
    objects.put("a/c/d", b"three")
    assert objects.read("a/b") == b"two" and objects.has("a/b")
    assert objects.names("a") == ["b", "c"]


def test_an_object_is_created_once(objects: Objects) -> None:
    assert objects.create("done/x", b"first")
    assert not objects.create("done/x", b"second")
    assert objects.read("done/x") == b"first"


def test_of_many_who_create_an_object_at_once_one_does(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path))
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda number: objects.create("done/x", b"%d" % number), range(64)))
    assert sum(made) == 1 and objects.read("done/x") == b"%d" % made.index(True)
    assert objects.names("_store/new") == []


def test_files_are_uploaded_and_removed(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    objects.upload(tmp_path / "file", "units/k/1/tracks/file")
    objects.upload(tmp_path / "file", "units/k/2/file")
    assert objects.read("units/k/1/tracks/file") == b"content"
    assert objects.names("units/k") == ["1", "2"]
    objects.remove_tree("units/k/1")
    objects.remove_tree("units/k/3")
    objects.remove("units/k/2/none")
    assert objects.names("units/k") == ["2"]
