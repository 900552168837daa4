"""Tests of `pipeline.engine.objects`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from pipeline.engine.objects import Objects, UrlObjects, open_objects


@pytest.fixture(params=["folder", "memory", "plain"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    """Return a folder, a store with a conditional write, and one without."""
    if request.param == "folder":
        yield open_objects(str(tmp_path / "store"))
        return
    found = open_objects(f"memory://objects{tmp_path}")
    assert isinstance(found, UrlObjects) and found.is_exclusive
    if request.param == "plain":
        found.is_exclusive = found._is_whole = False
    yield found
    fsspec.filesystem("memory").store.clear()


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
