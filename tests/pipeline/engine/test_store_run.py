"""Tests of `pipeline.engine.store_run`."""

import logging
from pathlib import Path
from typing import Self

import pytest

from configs.schema import RunSettings
from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.dispatch import Finished
from pipeline.engine.manifest import BadRow, Row
from pipeline.engine.result_store import Commit, ResultStore
from pipeline.engine.status import AttemptRow
from pipeline.engine.store_run import StoreRun, Summary, plan_rows


class FakePool:
    """One worker that commits what it is given, except for names that begin with `bad`."""

    machines = 1

    def __init__(self, store: ResultStore) -> None:
        self.store, self.order, self.names = store, None, []
        self.stop_at = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def size(self) -> int:
        return 1

    def room(self) -> int:
        return 0 if self.order else 1

    def start(self, order: Order) -> None:
        self.order = order
        self.names.append(order.row.name)

    def wait(self, seconds: float) -> list[Finished]:
        order, self.order = self.order, None
        assert order is not None
        if order.row.name == self.stop_at:
            raise KeyboardInterrupt
        status = "failed" if order.row.name.startswith("bad") else "done"
        row = AttemptRow(
            order.row.name, order.key, order.row.number, order.attempt, status, video_s=3600.0, seconds=2.0
        )  # type: ignore[arg-type]
        if status == "done":
            self.store.commit(Commit(order.key, order.row.name, "01-a", {}, [row.dump()]))
        return [Finished(order, Outcome(row), seconds=2.25)]


class Room:
    """A folder with clips, and runs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.store = folder, [], ResultStore(str(folder / "out"))
        self.pool = FakePool(self.store)
        for number, name in enumerate(("a", "b", "bad", "c"), 1):
            (folder / f"{name}.mp4").write_bytes(b"video")
            self.rows.append(Row(number, name, str(folder / f"{name}.mp4")))
        self.rows.append(BadRow(5, "d", "", "row 5: names no clip"))

    def run(self, stop_at: str = "", is_retrying: bool = False) -> Summary:
        self.pool = FakePool(self.store)
        self.pool.stop_at = stop_at

        return StoreRun(self.store, RunSettings(), lambda: self.pool, is_retrying=is_retrying, has_progress=False).run(
            self.rows
        )


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def table(room: Room) -> list[tuple[str, str]]:
    import polars

    found = polars.read_parquet(room.folder / "out" / "status.parquet")
    return list(zip(found["name"], found["status"], strict=True))


ALL = [("a", "done"), ("b", "done"), ("bad", "failed"), ("c", "done"), ("d", "failed")]


def test_a_run_does_all_and_says_what_it_cost(room: Room) -> None:
    summary = room.run()
    assert (summary.done, summary.done_now, summary.exit_code) == (3, 3, 3)
    assert [row.name for row in summary.failed] == ["d", "bad"]
    assert summary.overhead_ms == 2250.0 - 0.0
    assert summary.cost is not None and summary.cost.video_s == 3 * 3600.0
    assert table(room) == ALL


def test_a_second_run_does_nothing_and_says_the_same(room: Room) -> None:
    room.run()
    summary = room.run()
    assert room.pool.names == [] and summary.cost is None
    assert (summary.done, summary.done_now, summary.exit_code) == (3, 0, 3)
    assert [row.name for row in summary.failed] == ["d", "bad"]
    assert table(room) == ALL


def test_a_run_that_was_stopped_goes_on_where_it_was(room: Room) -> None:
    with pytest.raises(KeyboardInterrupt):
        room.run(stop_at="bad")
    assert table(room) == [("a", "done"), ("b", "done"), ("d", "failed")]
    summary = room.run()
    assert room.pool.names == ["bad", "c"] and summary.done == 3
    assert table(room) == ALL


def test_the_table_is_made_from_the_store_where_it_is_lost_or_damaged(room: Room) -> None:
    room.run()
    for data in (None, b"nothing"):
        path = room.folder / "out" / "status.parquet"
        path.unlink() if data is None else path.write_bytes(data)
        room.run()
        assert table(room) == ALL


def test_what_was_set_aside_is_tried_again_when_asked(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.run()
    with caplog.at_level(logging.WARNING):
        room.run()
    assert "1 clips failed in an earlier run and are left out; --retry-failed tries them" in caplog.text
    room.run(is_retrying=True)
    assert room.pool.names == ["bad"]


def test_a_plan_says_what_a_run_would_do(room: Room) -> None:
    def plan(is_retrying: bool = False) -> list[tuple[str, str]]:
        rows = plan_rows(room.store, room.rows, RunSettings(), is_retrying=is_retrying)
        return [(row.name, row.status) for row in rows]

    assert plan() == [("d", "failed"), ("a", "to do"), ("b", "to do"), ("bad", "to do"), ("c", "to do")]
    with pytest.raises(KeyboardInterrupt):
        room.run(stop_at="c")
    assert plan() == [("d", "failed"), ("a", "done"), ("b", "done"), ("bad", "set aside"), ("c", "to do")]
    assert plan(is_retrying=True)[3] == ("bad", "to do")


def test_links_are_made_again(room: Room) -> None:
    room.run()
    (room.folder / "out" / "a").unlink()
    room.run()
    assert (room.folder / "out" / "a").is_symlink()


def test_exit_codes() -> None:
    bad = AttemptRow("a", "", 1, 0, "failed")
    assert Summary(1, 1, [], 0).exit_code == 0
    assert Summary(1, 1, [], 1).exit_code == Summary(1, 0, [bad], 0).exit_code == 3
    assert Summary(0, 0, [bad], 0).exit_code == 1
