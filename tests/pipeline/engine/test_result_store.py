"""Tests of `pipeline.engine.result_store`."""

from pathlib import Path

import fsspec
import pytest

from configs.errors import InputError, RunError
from pipeline.engine.result_store import Commit, ResultStore


@pytest.fixture(params=["folder", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    fsspec.filesystem("memory").store.clear()
    return str(tmp_path / "out") if request.param == "folder" else f"memory://results{tmp_path}"


def made(folder: Path) -> Path:
    """Return a folder with the files of a run."""
    (folder / "tracks").mkdir(parents=True, exist_ok=True)
    (folder / "tracks" / "person_001.npz").write_bytes(b"motion")
    (folder / "run.json").write_bytes(b"{}")
    (folder / ".lock").touch()
    return folder


def commit_of(store: ResultStore, folder: Path, attempt: str, key: str = "clip-1") -> Commit:
    files = store.upload(folder, key, attempt)
    return Commit(key, "clip", attempt, files, [{"name": "clip", "status": "done"}])


def test_a_commit_says_what_was_made(place: str, tmp_path: Path) -> None:
    store = ResultStore(place)
    store.check()
    assert store.done() == set() and store.read_commit("clip-1") is None
    commit = commit_of(store, made(tmp_path / "run"), "01-a")
    assert store.done() == set()
    assert store.commit(commit)
    assert ResultStore(place).done() == {"clip-1"}
    kept = ResultStore(place).read_commit("clip-1")
    assert kept == commit
    assert set(commit.files) == {"tracks/person_001.npz", "run.json"}
    assert commit.files["run.json"]["bytes"] == 2
    assert store.read("_store/units/clip-1/01-a/tracks/person_001.npz") == b"motion"


def test_of_two_attempts_the_first_counts_and_the_other_leaves_nothing(place: str, tmp_path: Path) -> None:
    store, run = ResultStore(place), made(tmp_path / "run")
    first, second, third = (commit_of(store, run, name) for name in ("01-a", "02-b", "03-c"))
    assert store.commit(second)
    assert not store.commit(first) and not store.commit(third)
    kept = store.read_commit("clip-1")
    assert kept is not None and kept.attempt == "02-b"
    assert store.read("_store/units/clip-1/02-b/run.json") == b"{}"
    assert store.read("_store/units/clip-1/01-a/run.json") is None
    assert store.read("_store/units/clip-1/03-c/run.json") is None


def test_what_attempts_that_died_left_goes_with_the_commit(place: str, tmp_path: Path) -> None:
    store, run = ResultStore(place), made(tmp_path / "run")
    store.upload(run, "clip-1", "01-dead")
    assert store.commit(commit_of(store, run, "02-b"))
    assert store.read("_store/units/clip-1/01-dead/run.json") is None


def test_a_unit_that_was_set_aside_says_why_until_it_is_done(place: str, tmp_path: Path) -> None:
    store = ResultStore(place)
    store.set_aside("clip-1", "clip", [{"reason": "no video"}], "traceback")
    assert store.failed() == {"clip-1"} and store.read_failure("clip-1") == [{"reason": "no video"}]
    assert store.commit(commit_of(store, made(tmp_path / "run"), "01-a"))
    assert store.failed() == set() and store.read_failure("clip-1") == []


def test_a_store_without_a_conditional_write_removes_nothing(tmp_path: Path) -> None:
    store, run = ResultStore(f"memory://plain{tmp_path}"), made(tmp_path / "run")
    store._objects.is_exclusive = False
    first, second = commit_of(store, run, "01-a"), commit_of(store, run, "02-b")
    assert store.commit(first) and store.read("_store/units/clip-1/02-b/run.json") == b"{}"
    assert not store.commit(second)


def test_a_link_leads_to_the_result_that_counts(tmp_path: Path) -> None:
    store, run = ResultStore(str(tmp_path / "out")), made(tmp_path / "run")
    store.commit(commit_of(store, run, "01-a", "clip-1"))
    place = tmp_path / "out" / "clip"
    assert (place / "run.json").read_bytes() == b"{}"
    store.commit(commit_of(store, run, "01-b", "clip-2"))  # of other settings
    assert place.readlink() == Path("_store/units/clip-2/01-b")
    store.relink("clip-1", "clip")
    assert place.readlink() == Path("_store/units/clip-1/01-a")
    place.unlink()
    store.relink("clip-1", "clip")
    assert place.is_symlink()
    place.unlink()
    place.mkdir()
    store.relink("clip-1", "clip")
    assert not place.is_symlink()


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        ResultStore(str(tmp_path / "file")).check()


def test_nothing_in_a_store_is_pickle(place: str) -> None:
    store = ResultStore(place)
    store.write("_store/done/clip-1.json", b"\x80\x04K\x01.")
    with pytest.raises(InputError):
        store.read_commit("clip-1")
    store.write("_store/done/clip-1.json", b"[]")
    with pytest.raises(InputError, match="not an object of this program"):
        store.read_commit("clip-1")


def test_a_segment_is_taken_out_again_and_forgotten(place: str, tmp_path: Path) -> None:
    store = ResultStore(place)
    segment = commit_of(store, made(tmp_path / "run"), "01-a", "clip-1.s0000")
    store.commit(Commit(segment.key, "", segment.attempt, segment.files, segment.rows))
    store.download("clip-1.s0000", tmp_path / "copy")
    assert (tmp_path / "copy" / "tracks" / "person_001.npz").read_bytes() == b"motion"
    store.write("_store/units/clip-1.s0000/01-a/run.json", b"[]")
    with pytest.raises(OSError, match=r"run\.json is not as it was committed"):
        store.download("clip-1.s0000", tmp_path / "copy")
    store.forget("clip-1.s0000")
    assert store.done() == set() and store.read("_store/units/clip-1.s0000/01-a/run.json") is None
    assert not (tmp_path / "out" / "clip").exists()
