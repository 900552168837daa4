from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from configs.errors import RunError
from pipeline.flow.atomic import write_npz
from pipeline.flow.store import Journal, ObservationStore
from pipeline.types import (
    OBSERVATION_DTYPES,
    OBSERVATION_SHAPES,
    Chunk,
    Frame,
    Observations,
    concatenate_observations,
    no_observations,
)


def make_rows(frame_index: list[int], seed: int = 0) -> Observations:
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(size=(len(frame_index), *shape)).astype(OBSERVATION_DTYPES.get(name, np.float32))
        for name, shape in OBSERVATION_SHAPES.items()
    }
    frames = np.array(frame_index, np.int64)
    ids = np.arange(len(frames), dtype=np.int64)
    return Observations(**arrays | {"frame_index": frames, "time_s": frames / 25.0, "track_id": ids})


def make_chunk(number: int, rows: Observations) -> Chunk:
    frames = tuple(Frame(number * 4 + i, (number * 4 + i) / 25, np.zeros((2, 2, 3), np.uint8)) for i in range(4))
    return Chunk(number, frames, observations=rows, snapshots={"track": {"ids": np.arange(number + 1)}})


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
    store, journal = ObservationStore(tmp_path / "o"), Journal("abc")
    parts = [make_rows([0, 1, 1]), no_observations(), make_rows([9], seed=3)]
    for number, part in enumerate(parts):
        journal = store.commit(journal, make_chunk(number, part))
    found = concatenate_observations(list(store.read_shards()))
    wanted = concatenate_observations(parts)
    for item in fields(Observations):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(wanted, item.name), err_msg=item.name)
    state = store.read_state()
    assert state is not None
    assert state[0] == journal
    assert (journal.shard_count, journal.next_frame, journal.frame_count, journal.row_count) == (3, 12, 12, 4)
    assert state[1]["track"]["ids"].tolist() == [0, 1, 2]


def test_a_shard_without_a_state_does_not_count(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    journal = store.commit(Journal("abc"), make_chunk(0, make_rows([0])))
    state_bytes = (store.folder / "state.npz").read_bytes()
    store.commit(journal, make_chunk(1, make_rows([5])))
    (store.folder / "state.npz").write_bytes(state_bytes)  # as if killed between the shard and the state
    assert sum(len(shard.frame_index) for shard in store.read_shards()) == 1


def test_frames_without_a_picture_are_counted_up_to_the_end_of_the_last_shard(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    journal = store.commit(Journal("abc"), make_chunk(0, make_rows([0])), [1, 2, 4, 9])  # 4 and 9 are behind its frames
    assert journal.left_out == [1, 2]
    state = store.read_state()
    assert state is not None and state[0] == journal
    write_npz(store.folder / "state.npz", {"journal": np.asarray('{"fingerprint": "of an earlier version"}')})
    state = store.read_state()
    assert state is not None and state[0].left_out == []


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        store = ObservationStore(tmp_path / name)
        store.commit(Journal("abc"), make_chunk(0, make_rows([0, 2])))
        written.append([path.read_bytes() for path in sorted(store.folder.iterdir())])
    assert written[0] == written[1]


def test_nothing_committed_reads_as_nothing(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    assert store.read_state() is None
    assert list(store.read_shards()) == []


def test_a_damaged_state_says_which_folder_to_delete(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    store.commit(Journal("abc"), make_chunk(0, make_rows([0])))
    (store.folder / "state.npz").write_bytes(b"not a zip")
    with pytest.raises(RunError, match="delete"):
        store.read_state()


def test_a_missing_shard_is_an_error_not_a_gap(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    store.commit(Journal("abc"), make_chunk(0, make_rows([0])))
    (store.folder / "shard_000000.npz").unlink()
    with pytest.raises(RunError, match="shard_000000"):
        list(store.read_shards())


def test_clearing_takes_what_the_journal_counts_and_nothing_else(tmp_path: Path) -> None:
    store, journal = ObservationStore(tmp_path / "o"), Journal("abc")
    for number in range(3):
        journal = store.commit(journal, make_chunk(number, make_rows([number])))
    (store.folder / "shard_000003.npz").write_text("written, not counted yet")
    theirs = ["notes.txt", "shard_000001.npz.bak", "shard_1.npz", "shard_000099.npz", "old.npz"]
    for name in theirs:
        (store.folder / name).write_text("mine")
    (store.folder / "deep").mkdir()
    store.clear()
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([*theirs, "deep"])
    assert store.read_state() is None
    store.clear()  # of nothing


def test_clearing_that_was_stopped_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, journal = ObservationStore(tmp_path / "o"), Journal("abc")
    for number in range(3):
        journal = store.commit(journal, make_chunk(number, make_rows([number])))
    unlink, gone = Path.unlink, []

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("shard"):
            gone.append(path)
            if len(gone) == 2:
                raise MemoryError("died")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        with pytest.raises(MemoryError):
            store.clear()
    state = store.read_state()
    assert state is not None and state[0].fingerprint != "abc"  # nobody takes what is left for whole
    store.clear()
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "[" * 5000,
        '{"fingerprint": "a", "shard_count": -1}',
        '{"fingerprint": "a", "shard_count": "3"}',
        '{"fingerprint": "a", "shard_count": true}',
        '{"fingerprint": "a", "last_time_s": NaN}',
        '{"fingerprint": 3}',
        '{"fingerprint": "a", "colour": 3}',
        '{"fingerprint": "a", "left_out": 3}',
        '{"fingerprint": "a", "left_out": [-1]}',
        '{"fingerprint": "a", "left_out": ["3"]}',
    ],
)
def test_a_journal_of_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    store = ObservationStore(tmp_path / "o")
    write_npz(store.folder / "state.npz", {"journal": np.asarray(text)})
    with pytest.raises(RunError, match=r"state\.npz: not a state file of this version"):
        store.read_state()


def test_a_journal_that_counts_shards_without_end_is_cleared_at_once(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    store.write_state(Journal("abc", shard_count=10**17), {})
    store.clear()
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("frame_index", np.array([0, 1, 2**62]), "its frames do not go up from 0 to below 4"),
        ("frame_index", np.array([-(2**62), 1, 2]), "its frames do not go up"),
        ("frame_index", np.array([0, 2, 1]), "its frames do not go up"),
        ("frame_index", np.array([0, 1, 2], np.float64), "frame_index is of type <f8"),
        ("frame_index", np.array([0, 1, 1]), "its times do not go up with its frames"),
        ("time_s", np.array([0.0, 1.0, 0.5]), "its times do not go up"),
        ("time_s", np.array([0.0, np.nan, 0.5]), "time_s is not finite"),
        ("pose", np.full((3, 24, 3), np.inf, np.float32), "pose is not finite"),
        ("track_id", np.ones(3, np.float32), "track_id is of type <f4"),
        ("betas", np.zeros((3, 10), "S3"), "betas is of type"),
    ],
)
def test_a_shard_of_other_numbers_than_stages_write_is_refused(
    tmp_path: Path, name: str, value: np.ndarray, words: str
) -> None:
    store = ObservationStore(tmp_path / "o")
    rows = make_rows([0, 1, 2])
    store.commit(Journal("abc"), make_chunk(0, rows))
    arrays = {item.name: getattr(rows, item.name) for item in fields(Observations)}
    write_npz(store.folder / "shard_000000.npz", arrays | {name: value})
    with pytest.raises(RunError, match=f"shard cannot be read \\({words}"):
        list(store.read_shards())


def test_a_shard_with_somebody_twice_in_a_frame_is_refused(tmp_path: Path) -> None:
    store = ObservationStore(tmp_path / "o")
    rows = make_rows([0, 1, 1])
    store.commit(Journal("abc"), make_chunk(0, rows))
    arrays = {item.name: getattr(rows, item.name) for item in fields(Observations)}
    write_npz(store.folder / "shard_000000.npz", arrays | {"track_id": np.zeros(3, np.int64)})
    with pytest.raises(RunError, match="somebody is in one frame twice"):
        list(store.read_shards())


@pytest.mark.parametrize(
    "change",
    [
        {"track/ids": np.arange(5)},
        {"track/ids": np.arange(1, dtype=np.float64)},
        {"track/more": np.arange(1)},
        {"journal": np.asarray("{}")},
    ],
)
def test_a_state_that_was_changed_is_refused_before_a_stage_takes_it_over(
    tmp_path: Path, change: dict[str, np.ndarray]
) -> None:
    store = ObservationStore(tmp_path / "o")
    store.commit(Journal("abc"), make_chunk(0, make_rows([0])))
    path = store.folder / "state.npz"
    with np.load(path) as file:
        arrays = dict(file)
    write_npz(path, arrays)
    assert store.read_state() is not None
    write_npz(path, arrays | change)
    with pytest.raises(RunError, match="it was changed after it was written"):
        store.read_state()
