"""Tests of `pipeline.engine.dispatch`: workers that do as they are told, and die."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.attempts import Order, Outcome
from pipeline.engine.dispatch import ATTEMPTS_MAX, Dispatch, Finished
from pipeline.engine.manifest import Row
from pipeline.engine.plan import PlannedUnit
from pipeline.engine.result_store import Commit, ResultStore
from pipeline.engine.status import AttemptRow, read_table

Fate = Callable[[Order], Finished]


def row_of(order: Order, status: str = "done", reason: str = "") -> AttemptRow:
    return AttemptRow(order.row.name, order.key, order.row.number, order.attempt, status, reason, 1.0)  # type: ignore[arg-type]


def done(order: Order) -> Finished:
    return Finished(order, Outcome(row_of(order)), seconds=1.5)


def failed(order: Order) -> Finished:
    return Finished(order, Outcome(row_of(order, "failed", "no network"), is_final=False), seconds=1.0)


def refused(order: Order) -> Finished:
    return Finished(order, Outcome(row_of(order, "failed", "no video"), log="traceback"), seconds=1.0)


def died(order: Order) -> Finished:
    return Finished(order, None, "the worker died", seconds=2.0, worker="host:1")


def machine_lost(order: Order) -> Finished:
    return Finished(order, None, "the machine died", True, 2.0, "host:1")


class FakePool:
    """Two workers; what becomes of an order is said by name and attempt."""

    def __init__(self, fates: dict[tuple[str, int], Fate]) -> None:
        self.fates, self.orders, self.waiting, self.most = fates, [], [], 0
        self.may_split: list[bool] = []

    def size(self) -> int:
        return 2

    def room(self) -> int:
        return 2 - len(self.waiting)

    def start(self, order: Order) -> None:
        self.orders.append((order.row.name, order.attempt))
        self.may_split.append(order.may_split)
        self.waiting.append(order)
        self.most = max(self.most, len(self.waiting))

    def wait(self, seconds: float) -> list[Finished]:
        order = self.waiting.pop(0)
        return [self.fates.get((order.row.name, order.attempt), done)(order)]


def units(*names: str) -> list[PlannedUnit]:
    return [PlannedUnit(Row(number, name, f"{name}.mp4"), f"{name}-1") for number, name in enumerate(names, 1)]


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path / "out"))


def test_every_unit_is_done_with_no_more_under_way_than_there_are_workers(store: ResultStore) -> None:
    pool = FakePool({})
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units(*"abcdefg"))
    assert pool.orders == [(name, 1) for name in "abcdefg"]
    assert pool.may_split == [False] * 5 + [True] * 2
    assert (dispatch.done, len(dispatch.failures), pool.most) == (7, 0, 2)
    assert dispatch.overheads_s == [1.5] * 7


def test_a_unit_that_failed_waits_for_the_others_and_is_tried_again(store: ResultStore) -> None:
    pool = FakePool({("a", 1): failed, ("b", 1): died})
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units(*"abcd"))
    assert pool.orders == [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("a", 2), ("b", 2)]
    assert (dispatch.done, len(dispatch.failures)) == (4, 0)
    assert [(row.name, row.status) for row in dispatch.rows if row.status != "done"] == [("a", "failed"), ("b", "lost")]


def test_poison_is_set_aside_with_every_reason(store: ResultStore) -> None:
    pool = FakePool({("a", n): died for n in (1, 2, 3)})
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units("a", "b"))
    assert (dispatch.done, len(dispatch.failures)) == (1, 1)
    assert store.failed() == {"a-1"}
    assert [row["reason"] for row in store.read_failure("a-1")] == ["the worker died"] * 3


def test_what_would_fail_again_is_tried_once(store: ResultStore) -> None:
    pool = FakePool({("a", 1): refused})
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units("a", "b"))
    assert pool.orders == [("a", 1), ("b", 1)] and len(dispatch.failures) == 1


def test_the_loss_of_a_machine_is_not_the_units_fault_but_not_for_ever(store: ResultStore) -> None:
    dispatch = Dispatch(FakePool({("a", n): machine_lost for n in range(1, 6)}), store, 3)
    dispatch.run(units("a"))
    assert (dispatch.done, len(dispatch.failures)) == (1, 0)
    dispatch = Dispatch(FakePool({("b", n): machine_lost for n in range(1, 99)}), store, 3)
    dispatch.run(units("b"))
    assert len(dispatch.failures) == 1 and len(store.read_failure("b-1")) == ATTEMPTS_MAX


def test_a_worker_that_died_after_its_commit_has_done_its_unit(store: ResultStore) -> None:
    def commit_and_die(order: Order) -> Finished:
        store.commit(Commit(order.key, order.row.name, "01-a", {}, [row_of(order).dump()]))
        return died(order)

    pool = FakePool({("a", 1): commit_and_die})
    dispatch = Dispatch(pool, store, 1)
    dispatch.run(units("a"))
    assert pool.orders == [("a", 1)] and (dispatch.done, len(dispatch.failures)) == (1, 0)


def test_the_table_has_what_was_known_before(store: ResultStore) -> None:
    dispatch = Dispatch(FakePool({("b", 1): refused}), store, 3)
    dispatch.earlier = [AttemptRow("z", "z-1", 9, 1, "done")]
    dispatch.run(units("a", "b"))
    dispatch.write_status()
    table = read_table(io.BytesIO(store.read("status.parquet") or b""))
    assert {key: [row.status for row in rows] for key, rows in table.items()} == {
        "a-1": ["done"], "b-1": ["failed"], "z-1": ["done"],
    }  # fmt: skip


def test_an_order_is_the_same_after_its_way_as_json() -> None:
    row = Row(3, "a", "s3://b/a.mp4", "p.json", {"decode.start_s": 1.0}, ("refine.mode=off",), "ab")
    order = Order(row, "a-1", 2, (AttemptRow("a", "a-1", 3, 1, "lost"),))
    assert Order.load(order.dump()) == order
    outcome = Outcome(AttemptRow("a", "a-1", 3, 2, "failed", "x"), False, "log", 1.0)
    assert Outcome.load(outcome.dump()) == outcome


def splits(*numbers: int) -> Fate:
    """Return what a worker says of a long clip."""
    segments = tuple({"number": number, "begin": 0, "first": 0, "stop": None} for number in numbers)

    def split(order: Order) -> Finished:
        return Finished(order, Outcome(row_of(order, "split"), segments=segments), seconds=1.0)

    return split


class SegmentPool(FakePool):
    """Workers that commit; what becomes of an order is said by key and attempt, and of a clip once more when joined."""

    def __init__(self, store: ResultStore, fates: dict[tuple[str, int], Fate]) -> None:
        super().__init__({})
        self.store, self.by_key, self.keys = store, fates, []

    def wait(self, seconds: float) -> list[Finished]:
        order = self.waiting.pop(0)
        self.keys.append((order.key, order.joined))
        if not order.joined and (order.key, order.attempt) in self.by_key:
            return [self.by_key[order.key, order.attempt](order)]
        self.store.commit(
            Commit(order.key, "" if order.segment else order.row.name, "01-a", {}, [row_of(order).dump()])
        )
        return [done(order)]


def test_segments_of_a_long_clip_are_done_first_and_then_joined(store: ResultStore) -> None:
    pool = SegmentPool(store, {("a-1", 1): splits(0, 1, 2), ("a-1.s0001", 1): died})
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units("a", "b"))
    segments = ("a-1.s0000", "a-1.s0001", "a-1.s0002")
    assert pool.keys[-1] == ("a-1", segments) and len(pool.keys) == 7
    assert [key for key, _ in pool.keys].count("a-1.s0001") == 2
    assert (dispatch.done, len(dispatch.failures)) == (2, 0)
    assert [row.status for row in dispatch.rows if row.unit == "a-1"] == ["split", "done"]


def test_segments_that_are_done_are_not_done_again(store: ResultStore) -> None:
    for key in ("a-1.s0000", "a-1.s0001"):
        store.commit(Commit(key, "", "01-a", {}, [AttemptRow("a", key, 1, 1, "done").dump()]))
    pool = SegmentPool(store, {("a-1", 1): splits(0, 1)})
    dispatch = Dispatch(pool, store, 3, done_before=frozenset(store.done()))
    dispatch.run(units("a"))
    assert pool.keys == [("a-1", ()), ("a-1", ("a-1.s0000", "a-1.s0001"))] and dispatch.done == 1


def test_a_clip_fails_once_with_its_segments(store: ResultStore) -> None:
    fates = {("a-1", 1): splits(0, 1, 2, 3), ("a-1.s0000", 1): refused, ("a-1.s0001", 1): refused}
    pool = SegmentPool(store, fates)
    dispatch = Dispatch(pool, store, 3)
    dispatch.run(units("a", "b"))
    assert (dispatch.done, len(dispatch.failures)) == (1, 1) and store.failed() == {"a-1"}
    assert "a-1.s0003" not in [key for key, _ in pool.keys]
    assert store.read_failure("a-1")[0]["reason"] == "no video"
